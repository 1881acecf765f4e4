use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, EnvironmentName, RepositoryName, ServiceName};

use crate::failure::RolloutFailed;
use crate::progress::RolloutReport;
use crate::spec::{ImageRef, RolloutKey, RolloutSpec, Target};

/// So many rollouts of an environment are remembered by their keys.
const ROLLOUTS: usize = 200;

/// What is known of one environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    pub repository: RepositoryName,
    pub environment: EnvironmentName,
    /// Of the newest rollout. Rollouts are ordered by when they were first asked for.
    pub sequence: u64,
    /// Oldest first.
    pub rollouts: Vec<RolloutRecord>,
    pub live: Option<ReleaseRecord>,
    /// Releases that keep running, newest first.
    pub kept: Vec<ReleaseRecord>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RolloutRecord {
    pub key: RolloutKey,
    pub sequence: u64,
    pub state: RolloutState,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    Begun,
    Done { report: RolloutReport },
    Failed { reason: String, is_switched: bool },
}

/// One release with the instances that serve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    pub version: String,
    pub commit: CommitSha,
    pub instances: Vec<InstanceId>,
    /// It failed after its switch: it is nothing to come back to.
    pub is_faulty: bool,
}

impl EnvironmentRecord {
    pub fn new(repository: &RepositoryName, environment: &EnvironmentName) -> Self {
        Self {
            repository: repository.clone(),
            environment: environment.clone(),
            sequence: 0,
            rollouts: Vec::new(),
            live: None,
            kept: Vec::new(),
        }
    }

    /// Finds the rollout of this key or begins it, and says its place in the order. Rollouts that were begun
    /// before it and are not done give way.
    ///
    /// # Errors
    /// When a newer rollout has begun meanwhile, or this one has failed for good.
    pub fn begin(&mut self, key: &RolloutKey) -> Result<u64, RolloutFailed> {
        let Some(known) = self.rollouts.iter().find(|rollout| rollout.key == *key) else {
            self.sequence += 1;
            let state = RolloutState::Begun;
            self.rollouts.push(RolloutRecord { key: key.clone(), sequence: self.sequence, state });
            let surplus = self.rollouts.len().saturating_sub(ROLLOUTS);
            self.rollouts.drain(..surplus);
            return Ok(self.sequence);
        };
        if let RolloutState::Failed { reason, is_switched } = &known.state {
            let (key, reason, is_switched) = (key.clone(), reason.clone(), *is_switched);
            return Err(RolloutFailed::Earlier { key, reason, is_switched });
        }
        let is_done = matches!(known.state, RolloutState::Done { .. });
        match self.newest() {
            Some(by) if by.sequence > known.sequence && !is_done => {
                Err(RolloutFailed::Superseded { key: key.clone(), by: by.key.clone() })
            }
            _ => Ok(known.sequence),
        }
    }

    pub fn newest(&self) -> Option<&RolloutRecord> {
        self.rollouts.last()
    }

    /// The report of a rollout that is done.
    pub fn report(&self, key: &RolloutKey) -> Option<&RolloutReport> {
        let rollout = self.rollouts.iter().find(|rollout| rollout.key == *key)?;
        match &rollout.state {
            RolloutState::Done { report } => Some(report),
            RolloutState::Begun | RolloutState::Failed { .. } => None,
        }
    }

    pub fn set_state(&mut self, key: &RolloutKey, state: RolloutState) {
        if let Some(rollout) = self.rollouts.iter_mut().find(|rollout| rollout.key == *key) {
            rollout.state = state;
        }
    }

    /// The release is live now, and the one before it is kept with at most `keep - 1` others.
    pub fn go_live(&mut self, release: ReleaseRecord, keep: usize) {
        let previous = self.live.replace(release.clone());
        let earlier = previous.into_iter().chain(std::mem::take(&mut self.kept));
        let mut kept: Vec<ReleaseRecord> = Vec::new();
        for earlier in earlier {
            let is_known = |known: &ReleaseRecord| known.instances == earlier.instances;
            if !earlier.is_faulty && !is_known(&release) && !kept.iter().any(is_known) {
                kept.push(earlier);
            }
        }
        kept.truncate(keep);
        self.kept = kept;
    }

    pub fn wants(&self, id: &InstanceId) -> bool {
        self.live.iter().chain(&self.kept).any(|release| release.instances.contains(id))
    }
}

/// A name for one instance, never given twice: safe as a file's and as a container's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    pub fn new(service: &ServiceName, replica: u32) -> Self {
        Self(format!(
            "{}-{replica}-{:012x}",
            crate::ledger::slug(service.as_str()),
            rand::random::<u64>() >> 16
        ))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One process or container, written down before it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    pub id: InstanceId,
    pub repository: RepositoryName,
    pub environment: EnvironmentName,
    pub service: ServiceName,
    pub replica: u32,
    /// Of all that it was started with: an instance with the same one is the same instance.
    pub fingerprint: String,
    pub image: ImageRef,
    pub target: Target,
    /// Where it listens, on 127.0.0.1 of this machine.
    pub address: SocketAddr,
    /// None until it was started; a process that was started and not yet written down carries its id.
    pub process: Option<ProcessMark>,
    pub stop_within_ms: u64,
    /// It is being stopped and never serves again.
    pub is_stopping: bool,
}

impl InstanceRecord {
    pub fn is_of(&self, spec: &RolloutSpec) -> bool {
        self.repository == spec.repository && self.environment == spec.environment
    }
}

/// A process that cannot be taken for another one that got its number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    pub pid: i32,
    /// In clock ticks since the machine started (proc(5), stat, field 22).
    pub start_time: u64,
}
