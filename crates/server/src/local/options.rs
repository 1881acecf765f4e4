use std::collections::BTreeMap;
use std::path::PathBuf;

use sluice_engine::RerunScope;
use sluice_model::{CommitSha, Trigger};
use sluice_plan::{Plan, Value};
use sluice_runner::{ActionSource, ExecutorChoice, ImageMap};
use sluice_wire::{RegistryAccess, ServerAccess};

use crate::Secrets;

/// Where and how runs of a working tree go on.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder that everything is kept in: database, logs, workspaces, caches.
    pub state: PathBuf,
    pub executor: ExecutorChoice,
    /// `--image FROM=TO`
    pub images: ImageMap,
    /// The `sluice` program, for the steps' PATH.
    pub sluice_binary: Option<PathBuf>,
    pub secrets: Secrets,
    pub vars: BTreeMap<String, String>,
    /// How many jobs run at once.
    pub jobs: usize,
    /// Steps may call the host's container engine.
    pub allow_host_docker: bool,
    /// Where jobs push images and deploy them, on the person's behalf.
    pub delivers_to: Option<(ServerAccess, RegistryAccess)>,
    /// Where actions of other repositories come from.
    pub actions: ActionSource,
    /// Patterns of the JUnit files that are collected out of each job's workspace.
    pub junit: Vec<String>,
    /// The places of jobs that fail stay, to be looked into.
    pub keep: bool,
    /// Jobs stop at a step that fails, until they are told to go on.
    pub break_on_failure: bool,
    /// The number of the pipeline, where it was taken beforehand ([`super::next_pipeline`]).
    pub pipeline: Option<u64>,
}

/// What a run is to do: one workflow, on one snapshot of a working tree.
#[derive(Debug, Clone)]
pub struct LocalRun {
    pub source: Source,
    pub begin: Begin,
}

/// A snapshot of a working tree.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// Its name in the state folder; without `/`.
    pub id: String,
    /// The bare repository that holds it.
    pub repository: PathBuf,
    pub commit: CommitSha,
    /// Whether the tree differed from the commit that was checked out.
    pub is_changed: bool,
}

#[derive(Debug, Clone)]
pub enum Begin {
    /// A new run, for one trigger. `inputs` is the context of that name: an object, or null.
    New { plan: Box<Plan>, trigger: Box<Trigger>, inputs: Value },
    /// Another attempt of a run that has ended.
    Again { number: u64, scope: RerunScope },
}
