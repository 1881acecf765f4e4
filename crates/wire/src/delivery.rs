use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, PromotionId, ReleaseId, RepositoryName, ServiceName, Timestamp,
    UserName,
};

/// A release, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSummary {
    pub id: ReleaseId,
    pub version: String,
    pub commit: CommitSha,
    pub description: String,
    /// The number of the run that made it, in its repository; none where a person's own pipeline pushed its images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    pub created: Timestamp,
    pub images: BTreeMap<ServiceName, ImageSummary>,
    /// The environments where it is live now.
    pub live_in: Vec<EnvironmentName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSummary {
    pub image: String,
    pub digest: Digest,
}

/// One environment: what is live, what goes on, what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    pub name: EnvironmentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveRelease>,
    /// The promotions that have not ended, oldest first.
    pub promotions: Vec<PromotionSummary>,
    /// How the last one that ended did end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PromotionSummary>,
    /// The versions that a rollback can go back to, the newest first.
    pub rollback_to: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRelease {
    pub version: String,
    pub commit: CommitSha,
    pub since: Timestamp,
    /// Where each service answers.
    pub addresses: BTreeMap<ServiceName, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionSummary {
    pub id: PromotionId,
    pub environment: EnvironmentName,
    pub version: String,
    pub stage: PromotionStage,
    pub proposed_by: UserName,
    pub since: Timestamp,
    /// What it waits for, each a clause for a person: `1 more approval from release-managers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<UserName>,
    /// Why it was rejected, has failed or was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromotionStage {
    Gated,
    Deploying,
    Verifying,
    Live,
    Rejected,
    Failed,
    RolledBack,
    /// A newer promotion took its place before it began.
    Superseded,
}

impl PromotionStage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gated => "gated",
            Self::Deploying => "deploying",
            Self::Verifying => "verifying",
            Self::Live => "live",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Superseded => "superseded",
        }
    }
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Gated | Self::Deploying | Self::Verifying)
    }
}

/// A word at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub approve: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteRequest {
    pub version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RollbackRequest {
    /// None: the release that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What `sluice deploy` asks for. In a job of the server, the job's own token says which run it is; a person says which
/// repository, and which tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRequest {
    pub environment: EnvironmentName,
    /// Take only images that were pushed with this tag. None: the run's last push of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whose release it is, where a person asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
}

/// One line of the answer to a deployment, as newline-delimited JSON. The last one is `Ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Progress {
    /// A line for a person.
    Line {
        at: Timestamp,
        text: String,
    },
    /// The promotion, whenever it enters another stage or waits for something else.
    Stage {
        promotion: PromotionSummary,
    },
    Ended {
        promotion: PromotionSummary,
    },
    /// The server could not go on telling; ask again.
    Problem {
        message: String,
    },
}
