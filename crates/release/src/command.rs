use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, PromotionId, ReleaseId, RunId, ServiceName, UserName,
};

use crate::{Config, Proposer, Service};

/// What somebody asks of a repository's releases. Safe to repeat: a command whose outcome is there gives no events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// `sluice.yaml` of the default branch is new.
    ChangePolicy {
        config: Box<Config>,
    },
    RecordRelease(Box<RecordRelease>),
    Propose {
        release: ReleaseId,
        environment: EnvironmentName,
        by: Proposer,
    },
    Approve {
        subject: ApprovalSubject,
        by: Approver,
    },
    Reject {
        subject: ApprovalSubject,
        by: Approver,
        #[serde(default)]
        reason: Option<String>,
    },
    /// The new instances are healthy and have the traffic.
    RolloutSucceeded {
        promotion: PromotionId,
    },
    /// The new instances never got the traffic; the old ones still have it.
    RolloutFailed {
        promotion: PromotionId,
        reason: String,
    },
    /// Health and version were as they should be for the whole of `verify_for`.
    VerificationSucceeded {
        promotion: PromotionId,
    },
    VerificationFailed {
        promotion: PromotionId,
        reason: String,
    },
    /// What is live does not say any more that it is this release, or is not healthy.
    DriftDetected {
        promotion: PromotionId,
        reason: String,
    },
    /// Back to the release that was live before, or to `to`, which was live there once.
    Rollback {
        environment: EnvironmentName,
        #[serde(default)]
        to: Option<ReleaseId>,
        by: Approver,
    },
    /// Automation goes on in the environment.
    Resume {
        environment: EnvironmentName,
        by: Approver,
    },
    /// Time went by: soaks and freezes may be over.
    Tick,
}

/// What an approval or a rejection is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalSubject {
    Promotion(PromotionId),
    /// The environment's gate within a run, whose release may not be there yet.
    Run {
        run: RunId,
        environment: EnvironmentName,
        author: UserName,
    },
}

/// A person, with what the server knows of them at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    pub name: UserName,
    #[serde(default)]
    pub groups: Vec<String>,
    /// May write to the repository.
    #[serde(default)]
    pub can_write: bool,
}

/// What a run pushed, or a person's own pipeline, to be kept as a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRelease {
    /// None: pushed elsewhere, with the author's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    pub commit: CommitSha,
    pub git_ref: String,
    pub subject: String,
    pub author: UserName,
    pub images: BTreeMap<ServiceName, PushedImage>,
    /// From `sluice.yaml` at the commit itself.
    pub services: Vec<Service>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedImage {
    pub digest: Digest,
    /// The tag that it was pushed under, if any.
    #[serde(default)]
    pub tag: Option<String>,
    /// Its label `org.opencontainers.image.version`.
    #[serde(default)]
    pub version_label: Option<String>,
}
