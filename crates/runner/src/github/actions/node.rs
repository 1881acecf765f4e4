use sluice_dialect_github::NodeRuns;

use super::super::contexts::overlay;
use super::super::process::{self, CommandFiles, State};
use super::super::scope::Finished;
use super::super::steps::{Prepared, Steps};
use super::Loaded;
use super::inputs::{self, Inputs};
use crate::runtime::Runtime;
use crate::session::Launch;

/// One script of a JavaScript action, with what it is given.
#[derive(Clone)]
pub(in super::super) struct NodeStage {
    /// The action's, as steps call it.
    folder: String,
    /// Relative to it.
    script: String,
    /// The major version of Node.js that the action names.
    version: u32,
    inputs: Inputs,
}

impl NodeStage {
    pub(super) fn main(action: &Loaded, node: &NodeRuns, inputs: Inputs) -> Self {
        let (folder, script) = (action.folder.clone(), node.main.clone());
        Self { folder, script, version: node.version, inputs }
    }

    pub(super) fn with_script(&self, script: &str) -> Self {
        Self { script: script.to_owned(), ..self.clone() }
    }

    /// Runs the script in the workspace.
    pub(super) async fn run(
        &self,
        steps: &Steps<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(Finished, State), String> {
        let place = steps.place;
        let program = place.session.find_program("node").await.map_err(|error| error.to_string())?;
        let program = program.ok_or_else(|| self.needs_node(place.is_container))?;
        let files = CommandFiles::new(place, prepared.serial);
        let mut env = prepared.env.clone();
        overlay(&mut env, inputs::variables(&self.inputs));
        overlay(&mut env, steps.stages.variables(&prepared.key));
        overlay(&mut env, files.variables());
        overlay(&mut env, steps.job.runtime.iter().flat_map(Runtime::variables));
        // It would make node look for data that are not its own (actions/runner#795).
        env.retain(|(name, _)| name != "NODE_ICU_DATA");
        let launch = Launch {
            argv: vec![program, format!("{}/{}", self.folder, self.script)],
            env,
            directory: place.layout.workspace.inside.clone(),
            files: files.all().map(|path| (path.to_owned(), String::new())).to_vec(),
            collect: files.collected(),
        };
        process::run(steps, launch, prepared).await
    }

    fn needs_node(&self, is_container: bool) -> String {
        let (place, remedy) = match is_container {
            true => ("the job's container", "take an image that has it"),
            false => ("this machine", "install it from https://nodejs.org or with the system's packages"),
        };
        format!(
            "a JavaScript action needs Node.js {}, and there is no `node` in the PATH of {place}: {remedy}",
            self.version
        )
    }
}
