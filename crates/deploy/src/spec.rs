use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, Digest, EnvironmentName, RepositoryName, ServiceName};

/// The promotion that asks for a rollout. Asking again with the same key goes on where the last attempt stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutKey(String);

impl RolloutKey {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RolloutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One release entering one environment. A rollback is the same with an earlier release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RolloutSpec {
    pub key: RolloutKey,
    pub repository: RepositoryName,
    pub environment: EnvironmentName,
    /// What the version path of every service has to name.
    pub version: String,
    pub commit: CommitSha,
    pub target: Target,
    pub services: Vec<ServiceSpec>,
    /// How many earlier releases keep running, so that a rollback to them is a switch and no start.
    pub keep: usize,
    pub limits: RolloutLimits,
}

/// Where instances run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// As plain processes of the account that Sluice runs under. Nothing confines them but that account.
    Host,
    /// As containers of the engine on this machine.
    Docker,
}

impl Target {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Docker => "docker",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutLimits {
    /// From the start of an instance to its health path answering.
    pub ready_within_ms: u64,
    /// How long the release is watched after the switch before the rollout counts as done.
    pub verify_for_ms: u64,
    /// How long requests in flight on the previous release may take after the switch.
    pub drain_within_ms: u64,
    /// From SIGTERM to SIGKILL.
    pub stop_within_ms: u64,
}

impl Default for RolloutLimits {
    fn default() -> Self {
        Self {
            ready_within_ms: 60_000,
            verify_for_ms: 2_000,
            drain_within_ms: 30_000,
            stop_within_ms: 10_000,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: ServiceName,
    pub image: ImageRef,
    /// The port that the image listens on, in a container. On the host each instance gets a port of its own.
    /// Either way `PORT` says which.
    pub port: u16,
    /// Answers 2xx or 3xx when an instance can take requests.
    pub health_path: String,
    /// Answers JSON with `version` and `commit`.
    pub version_path: Option<String>,
    pub env: BTreeMap<String, EnvValue>,
    pub replicas: u32,
    /// Services that have to be ready before this one is started.
    pub depends_on: Vec<ServiceName>,
    /// The port of its route on 127.0.0.1; none: a free one is chosen once, and kept.
    pub route_port: Option<u16>,
}

/// An image of the registry, by what it is and not by what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// `storefront/api`, without a registry's host.
    pub repository: String,
    /// Of the manifest.
    pub digest: Digest,
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// The value of a variable, which may be a secret. `Debug` hides it either way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvValue(String);

impl EnvValue {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
