use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, Digest, ReleaseId, RunId, ServiceName, Timestamp, UserName};

use crate::Service;

/// What a green run made, or a person's own pipeline: a version, a commit, and the digest of each service's image. Never
/// changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub id: ReleaseId,
    /// See [`crate::version_of`]. Unique in the repository.
    pub version: String,
    pub commit: CommitSha,
    pub git_ref: String,
    /// The commit message's first line.
    pub subject: String,
    /// The account that caused the run, or whose token pushed the images.
    pub author: UserName,
    #[serde(flatten)]
    pub origin: Origin,
    pub created: Timestamp,
    pub images: BTreeMap<ServiceName, Digest>,
    /// The services as the release's own commit declares them.
    pub services: Vec<Service>,
}

/// Where a release's images were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// In a run of the server.
    Run { run: RunId },
    /// In a person's own pipeline. `after`: what [`Release::age`] was at most then; the server's runs after it are newer.
    Elsewhere { after: RunId },
}

impl Release {
    /// The run that made it; none where it was made elsewhere.
    pub fn run(&self) -> Option<RunId> {
        match self.origin {
            Origin::Run { run } => Some(run),
            Origin::Elsewhere { after: _ } => None,
        }
    }

    /// Greater for a newer release. Runs may end, and make their releases, in another order than they began: the run
    /// decides, and only within one run the order of recording.
    pub(crate) fn age(&self) -> (RunId, ReleaseId) {
        let (Origin::Run { run } | Origin::Elsewhere { after: run }) = self.origin;
        (run, self.id)
    }
}
