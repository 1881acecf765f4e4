use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_docker::{Engine, NoEngine};
use sluice_model::RunId;
use sluice_wire::{JobEvent, JobOrder, JobReport};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::action_images::{UnusedError, remove_unused_action_images};
use crate::config::{ChosenExecutor, ExecutorChoice, ExecutorKind, RunnerConfig};
use crate::depot::Depot;
use crate::job;
use crate::kept::Kept;
use crate::linux;
use crate::log::JobLog;
use crate::place::{Making, Nursery, Spares};
use crate::sweep::{self, Home};

/// The step agent, built beside this crate for this machine's architecture.
const STEP_AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/step-agent"));

/// Executes jobs, as many at once as it is asked to. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    config: RunnerConfig,
    chosen: ChosenExecutor,
    engine: Option<Engine>,
    home: Arc<Home>,
    spares: Arc<Spares>,
    nursery: Nursery,
    agent: PathBuf,
    next_job: AtomicU64,
    /// What was kept when the first job of this run began, but for what its jobs have taken the place of.
    kept: Mutex<Option<(RunId, Vec<Kept>)>>,
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
    pub async fn new(mut config: RunnerConfig) -> Result<Self, RunnerError> {
        let (chosen, engine) = choose(config.executor).await?;
        let shown = config.data_dir.display().to_string();
        let in_folder = |error| RunnerError::Folder { path: shown.clone(), error };
        std::fs::create_dir_all(&config.data_dir).map_err(in_folder)?;
        // Engines and other processes are told of paths below it, so it has to mean the same everywhere.
        config.data_dir = config.data_dir.canonicalize().map_err(in_folder)?;
        let home = Arc::new(Home::make(&config.data_dir.join("runner")).map_err(in_folder)?);
        let spares = Arc::new(Spares::new(home.clone()));
        let agent = home.folder.join("step-agent");
        write_program(&agent).map_err(in_folder)?;
        let nursery = Nursery::new(agent.clone(), linux::marker(&home.owner, &home.process));
        if chosen.kind == ExecutorKind::Host {
            // What keeps it from starting is the first job's to tell.
            let _ = nursery.warm();
        }
        let next_job = AtomicU64::new(1);
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                chosen,
                engine,
                home,
                spares,
                nursery,
                agent,
                next_job,
                kept: Mutex::default(),
            }),
        })
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
        let shared = &self.shared;
        self.forget_kept(&order).await;
        let log = JobLog::new(events, job::secrets(&order));
        let number = shared.next_job.fetch_add(1, Ordering::Relaxed);
        let making = Making {
            config: &shared.config,
            engine: shared.engine.as_ref(),
            agent: shared.agent.clone(),
            owner: &shared.home.owner,
            process: &shared.home.process,
            job: format!("{}/{}/{}", order.run, order.instance, order.attempt),
            folder: shared.home.folder.join(number.to_string()),
            spares: &shared.spares,
            nursery: &shared.nursery,
            log: &log,
        };
        let repository = &order.trigger.repository;
        let depot = Depot::new(&self.depot_folder(), order.run, repository, &order.instance, order.attempt);
        job::run(&making, &order, depot, cancel).await
    }

    /// Waits until nothing of a job that has ended is left to be removed.
    pub async fn settle(&self) {
        self.shared.spares.settle().await;
    }

    /// Removes what a process that was killed has left of this data folder: containers, networks, volumes,
    /// processes, workspaces. Called at start, before the first job; what other living runners have is left alone.
    pub async fn sweep(&self) -> Result<Swept, RunnerError> {
        let root = self.root();
        let swept = sweep::sweep(&root, &self.shared.home, self.shared.engine.as_ref()).await;
        swept.map_err(|error| RunnerError::Folder { path: root.display().to_string(), error })
    }

    /// Removes the images of Docker actions that no job of this data folder has used for so long, and tells their names.
    /// Without an engine that jobs run in, nothing builds any.
    pub async fn remove_unused_action_images(
        &self,
        unused_for: Duration,
    ) -> Result<Vec<String>, UnusedError> {
        let Some(engine) = &self.shared.engine else { return Ok(Vec::new()) };
        remove_unused_action_images(&self.shared.config.data_dir, engine, unused_for).await
    }

    /// Where the files of a run's artifacts are: a folder a name, which is there when there are any.
    pub fn artifacts_folder(&self, run: RunId) -> PathBuf {
        Depot::folder_of_run(&self.depot_folder(), run).join("artifacts")
    }

    /// Where the files of one of a run's artifacts are. The folder is there when there are any.
    pub fn artifact_folder(&self, run: RunId, name: &str) -> PathBuf {
        Depot::artifact_of_run(&self.depot_folder(), run, name)
    }

    /// Removes the workspace layers and artifacts of a run that nobody will ask for again. Caches stay.
    pub fn forget(&self, run: RunId) -> Result<(), RunnerError> {
        let folder = Depot::folder_of_run(&self.depot_folder(), run);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(RunnerError::Folder { path: folder.display().to_string(), error })
            }
            _ => Ok(()),
        }
    }

    /// A job that begins takes the place of what was kept of it before.
    async fn forget_kept(&self, order: &JobOrder) {
        for kept in self.take_kept(order) {
            if let Err(error) = kept.remove(self.shared.engine.as_ref()).await {
                tracing::warn!(%error, folder = %kept.folder.display(), "a kept place was not removed");
            }
        }
    }

    /// What is kept of the job. Looked for once a run, for a run may have a thousand jobs; and again when the job is run
    /// again, which its run has kept something of.
    fn take_kept(&self, order: &JobOrder) -> Vec<Kept> {
        let mut known = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.as_ref().is_some_and(|(run, _)| *run == order.run && order.attempt == 1);
        if !is_known {
            *known = Some((order.run, Kept::all(&self.shared.config.data_dir)));
        }
        let places = known.as_mut().map(|(_, places)| places);
        places
            .map(|places| places.extract_if(.., |kept| kept.is_of_same_job(order)).collect())
            .unwrap_or_default()
    }

    fn root(&self) -> PathBuf {
        self.shared.config.data_dir.join("runner")
    }

    fn depot_folder(&self) -> PathBuf {
        self.root().join("depot")
    }
}

fn write_program(path: &Path) -> std::io::Result<()> {
    std::fs::write(path, STEP_AGENT)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers run jobs in tasks of their own.
    #[allow(dead_code, reason = "it is enough that it compiles")]
    fn a_run_can_be_spawned(runner: &'static Runner, order: JobOrder, events: mpsc::Sender<JobEvent>) {
        fn spawn(_: impl Future<Output = JobReport> + Send) {}
        spawn(runner.run(order, events, CancellationToken::new()));
    }
}
