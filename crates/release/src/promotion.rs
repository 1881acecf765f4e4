use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, PromotionId, ReleaseId, RunId, Timestamp, UserName};

use crate::{Environment, Service, Target};

/// One release entering one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    pub id: PromotionId,
    pub release: ReleaseId,
    pub environment: EnvironmentName,
    pub kind: PromotionKind,
    pub by: Proposer,
    pub proposed: Timestamp,
    /// Who said yes, whether or not the policy of today counts them.
    pub approvals: Vec<Approval>,
    pub state: PromotionState,
    /// None until its rollout starts.
    pub settings: Option<Settings>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PromotionKind {
    Forward,
    /// Back to what an earlier promotion had made live, with its settings.
    Rollback {
        to: PromotionId,
        /// The promotion that is left.
        from: PromotionId,
        /// Why it happened by itself; none when a person asked.
        reason: Option<String>,
    },
}

/// Who or what began a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proposer {
    /// The release was recorded, or became live in the environment before.
    Automation,
    Person(UserName),
    /// `sluice deploy` in a job of this run.
    Run(RunId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub by: UserName,
    /// The person's groups when they approved.
    pub groups: Vec<String>,
    pub can_write: bool,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PromotionState {
    /// Waits for its gate.
    Gated {
        since: Timestamp,
    },
    /// Its gate is open; another rollout has the environment.
    Ready {
        since: Timestamp,
    },
    /// The new instances start beside the old ones.
    Deploying {
        since: Timestamp,
    },
    /// Traffic goes to the new instances; health and version are watched.
    Verifying {
        since: Timestamp,
    },
    Live {
        since: Timestamp,
    },
    /// Was live until a later promotion was.
    Replaced {
        since: Timestamp,
        by: PromotionId,
        at: Timestamp,
    },
    /// A newer release took its place before it began.
    Superseded {
        by: PromotionId,
        at: Timestamp,
    },
    Rejected {
        by: UserName,
        reason: Option<String>,
        at: Timestamp,
    },
    Failed {
        failure: Failure,
        reason: String,
        at: Timestamp,
    },
    /// It had the traffic, and a rollback took it away.
    RolledBack {
        by: PromotionId,
        at: Timestamp,
    },
}

impl PromotionState {
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Gated { .. } | Self::Ready { .. })
    }
    pub fn is_rolling_out(&self) -> bool {
        matches!(self, Self::Deploying { .. } | Self::Verifying { .. })
    }
    pub fn is_over(&self) -> bool {
        !self.is_waiting() && !self.is_rolling_out()
    }
    /// One word: `gated`, `ready`, `deploying`, `verifying`, `live`, `replaced`, `superseded`, `rejected`, `failed`,
    /// `rolled_back`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gated { .. } => "gated",
            Self::Ready { .. } => "ready",
            Self::Deploying { .. } => "deploying",
            Self::Verifying { .. } => "verifying",
            Self::Live { .. } => "live",
            Self::Replaced { .. } => "replaced",
            Self::Superseded { .. } => "superseded",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
            Self::RolledBack { .. } => "rolled_back",
        }
    }
}

/// At which stage a promotion failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Before anything started: variables that are missing or wrong.
    Check,
    /// The new instances never had the traffic.
    Rollout,
    /// They had it, and were not what they should be.
    Verification,
}

/// With what a promotion is rolled out: the release's own services, and the environment as the policy has it at
/// that time. A rollback takes those of the promotion that it goes back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub services: Vec<Service>,
    pub environment: Environment,
    pub target: Target,
}
