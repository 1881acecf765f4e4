use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, Digest, ReleaseId, RunId, ServiceName, Timestamp, UserName};

use crate::Service;

/// What a green run made: a version, a commit, and the digest of each service's image. Never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub id: ReleaseId,
    /// See [`crate::version_of`]. Unique in the repository.
    pub version: String,
    pub commit: CommitSha,
    pub git_ref: String,
    /// The commit message's first line.
    pub subject: String,
    /// The account that caused the run.
    pub author: UserName,
    pub run: RunId,
    pub created: Timestamp,
    pub images: BTreeMap<ServiceName, Digest>,
    /// The services as the release's own commit declares them.
    pub services: Vec<Service>,
}

impl Release {
    /// Greater for a newer release. Runs may end, and make their releases, in another order than they began: the run
    /// decides, and only within one run the order of recording.
    pub(crate) fn age(&self) -> (RunId, ReleaseId) {
        (self.run, self.id)
    }
}
