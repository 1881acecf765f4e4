use sluice_dialect_github::{ActionRuns, Staged};

use super::super::posts::{Post, PostWork};
use super::super::scope::Finished;
use super::super::steps::{Prepared, Steps};
use super::inputs::Inputs;
use super::{DockerStage, Loaded, NodeStage};

/// What a JavaScript or Docker action starts before the job's first step, in its own step, or after the last one.
#[derive(Clone)]
pub(in super::super) enum Stage {
    Node(NodeStage),
    Docker(DockerStage),
}

impl Stage {
    /// What the action starts in its own step. None: it is composite, and starts nothing itself.
    pub fn of(prepared: &Prepared<'_>, action: &Loaded, inputs: Inputs) -> Result<Option<Self>, String> {
        Ok(match &action.manifest.runs {
            ActionRuns::Composite(_) => None,
            ActionRuns::Node(node) => Some(Self::Node(NodeStage::main(action, node, inputs))),
            ActionRuns::Docker(docker) => {
                Some(Self::Docker(DockerStage::main(prepared, action, docker, inputs)?))
            }
        })
    }

    /// The same with another script or entry point.
    pub fn with_entry(&self, staged: &Staged) -> Self {
        match self {
            Self::Node(stage) => Self::Node(stage.with_script(&staged.entry)),
            Self::Docker(stage) => Self::Docker(stage.with_entrypoint(&staged.entry)),
        }
    }

    /// What is left for after the job's last step. None where there is nothing, or an earlier stage has left it already.
    pub fn post(&self, steps: &Steps<'_>, prepared: &Prepared<'_>, action: &Loaded) -> Option<Post> {
        let post = match &action.manifest.runs {
            ActionRuns::Composite(_) => None,
            ActionRuns::Node(node) => node.post.as_ref(),
            ActionRuns::Docker(docker) => docker.post.as_ref(),
        }?;
        let work = PostWork::Stage(self.with_entry(post));
        steps.stages.leave(&prepared.key).then(|| Post::new(prepared, post.condition.clone(), work))
    }

    /// Runs it to its end; what it saves is there for the action's later stages.
    pub async fn run(&self, steps: &Steps<'_>, prepared: &Prepared<'_>) -> Result<Finished, String> {
        let (finished, state) = match self {
            Self::Node(stage) => stage.run(steps, prepared).await?,
            Self::Docker(stage) => stage.run(steps, prepared).await?,
        };
        steps.stages.save(&prepared.key, state);
        Ok(finished)
    }
}
