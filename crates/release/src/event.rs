use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, PromotionId, ReleaseId, RunId, Timestamp, UserName};

use crate::{Approval, Config, Failure, PromotionKind, Proposer, Release, Settings};

/// What happened to a repository's releases. Stored for ever: a spelling, once released, never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    PolicyChanged {
        at: Timestamp,
        config: Box<Config>,
    },
    ReleaseRecorded {
        at: Timestamp,
        release: Box<Release>,
    },
    PromotionProposed {
        at: Timestamp,
        promotion: PromotionId,
        release: ReleaseId,
        environment: EnvironmentName,
        how: PromotionKind,
        by: Proposer,
    },
    /// A person who may approved a promotion.
    PromotionApproved {
        at: Timestamp,
        promotion: PromotionId,
        approval: Approval,
    },
    PromotionRejected {
        at: Timestamp,
        promotion: PromotionId,
        by: UserName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person approved the environment's gate in a run before the release came to that environment.
    RunApproved {
        at: Timestamp,
        run: RunId,
        environment: EnvironmentName,
        approval: Approval,
    },
    /// Enough people have: the run's gate may open.
    RunGateOpened {
        at: Timestamp,
        run: RunId,
        environment: EnvironmentName,
        by: Vec<UserName>,
    },
    RunGateRejected {
        at: Timestamp,
        run: RunId,
        environment: EnvironmentName,
        by: UserName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    PromotionSuperseded {
        at: Timestamp,
        promotion: PromotionId,
        by: PromotionId,
    },
    GateOpened {
        at: Timestamp,
        promotion: PromotionId,
    },
    RolloutStarted {
        at: Timestamp,
        promotion: PromotionId,
        settings: Box<Settings>,
    },
    /// The new instances have the traffic.
    TrafficSwitched {
        at: Timestamp,
        promotion: PromotionId,
    },
    PromotionLive {
        at: Timestamp,
        promotion: PromotionId,
    },
    PromotionFailed {
        at: Timestamp,
        promotion: PromotionId,
        failure: Failure,
        reason: String,
    },
    DriftFound {
        at: Timestamp,
        promotion: PromotionId,
        reason: String,
    },
    /// Automation pauses in the environment.
    HoldPlaced {
        at: Timestamp,
        environment: EnvironmentName,
        by: UserName,
        reason: String,
    },
    HoldLifted {
        at: Timestamp,
        environment: EnvironmentName,
        by: UserName,
    },
}
