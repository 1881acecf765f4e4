//! A working tree as `check`, `plan` and `run` see it: its pipeline files, and the trigger to read them for.

mod calls;
mod discover;
mod git;
mod orbs;
mod state;
mod trigger;

use std::path::{Path, PathBuf};

use serde_json::json;
use sluice_dialect_github::overlaid;
use sluice_model::{Event, Trigger};
use sluice_pipelines::{Files, Pipelines, Selection};
use sluice_plan::{Plan, Value, Work};
use sluice_runner::ActionStore;
use sluice_source::Diagnostic;

use crate::actions::ActionArgs;

pub use calls::Calls;
pub use discover::{Found, discover, relative_path, root_of};
pub use orbs::OrbArgs;
pub use state::{Snapshot, state_folder};
pub use trigger::TriggerArgs;

/// A repository on this machine, and what is asked of it.
pub struct Tree {
    pub root: PathBuf,
    pub files: Files,
    pub trigger: Trigger,
    pub default_branch: String,
    /// Files that cannot be read as text.
    unreadable: Vec<Diagnostic>,
    /// Workflows of other repositories that are called, and why their texts are not here.
    missed: Vec<(String, anyhow::Error)>,
}

impl Tree {
    pub fn at(path: &Path, args: &TriggerArgs) -> anyhow::Result<Self> {
        let root = root_of(path)?;
        let (trigger, default_branch) = args.trigger(&root)?;
        let found = discover(&root)?;
        let (files, unreadable) = (found.files, found.unreadable);
        Ok(Self { root, files, trigger, default_branch, unreadable, missed: Vec::new() })
    }

    /// Fetches the reusable workflows of other repositories that its workflows call. What cannot be had counts where it is to
    /// run ([`Self::needs_calls_of`]).
    pub async fn with_calls(mut self, actions: &ActionArgs) -> anyhow::Result<Self> {
        // Most trees call none, and need no folder to keep them in.
        if Pipelines::new(&self.files).missing_calls().is_empty() {
            return Ok(self);
        }
        // A broken lock is told where the files are read.
        if let Ok(lock) = Pipelines::new(&self.files).lock() {
            let store = ActionStore::new(&state_folder(&self.root)?, actions.source()?);
            let calls = Calls { store: &store, lock: lock.as_ref(), strict: true };
            self.missed = calls.fetch(&mut self.files).await?.missed;
        }
        Ok(self)
    }

    /// Fetches the orbs of CircleCI's registry that its config imports. What cannot be had is said, and counts where a job
    /// needs it.
    pub async fn with_orbs(mut self, orbs: &OrbArgs) -> anyhow::Result<Self> {
        if Pipelines::new(&self.files).missing_orbs().is_empty() {
            return Ok(self);
        }
        let orbs = orbs::Orbs::new(orbs, state_folder(&self.root)?.join("orbs"))?;
        for (reference, error) in orbs.fetch(&mut self.files).await {
            anstream::eprintln!("the orb `{reference}` could not be fetched: {error:#}");
        }
        Ok(self)
    }

    /// Fails where one of the plans calls a workflow of another repository that could not be fetched.
    pub fn needs_calls_of(&mut self, plans: &[Plan]) -> anyhow::Result<()> {
        let calls = plans.iter().flat_map(|plan| &plan.jobs).filter_map(|job| match &job.work {
            Work::Call(call) if call.obstacle.is_none() => Some(&call.workflow),
            _ => None,
        });
        for called in calls {
            // What a workflow of another repository calls in its own is named by the whole of its path.
            let local = called.trim_start_matches("./");
            let is_it = |(missed, _): &(String, anyhow::Error)| missed == called || missed.contains(local);
            if let Some(at) = self.missed.iter().position(is_it) {
                return Err(self.missed.swap_remove(at).1);
            }
        }
        Ok(())
    }

    pub fn has_no_pipeline(&self) -> bool {
        self.unreadable.is_empty() && Pipelines::new(&self.files).is_empty()
    }

    /// The number of the pipeline that begins now, where a config says it.
    pub async fn next_pipeline(&self) -> anyhow::Result<Option<u64>> {
        if !Pipelines::new(&self.files).tells_the_pipeline() {
            return Ok(None);
        }
        Ok(Some(sluice_server::local::next_pipeline(&state_folder(&self.root)?).await?))
    }

    /// What runs for the trigger, as the pipeline of this number. One that nobody begins has none, and is the first.
    pub fn select(&self, pipeline: Option<u64>) -> Selection {
        let pipeline = pipeline.unwrap_or(1);
        let mut selection = Pipelines::new(&self.files).select(&self.trigger, pipeline, &self.default_branch);
        selection.diagnostics.splice(0..0, self.unreadable.iter().cloned());
        selection
    }
}

impl Tree {
    /// The trigger and the `inputs` context of one run: of a manual dispatch, the defaults of its workflow too.
    pub fn dispatch(&self, plan: &Plan) -> Result<(Trigger, Value), Vec<Diagnostic>> {
        let inputs = Pipelines::new(&self.files).inputs(&plan.file, &self.trigger)?;
        let mut trigger = self.trigger.clone();
        if let Value::Object(pairs) = &inputs {
            trigger.inputs = pairs.iter().map(|(name, value)| (name.clone(), value.to_text())).collect();
        }
        let of_workflow = match trigger.event {
            Event::WorkflowDispatch => json!({ "inputs": trigger.inputs, "workflow": plan.file }),
            Event::Schedule => json!({ "schedule": Pipelines::new(&self.files).schedule(&plan.file) }),
            _ => return Ok((trigger, inputs)),
        };
        // What the event's file says counts.
        let told = serde_json::from_str(&trigger.payload).unwrap_or_default();
        trigger.payload = overlaid(of_workflow, told).to_string();
        Ok((trigger, inputs))
    }
}

/// Prints diagnostics to the terminal, with the lines that they are about.
pub fn print_diagnostics(diagnostics: &[Diagnostic], files: &Files) {
    use std::io::IsTerminal;
    let sources = |path: &str| files.get(path).map(String::as_str);
    for diagnostic in diagnostics {
        anstream::eprintln!(
            "{}\n",
            sluice_source::terminal(diagnostic, &sources, std::io::stderr().is_terminal())
        );
    }
}
