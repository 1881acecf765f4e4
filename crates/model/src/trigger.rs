use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CommitSha, RepositoryName, UserName};

/// What kind of thing happened, by the name that `on:` gives it.
///
/// An event that neither the server nor `--event` produces has no variant; a workflow that names one is still
/// read, and never selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Push,
    PullRequest,
    PullRequestTarget,
    Schedule,
    WorkflowDispatch,
    RepositoryDispatch,
    RegistryPackage,
    Release,
    MergeGroup,
}

impl Event {
    pub const ALL: [Self; 9] = [
        Self::Push,
        Self::PullRequest,
        Self::PullRequestTarget,
        Self::Schedule,
        Self::WorkflowDispatch,
        Self::RepositoryDispatch,
        Self::RegistryPackage,
        Self::Release,
        Self::MergeGroup,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::PullRequestTarget => "pull_request_target",
            Self::Schedule => "schedule",
            Self::WorkflowDispatch => "workflow_dispatch",
            Self::RepositoryDispatch => "repository_dispatch",
            Self::RegistryPackage => "registry_package",
            Self::Release => "release",
            Self::MergeGroup => "merge_group",
        }
    }
}

/// What happened to a repository: the one input of plan selection beside the pipeline files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub event: Event,
    /// The activity type, for events that have one: `opened`, `synchronize`, `published`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    pub repository: RepositoryName,
    /// The whole ref: `refs/heads/master`, `refs/tags/version1.2.3`, `refs/pull/7/merge`.
    pub git_ref: String,
    pub sha: CommitSha,
    /// What the ref pointed to before; none where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<CommitSha>,
    /// The account that acted.
    pub actor: UserName,
    /// The branch that a pull request would enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ref: Option<String>,
    /// The branch that a pull request comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ref: Option<String>,
    /// Paths that changed, relative to the root; none where it is not known (then path filters match, as GitHub does).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_paths: Option<Vec<String>>,
    /// Of `registry_package`: the repositories whose runs pushed images one after the other until this came of it, the
    /// first at the beginning. None of them is started again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_chain: Vec<RepositoryName>,
    /// Inputs of a manual dispatch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// `github.event` as JSON text, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload: String,
    /// The first line of the commit's message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

impl Trigger {
    /// The branch's short name, when the ref is a branch.
    pub fn branch(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/heads/")
    }
    /// The branch that is built: the ref's, or the one that a pull request comes from.
    pub fn source_branch(&self) -> Option<&str> {
        self.branch().or(self.head_ref.as_deref())
    }
    /// The tag's short name, when the ref is a tag.
    pub fn tag(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/tags/")
    }
    /// The ref without its `refs/heads/`, `refs/tags/` or `refs/pull/` prefix, as `github.ref_name`.
    pub fn ref_name(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/pull/"]
            .iter()
            .find_map(|prefix| self.git_ref.strip_prefix(prefix))
            .unwrap_or(&self.git_ref)
    }
}
