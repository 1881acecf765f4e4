use sluice_expression::Template;
use sluice_plan::{EnvEntry, Named, Step, StepCondition};

/// An action that GitHub's runner would load (GitHub, "Metadata syntax for GitHub Actions").
#[derive(Debug, Clone, PartialEq)]
pub struct ActionManifest {
    pub name: Option<String>,
    /// In the file's order.
    pub inputs: Vec<ActionInput>,
    /// Values of a composite action's outputs; other actions set theirs themselves.
    pub outputs: Vec<Named<Template>>,
    pub runs: ActionRuns,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ActionInput {
    pub name: String,
    /// None: the empty text.
    pub default: Option<Template>,
    /// GitHub does not hold an action to it; the action's own code does.
    pub required: bool,
    /// What is said to whoever gives the input.
    pub deprecation_message: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ActionRuns {
    Composite(Vec<Step>),
    Node(NodeRuns),
    Docker(DockerRuns),
}

/// A JavaScript action. Paths are relative to the action's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRuns {
    /// The major version of Node.js that the action names: 12, 16, 20 or 24.
    pub version: u32,
    pub main: String,
    pub pre: Option<Staged>,
    pub post: Option<Staged>,
}

/// What an action does before the job's first step, or after its last one.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// A script's path, or an entry point.
    pub entry: String,
    /// `always()` where the manifest says nothing.
    pub condition: StepCondition,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DockerRuns {
    pub image: DockerImage,
    /// None: the image's own.
    pub entrypoint: Option<String>,
    /// None: what the step gives as `args`.
    pub args: Option<Vec<Template>>,
    pub env: Vec<EnvEntry>,
    pub pre: Option<Staged>,
    pub post: Option<Staged>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerImage {
    /// The path of a Dockerfile, relative to the action's folder, which is what it is built from.
    Dockerfile(String),
    /// What follows `docker://`.
    Registry(String),
}

impl ActionManifest {
    pub fn input(&self, name: &str) -> Option<&ActionInput> {
        self.inputs.iter().find(|input| input.name.eq_ignore_ascii_case(name))
    }

    /// Whether the action does something before the job's first step.
    pub fn has_pre(&self) -> bool {
        match &self.runs {
            ActionRuns::Composite(_) => false,
            ActionRuns::Node(node) => node.pre.is_some(),
            ActionRuns::Docker(docker) => docker.pre.is_some(),
        }
    }

    /// The steps of a composite action.
    pub fn steps(&self) -> &[Step] {
        match &self.runs {
            ActionRuns::Composite(steps) => steps,
            ActionRuns::Node(_) | ActionRuns::Docker(_) => &[],
        }
    }
}
