use sluice_dialect_github::NodeRuns;

use super::super::contexts::overlay;
use super::super::process::{self, CommandFiles, State};
use super::super::scope::Finished;
use super::super::steps::{Prepared, Steps};
use super::Loaded;
use super::inputs::{self, Inputs};
use crate::place::Place;
use crate::runtime::Runtime;
use crate::session::{Launch, ProcessEvent, SessionError};

/// GitHub's runner runs what asks for an older version on this one (actions/runner, `HandlerFactory.cs`).
const OLDEST_NODE: u32 = 20;

/// The Node.js of a job's place.
pub(in super::super) struct Node {
    program: String,
    /// `v20.11.1`; empty where it does not say.
    version: String,
}

impl Node {
    /// None where there is none.
    pub async fn of(place: &Place) -> Result<Option<Self>, String> {
        let said = |error: SessionError| error.to_string();
        let Some(program) = place.find_program("node").await.map_err(said)? else { return Ok(None) };
        let launch = Launch {
            argv: vec![program.clone(), "--version".to_owned()],
            env: vec![("PATH".to_owned(), place.path.clone())],
            directory: "/".to_owned(),
            files: Vec::new(),
            collect: Vec::new(),
        };
        let mut process = place.session.start(launch).await.map_err(said)?;
        let mut output = Vec::new();
        while let Some(event) = process.next().await {
            match event {
                ProcessEvent::Output { stderr: false, bytes } => output.extend_from_slice(&bytes),
                ProcessEvent::Output { .. } => {}
                _ => break,
            }
        }
        let version = String::from_utf8_lossy(&output).trim().to_owned();
        Ok(Some(Self { program, version }))
    }

    fn major(&self) -> Option<u32> {
        self.version.strip_prefix('v')?.split('.').next()?.parse().ok()
    }
}

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
        let found = steps.node().await?.ok_or_else(|| self.needs_node(place.is_container))?;
        if let Some(difference) = self.difference(found) {
            steps.job.log.say(prepared.index, difference).await;
        }
        let program = found.program.clone();
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

    /// What the log says where the action runs on another major version than at GitHub.
    fn difference(&self, found: &Node) -> Option<String> {
        let wanted = self.version.max(OLDEST_NODE);
        let is_other = found.major().is_some_and(|major| major != wanted);
        is_other.then(|| {
            let Node { program, version } = found;
            format!("This action asks for Node.js {wanted}; it runs on {version}, which is {program} here")
        })
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

#[cfg(test)]
mod tests {
    use super::{Node, NodeStage};

    #[test]
    fn another_major_version_is_told() {
        let stage =
            |version| NodeStage { folder: String::new(), script: String::new(), version, inputs: Vec::new() };
        let node = |version: &str| Node { program: "/usr/bin/node".to_owned(), version: version.to_owned() };
        for (asked, there, differs) in [
            (20, "v20.11.1", false),
            (24, "v20.11.1", true),
            (16, "v20.0.0", false),
            (20, "v18.19.0", true),
            (20, "", false),
        ] {
            assert_eq!(stage(asked).difference(&node(there)).is_some(), differs, "{asked} on {there}");
        }
        let told = stage(24).difference(&node("v18.19.0")).unwrap();
        assert!(told.contains("Node.js 24") && told.contains("v18.19.0"), "{told}");
    }
}
