use std::io;
use std::path::PathBuf;

use sluice_model::ServiceName;

use crate::spec::RolloutKey;

/// Why a release is not live. Unless [`RolloutFailed::is_switched`], requests never reached it.
#[derive(Debug, thiserror::Error)]
pub enum RolloutFailed {
    #[error("the rollout cannot be carried out: {reason}")]
    Invalid { reason: String },
    #[error("a newer rollout of this environment, {by}, took the place of {key}")]
    Superseded { key: RolloutKey, by: RolloutKey },
    #[error("{reason}")]
    Earlier { key: RolloutKey, reason: String, is_switched: bool },
    #[error("service {service}: the image {image} is not to be had: {reason}")]
    Image { service: ServiceName, image: String, reason: String },
    #[error("service {service}: it cannot be started: {reason}")]
    NotStarted { service: ServiceName, reason: String },
    #[error("service {service}: an instance {how} before it was ready{}", last_words(.last_lines))]
    Died { service: ServiceName, how: String, last_lines: Vec<String> },
    #[error(
        "service {service}: {path} did not answer well within {within_ms} ms: {seen}{}",
        last_words(.last_lines)
    )]
    NotReady { service: ServiceName, path: String, within_ms: u64, seen: String, last_lines: Vec<String> },
    #[error("service {service}: {path} of the new instance {reason}")]
    WrongVersion { service: ServiceName, path: String, reason: String },
    #[error("after the switch: {0}")]
    Drifted(Drift),
    #[error("there is no container engine: {reason}")]
    NoEngine { reason: String },
    #[error("the container engine failed: {0}")]
    Engine(#[from] sluice_docker::EngineError),
    #[error("the proxy failed: {0}")]
    Proxy(#[from] sluice_proxy::ControlError),
    #[error("the proxy failed: {0}")]
    ProxyStart(#[from] sluice_proxy::SpawnError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl RolloutFailed {
    /// Requests went to the release: the environment needs a rollback, or a newer release.
    pub fn is_switched(&self) -> bool {
        matches!(self, Self::Drifted(_) | Self::Earlier { is_switched: true, .. })
    }

    /// The release is at fault and a repeat would end the same way. Otherwise the machine is, and the same key may
    /// be tried again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Invalid { .. }
            | Self::Superseded { .. }
            | Self::Earlier { .. }
            | Self::Died { .. }
            | Self::NotReady { .. }
            | Self::WrongVersion { .. }
            | Self::Drifted(_) => true,
            Self::Image { .. }
            | Self::NotStarted { .. }
            | Self::NoEngine { .. }
            | Self::Engine(_)
            | Self::Proxy(_)
            | Self::ProxyStart(_)
            | Self::Ledger(_) => false,
        }
    }
}

/// What is live is not what was deployed, or does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service {service}: {reason}")]
pub struct Drift {
    pub service: ServiceName,
    pub reason: String,
}

/// The state folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} cannot be read: {reason}. Put back a copy, or remove it when nothing is deployed")]
    Damaged { path: PathBuf, reason: String },
}

pub(crate) fn last_words(lines: &[String]) -> String {
    if lines.is_empty() {
        return ", and wrote nothing".to_owned();
    }
    format!(". Its last lines:\n  {}", lines.join("\n  "))
}
