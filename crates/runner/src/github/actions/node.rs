use sluice_dialect_github::{NodeRuns, Staged};
use sluice_plan::StepCondition;

use super::super::contexts::overlay;
use super::super::posts::{Post, PostWork};
use super::super::process::{self, CommandFiles};
use super::super::scope::Finished;
use super::super::steps::{Prepared, Steps};
use super::Loaded;
use super::inputs::{self, Inputs};
use crate::runtime::Runtime;
use crate::session::Launch;

/// One script of a JavaScript action, with what it is given.
#[derive(Clone)]
pub(in super::super) struct NodeStage {
    /// As steps call it.
    script: String,
    /// The major version of Node.js that the action names.
    version: u32,
    inputs: Inputs,
}

/// The main script of a JavaScript action. What it leaves for the end of the job is left however it ends.
pub(super) async fn run(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    action: &Loaded,
    node: &NodeRuns,
    inputs: Inputs,
) -> Result<Finished, String> {
    let stage =
        NodeStage { script: format!("{}/{}", action.folder, node.main), version: node.version, inputs };
    let post = node.post.as_ref().and_then(|post| stage.post(steps, prepared, action, post));
    let mut finished = match stage.run(steps, prepared).await {
        Ok(finished) => finished,
        Err(problem) => {
            steps.fail(prepared.index, &problem).await;
            Finished::failed()
        }
    };
    finished.effects.posts.extend(post);
    Ok(finished)
}

impl NodeStage {
    /// None when an earlier stage has left it already.
    pub fn post(
        &self,
        steps: &Steps<'_>,
        prepared: &Prepared<'_>,
        action: &Loaded,
        post: &Staged,
    ) -> Option<Post> {
        let stage = Self { script: format!("{}/{}", action.folder, post.entry), ..self.clone() };
        let condition: StepCondition = post.condition.clone();
        steps.stages.leave(&prepared.key).then(|| Post::new(prepared, condition, PostWork::Node(stage)))
    }

    /// Runs the script in the workspace; what it saves is there for the action's later stages.
    pub async fn run(&self, steps: &Steps<'_>, prepared: &Prepared<'_>) -> Result<Finished, String> {
        let place = steps.place;
        let program = place.session.find_program("node").await.map_err(|error| error.to_string())?;
        let program = program.ok_or_else(|| {
            let (place, remedy) = match place.is_container {
                true => ("the job's container", "take an image that has it"),
                false => ("this machine", "install it from https://nodejs.org or with the system's packages"),
            };
            format!(
                "a JavaScript action needs Node.js {}, and there is no `node` in the PATH of {place}: {remedy}",
                self.version
            )
        })?;
        let files = CommandFiles::new(place, prepared.serial);
        let mut env = prepared.env.clone();
        overlay(&mut env, inputs::variables(&self.inputs));
        overlay(&mut env, steps.stages.variables(&prepared.key));
        overlay(&mut env, files.variables());
        overlay(&mut env, steps.job.runtime.iter().flat_map(Runtime::variables));
        // It would make node look for data that are not its own (actions/runner#795).
        env.retain(|(name, _)| name != "NODE_ICU_DATA");
        let launch = Launch {
            argv: vec![program, self.script.clone()],
            env,
            directory: place.layout.workspace.inside.clone(),
            files: files.all().map(|path| (path.to_owned(), String::new())).to_vec(),
            collect: files.collected(),
        };
        let (finished, state) = process::run(steps, launch, prepared).await?;
        steps.stages.save(&prepared.key, state);
        Ok(finished)
    }
}
