use serde::{Deserialize, Serialize};
use sluice_expression::{Expression, Template};
use sluice_source::Location;

use crate::{EnvEntry, Late, Named};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// GitHub's `id:`, or the one that it makes up (`__run`, `__actions_checkout_2`). Empty for CircleCI.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What the log calls it; none: made from what it does, as the service does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Template>,
    pub at: Location,
    pub condition: StepCondition,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_on_error: Option<Late<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<Late<f64>>,
    pub background: Background,
    pub action: Action,
}

/// Whether a step runs, given how the job stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepCondition {
    /// GitHub's `if:`; without a status function it means `success() && (…)`.
    Expression(Expression),
    /// CircleCI's `when: on_success`, the default.
    OnSuccess,
    /// CircleCI's `when: on_fail`.
    OnFail,
    /// CircleCI's `when: always`.
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// The next step waits for this one.
    No,
    /// GitHub's `background: true`: goes on beside the next steps; waited for by `wait`, `wait-all` or the job's end.
    Joined,
    /// CircleCI's `background: true`: goes on beside the next steps and is killed when the job ends.
    Detached,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Run(RunScript),
    Uses(UsesAction),
    /// CircleCI's `checkout`. (GitHub's is `uses: actions/checkout`.)
    Checkout {
        path: Option<Template>,
    },
    AttachWorkspace {
        at: Template,
    },
    PersistToWorkspace {
        root: Template,
        paths: Vec<Template>,
    },
    StoreArtifacts {
        path: Template,
        destination: Option<Template>,
    },
    StoreTestResults {
        path: Template,
    },
    SaveCache {
        key: Template,
        paths: Vec<Template>,
        when: CacheWhen,
        name: Option<Template>,
    },
    RestoreCache {
        keys: Vec<Template>,
    },
    SetupRemoteDocker {
        version: Option<Template>,
        layer_caching: bool,
    },
    AddSshKeys {
        fingerprints: Vec<String>,
    },
    /// GitHub's `wait:`: the ids of background steps.
    Wait {
        steps: Vec<String>,
    },
    WaitAll,
    /// GitHub's `cancel:`: the ids of background steps.
    Cancel {
        steps: Vec<String>,
    },
    /// GitHub's `parallel:`: all at once; the step ends when all have.
    Parallel {
        steps: Vec<Step>,
    },
}

impl Action {
    /// What a `uses` step names.
    pub fn uses(&self) -> Option<&UsesAction> {
        match self {
            Self::Uses(uses) => Some(uses),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunScript {
    pub script: Template,
    /// None: the job's or workflow's default, else the dialect's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Template>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<Template>,
    /// CircleCI's `no_output_timeout`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_output_timeout_s: Option<u64>,
    /// CircleCI's `max_auto_reruns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reruns: Option<Reruns>,
}

/// A step that failed is begun again by itself (CircleCI, "Automatic reruns").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reruns {
    /// After the first time; 1 to 5.
    pub most: u32,
    /// The pause before each.
    pub delay_s: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsesAction {
    pub action: ActionReference,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Named<Template>>,
}

/// What `uses:` of a step names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionReference {
    /// `owner/repo/path@ref`; `path` may be empty.
    Repository { owner: String, name: String, path: String, git_ref: String },
    /// `./path`, relative to the workspace.
    Local { path: String },
    /// `docker://image`.
    Docker { image: String },
}

impl std::fmt::Display for ActionReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repository { owner, name, path, git_ref } if path.is_empty() => {
                write!(f, "{owner}/{name}@{git_ref}")
            }
            Self::Repository { owner, name, path, git_ref } => write!(f, "{owner}/{name}/{path}@{git_ref}"),
            Self::Local { path } => f.write_str(path),
            Self::Docker { image } => write!(f, "docker://{image}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheWhen {
    OnSuccess,
    OnFail,
    Always,
}
