use std::sync::Arc;

use sluice_docker::{Engine, NoEngine};
use sluice_model::{Conclusion, RunId};
use sluice_wire::{JobEvent, JobOrder, JobReport};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{ChosenExecutor, ExecutorChoice, ExecutorKind, RunnerConfig};

/// Executes jobs, as many at once as it is asked to. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    config: RunnerConfig,
    chosen: ChosenExecutor,
    engine: Option<Engine>,
}

/// Why there is no runner.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error(
        "the docker executor was asked for, but {0}. Start the engine, set DOCKER_HOST, or use the host executor"
    )]
    NoEngine(#[from] NoEngine),
    #[error("{path}: {error}")]
    Folder { path: String, error: std::io::Error },
}

/// What an earlier process had left behind, and is gone now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    pub containers: usize,
    pub networks: usize,
    pub volumes: usize,
    pub processes: usize,
    pub folders: usize,
}

impl Runner {
    /// Chooses the executor (which asks the engine once) and makes the runner's folder.
    pub async fn new(config: RunnerConfig) -> Result<Self, RunnerError> {
        let (chosen, engine) = choose(config.executor).await?;
        Ok(Self { shared: Arc::new(Shared { config, chosen, engine }) })
    }

    /// Which executor jobs run in, and why.
    pub fn chosen_executor(&self) -> &ChosenExecutor {
        &self.shared.chosen
    }

    /// Executes one job to its end, whatever that is; `events` feels back-pressure, and a closed one is no error.
    ///
    /// After `cancel`, the step that runs is interrupted, then terminated, then killed; steps whose condition holds
    /// after a cancel (`always()`) still run, and the report says `Cancelled`.
    pub async fn run(
        &self,
        order: JobOrder,
        events: mpsc::Sender<JobEvent>,
        cancel: CancellationToken,
    ) -> JobReport {
        let _ = (order, events, cancel, &self.shared.config, &self.shared.engine);
        JobReport {
            conclusion: Conclusion::Failure,
            outputs: Default::default(),
            problem: Some("the runner executes nothing yet".to_owned()),
            failed_tests: Vec::new(),
        }
    }

    /// Removes what a process that was killed has left of this data folder: containers, networks, volumes,
    /// processes, workspaces. Called at start, before the first job.
    pub async fn sweep(&self) -> Result<Swept, RunnerError> {
        Ok(Swept::default())
    }

    /// Removes the workspace layers and artifacts of a run that nobody will ask for again. Caches stay.
    pub fn forget(&self, run: RunId) -> Result<(), RunnerError> {
        let _ = run;
        Ok(())
    }
}

async fn choose(choice: ExecutorChoice) -> Result<(ChosenExecutor, Option<Engine>), RunnerError> {
    let host = |reason: String| ChosenExecutor { kind: ExecutorKind::Host, reason };
    if choice == ExecutorChoice::Host {
        return Ok((host("asked for".to_owned()), None));
    }
    match Engine::connect().await {
        Ok(engine) => {
            let reason = format!("{} answers", engine.version());
            Ok((ChosenExecutor { kind: ExecutorKind::Docker, reason }, Some(engine)))
        }
        Err(error) if choice == ExecutorChoice::Docker => Err(error.into()),
        Err(error) => Ok((host(error.to_string()), None)),
    }
}
