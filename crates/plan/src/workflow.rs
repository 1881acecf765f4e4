use serde::{Deserialize, Serialize};
use sluice_expression::Template;

use crate::{ActionLock, Called, EnvEntry, Job, Late};

/// A workflow, for one trigger, ready for `engine`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub dialect: Dialect,
    /// The pipeline file, relative to the repository's root.
    pub file: String,
    /// The workflow's `name:`, else its path (GitHub); the key under `workflows:` (CircleCI).
    pub workflow: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_name: Option<Template>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// `sluice.lock`, where the repository has one: no other commit of an action is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ActionLock>,
    /// In the file's order.
    pub jobs: Vec<Job>,
    /// Calls of reusable workflows that have to be known as a whole; one around another comes before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Called>,
    /// How often the run begins again from what failed, by itself (CircleCI, "Automatic workflow reruns"): at most 5.
    #[serde(default, skip_serializing_if = "is_none")]
    pub max_auto_reruns: u32,
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    Github,
    Circleci,
}

impl Dialect {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Circleci => "circleci",
        }
    }
}

/// `defaults.run`, of a workflow or of a job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Defaults {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<Template>,
}

/// At most one run (or job) of a group at a time. CircleCI's `serial-group` is a group that queues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    pub group: Template,
    pub cancel_in_progress: Late<bool>,
    /// False: a newer one replaces the one that waits (GitHub). True: all wait in order (CircleCI; GitHub's `queue: max`).
    pub keep_all_pending: bool,
}

/// `permissions:` as read: what the job's token may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    ReadAll,
    WriteAll,
    /// `(scope, read | write | none)`; scopes that are not named have none.
    Scopes(Vec<(String, String)>),
}
