//! `sluice run`: the same store, courier, agent and runner as the server's, in one process and without a network.

mod control;
mod error;
mod event;
mod history;
mod host;
mod options;
mod performer;
mod process;
mod session;
mod teller;
mod turns;

use sluice_model::UserName;
use sluice_runner::{OnFailure, Runner, RunnerConfig};
use sluice_store::{Durability, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use control::Stopped;
pub use error::LocalError;
pub use event::{Approvals, Asks, GateAnswer, GateQuestion, LocalEvent, LocalOutcome, Stops};
pub use history::{History, HistoryError};
pub use options::{Begin, LocalOptions, LocalRun, Source};
pub use sluice_engine::RerunScope;

use process::Process;
use session::{Means, Session};

/// All that runs of a working tree need, ready for the first job.
pub struct Prepared {
    options: LocalOptions,
    means: Means,
}

impl Prepared {
    /// Opens the state folder, tells of what was killed there, and cleans up after it; what lives beside this process is
    /// left alone.
    pub async fn new(options: LocalOptions) -> Result<Self, LocalError> {
        let folder = |error| LocalError::Folder { path: options.state.display().to_string(), error };
        std::fs::create_dir_all(&options.state).map_err(folder)?;
        let store = Store::open_with(&options.state.join("sluice.db"), Durability::Process)?;
        let mut config = RunnerConfig::new(options.state.clone());
        config.executor = options.executor;
        config.images = options.images.clone();
        config.sluice_binary = options.sluice_binary.clone();
        config.actions = options.actions.clone();
        let (stops, stopping) = mpsc::channel(16);
        let stops = options.break_on_failure.then_some(stops);
        config.junit = options.junit.clone();
        config.on_failure = OnFailure { keep: options.keep, stops };
        let runner = Runner::new(config).await?;
        History::of(&options.state, store.clone()).settle_all().await?;
        runner.sweep().await?;
        let process = Process::begin(&options.state).map_err(folder)?;
        Ok(Self { means: Means { store, runner, process, stopping }, options })
    }

    pub fn options(&self) -> &LocalOptions {
        &self.options
    }

    /// Runs workflows of a working tree, all at once, until each has ended or waits at a gate that nobody opens.
    ///
    /// `events` feels back-pressure; a closed one is no error. After `cancel` every run is cancelled, jobs are stopped
    /// in their own way, and this comes back when they have.
    pub async fn run(
        self,
        list: Vec<LocalRun>,
        events: mpsc::Sender<LocalEvent>,
        asks: Asks,
        cancel: CancellationToken,
    ) -> Result<Vec<LocalOutcome>, LocalError> {
        Session::start(&self.options, self.means, list, events, asks).await?.finish(cancel).await
    }
}

/// What counts the pipelines of a state folder.
const PIPELINES: &str = "pipeline";

/// Takes the number of the next pipeline, for a config that says it somewhere.
pub async fn next_pipeline(state: &std::path::Path) -> Result<u64, LocalError> {
    let store = Store::open_with(&state.join("sluice.db"), Durability::Process)?;
    Ok(store.next(PIPELINES).await?)
}

fn person() -> UserName {
    UserName::new("local")
}
