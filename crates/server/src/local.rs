//! `sluice run`: the same store, courier, agent and runner as the server's, in one process and without a network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustix::fs::{FlockOperation, flock};
use sluice_engine::{self as engine, Command, Create, GateOpener};
use sluice_forge::Snapshot;
use sluice_model::{Conclusion, InstanceId, RepositoryName, RunId, Trigger, UserName};
use sluice_plan::{GateKind, Plan, Value};
use sluice_runner::{ExecutorChoice, ImageMap, Runner, RunnerConfig, RunnerError};
use sluice_store::{Store, StoreError, StoredEffect};
use sluice_wire::{JobEvent, Secret, SourceTree, TestCase};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Host, Surroundings};
use crate::change::{Change, Changes};
use crate::courier::{Courier, Perform};
use crate::log::{LogKey, Logs};
use crate::runs::{RunError, Runs};

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
    pub secrets: BTreeMap<String, Secret>,
    pub vars: BTreeMap<String, String>,
    /// How many jobs run at once.
    pub jobs: usize,
    /// Steps may call the host's container engine.
    pub allow_host_docker: bool,
}

/// One workflow to run, for one trigger, on one snapshot of a working tree.
#[derive(Debug, Clone)]
pub struct LocalRun {
    pub plan: Plan,
    pub trigger: Trigger,
    pub snapshot: Snapshot,
    /// The `inputs` context: an object, or null.
    pub inputs: Value,
}

/// What happens, as it happens. The text of jobs is masked.
#[derive(Debug, Clone)]
pub enum LocalEvent {
    /// The run at this place of the list has begun under this number.
    Began {
        index: usize,
        run: RunId,
        number: u64,
    },
    /// The run changed: the engine's whole state of it, cheap to clone.
    Changed {
        index: usize,
        state: Arc<engine::State>,
    },
    Job {
        index: usize,
        instance: InstanceId,
        attempt: u32,
        event: JobEvent,
    },
}

/// A gate that asks for a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateQuestion {
    pub index: usize,
    pub instance: InstanceId,
    pub name: String,
    pub kind: GateKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateAnswer {
    Approve,
    Reject,
    /// The gate stays closed, and the run ends where it stands.
    Leave,
}

/// Asked once a gate; several at once where several wait.
pub type Approvals = Arc<dyn Fn(GateQuestion) -> BoxFuture<'static, GateAnswer> + Send + Sync>;

/// How a run ended, in the order of the list.
#[derive(Debug, Clone)]
pub struct LocalOutcome {
    pub run: RunId,
    pub number: u64,
    /// None: it waits at a gate that was left closed.
    pub conclusion: Option<Conclusion>,
    pub state: Arc<engine::State>,
    /// What test reports of the last attempts name as failed.
    pub failed_tests: BTreeMap<InstanceId, Vec<TestCase>>,
}

#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("the state folder {path} cannot be used: {error}")]
    Folder { path: String, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Refused(#[from] engine::Refused),
}

impl From<RunError> for LocalError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(refused) => Self::Refused(refused),
            RunError::Store(error) => Self::Store(error),
        }
    }
}

/// Runs workflows of a working tree, all at once, until each has ended or waits at a gate that nobody opens.
///
/// `events` feels back-pressure; a closed one is no error. After `cancel` every run is cancelled, jobs are stopped in
/// their own way, and this comes back when they have.
pub async fn run(
    options: LocalOptions,
    list: Vec<LocalRun>,
    events: mpsc::Sender<LocalEvent>,
    approvals: Approvals,
    cancel: CancellationToken,
) -> Result<Vec<LocalOutcome>, LocalError> {
    let folder = |error| LocalError::Folder { path: options.state.display().to_string(), error };
    std::fs::create_dir_all(&options.state).map_err(folder)?;
    let store = Store::open(&options.state.join("sluice.db"))?;
    let mut config = RunnerConfig::new(options.state.clone());
    config.executor = options.executor;
    config.images = options.images.clone();
    config.sluice_binary = options.sluice_binary.clone();
    let runner = Runner::new(config).await?;
    // Whoever holds the lock is alone in this folder: what lies about belongs to nobody. Kept until the runs have ended.
    let lock = std::fs::File::create(options.state.join("lock")).map_err(folder)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
        runner.sweep().await?;
    }
    let outcomes =
        Session::start(&options, store, runner, list, events, approvals).await?.finish(cancel).await;
    drop(lock);
    outcomes
}

/// Runs under way.
struct Session {
    runs: Arc<Runs>,
    agent: Agent,
    courier: Arc<Courier>,
    changes: Changes,
    ids: Vec<RunId>,
    numbers: Vec<u64>,
    events: mpsc::Sender<LocalEvent>,
    logs: Logs,
    /// Gates that were left closed.
    left: Arc<std::sync::Mutex<Vec<RunId>>>,
}

impl Session {
    async fn start(
        options: &LocalOptions,
        store: Store,
        runner: Runner,
        list: Vec<LocalRun>,
        events: mpsc::Sender<LocalEvent>,
        approvals: Approvals,
    ) -> Result<Self, LocalError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let changes = Changes::new();
        let runs = Arc::new(Runs::new(store.clone(), sender, changes.clone()));
        let (mut ids, mut numbers, mut snapshots) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (index, local) in list.iter().enumerate() {
            let run = RunId(store.next("run").await?);
            let number = store.next(&format!("run of {}", local.trigger.repository)).await?;
            // Whoever listened may have gone.
            let _ = events.send(LocalEvent::Began { index, run, number }).await;
            snapshots.insert(run, (index, local.snapshot.clone()));
            ids.push(run);
            numbers.push(number);
        }
        let host = LocalHost { options: options.clone(), snapshots, events: events.clone() };
        let logs = Logs::new(options.state.join("logs"));
        let agent = Agent::new(runner, runs.clone(), logs.clone(), Arc::new(host), options.jobs);
        let left = Arc::new(std::sync::Mutex::new(Vec::new()));
        let performer = LocalPerformer {
            runs: runs.clone(),
            agent: agent.clone(),
            approvals,
            index: ids.iter().copied().enumerate().map(|(index, run)| (run, index)).collect(),
            left: left.clone(),
            changes: changes.clone(),
        };
        // What an earlier `sluice run` that was killed left undone is not taken up again: its person has gone.
        let courier = Courier::start(store.clone(), Arc::new(performer), Vec::new(), receiver);
        for (local, (run, number)) in list.into_iter().zip(ids.iter().zip(&numbers)) {
            let LocalRun { plan, trigger, inputs, snapshot: _ } = local;
            let vars = options.vars.clone();
            let server_url = String::new();
            let create = Create { run: *run, number: *number, plan, trigger, inputs, vars, server_url };
            runs.create(&format!("local/{run}"), create).await?;
        }
        Ok(Self { runs, agent, courier, changes, ids, numbers, events, logs, left })
    }

    /// Tells of every change until nothing more can happen.
    async fn finish(self, cancel: CancellationToken) -> Result<Vec<LocalOutcome>, LocalError> {
        let mut listener = self.changes.listen();
        let mut told = vec![0; self.ids.len()];
        let mut asked_to_cancel = false;
        loop {
            let mut states = Vec::new();
            for (index, run) in self.ids.iter().enumerate() {
                let state = self.runs.state(*run).await?;
                if state.sequence() > told[index] {
                    told[index] = state.sequence();
                    let _ = self.events.send(LocalEvent::Changed { index, state: state.clone() }).await;
                }
                states.push(state);
            }
            if states.iter().all(|state| self.is_over(state)) {
                self.courier.stop().await;
                self.agent.stop().await;
                return Ok(self.outcomes(states));
            }
            tokio::select! {
                _ = listener.wait_for(|_| true) => {}
                () = cancel.cancelled(), if !asked_to_cancel => {
                    asked_to_cancel = true;
                    self.cancel_all().await?;
                }
            }
        }
    }

    /// It has ended, or all that it still waits for is a gate that was left closed.
    fn is_over(&self, state: &engine::State) -> bool {
        let Some(run) = state.run() else { return true };
        let left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let busy = run.instances().any(|(_, instance)| {
            matches!(
                instance.state,
                engine::InstanceState::Offered { .. } | engine::InstanceState::Leased { .. }
            )
        });
        run.conclusion().is_some() || (left.contains(&run.id()) && !busy)
    }

    async fn cancel_all(&self) -> Result<(), LocalError> {
        for run in &self.ids {
            let command = Command::Cancel { by: person(), force: false };
            match self.runs.command(*run, command).await {
                Ok(_) | Err(RunError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn outcomes(&self, states: Vec<Arc<engine::State>>) -> Vec<LocalOutcome> {
        let outcome = |((run, number), state): ((&RunId, &u64), Arc<engine::State>)| LocalOutcome {
            run: *run,
            number: *number,
            conclusion: state.run().and_then(engine::Run::conclusion),
            failed_tests: self.failed_tests(&state),
            state,
        };
        self.ids.iter().zip(&self.numbers).zip(states).map(outcome).collect()
    }
}

impl Session {
    fn failed_tests(&self, state: &engine::State) -> BTreeMap<InstanceId, Vec<TestCase>> {
        let Some(run) = state.run() else { return BTreeMap::new() };
        let of_instance = |(instance, record): (InstanceId, &engine::Instance)| {
            let key = LogKey { run: run.id(), instance: instance.clone(), attempt: record.attempt };
            (instance, self.logs.failed_tests(&key))
        };
        run.instances().map(of_instance).filter(|(_, tests)| !tests.is_empty()).collect()
    }
}

fn person() -> UserName {
    UserName::new("local")
}

struct LocalPerformer {
    runs: Arc<Runs>,
    agent: Agent,
    approvals: Approvals,
    index: BTreeMap<RunId, usize>,
    left: Arc<std::sync::Mutex<Vec<RunId>>>,
    changes: Changes,
}

impl Perform for LocalPerformer {
    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let Some(run) = Runs::of_stream(&effect.key.stream) else { return Ok(()) };
            match serde_json::from_str(&effect.body)? {
                engine::Effect::OfferJob { instance, fencing_token, .. } => {
                    self.agent.take(run, instance, fencing_token).await?;
                }
                engine::Effect::CancelJob { instance, fencing_token, .. } => {
                    self.agent.cancel(run, &instance, fencing_token);
                }
                engine::Effect::AskGate { instance, name, gate } => {
                    self.ask(run, instance, name, gate).await?;
                }
                engine::Effect::ConcludeRun { .. } => {}
            }
            Ok(())
        })
    }
}

impl LocalPerformer {
    async fn ask(
        &self,
        run: RunId,
        instance: InstanceId,
        name: String,
        kind: GateKind,
    ) -> anyhow::Result<()> {
        let Some(index) = self.index.get(&run).copied() else { return Ok(()) };
        let question = GateQuestion { index, instance: instance.clone(), name, kind };
        let command = match (self.approvals)(question).await {
            GateAnswer::Approve => Command::OpenGate { instance, by: GateOpener::Person(person()) },
            GateAnswer::Reject => Command::RejectGate { instance, by: person(), reason: None },
            GateAnswer::Leave => {
                self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(run);
                if let Some(record) = self.runs.state(run).await?.run() {
                    let repository = record.trigger().repository.clone();
                    self.changes.tell(Change::Run { run, repository });
                }
                return Ok(());
            }
        };
        match self.runs.command(run, command).await {
            // Refused: the run was cancelled while the person thought.
            Ok(_) | Err(RunError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

struct LocalHost {
    options: LocalOptions,
    snapshots: BTreeMap<RunId, (usize, Snapshot)>,
    events: mpsc::Sender<LocalEvent>,
}

impl Host for LocalHost {
    fn prepare<'a>(
        &'a self,
        run: &'a engine::Run,
        _key: &'a LogKey,
    ) -> BoxFuture<'a, Result<Surroundings, StoreError>> {
        Box::pin(async move {
            let (_, snapshot) = self.snapshots.get(&run.id()).ok_or(StoreError::Closed)?;
            Ok(Surroundings {
                source: SourceTree::WorkingTree {
                    path: snapshot.repository.clone(),
                    snapshot: snapshot.commit.to_string(),
                },
                secrets: self.options.secrets.clone(),
                registry: None,
                server: None,
                allow_host_docker: self.options.allow_host_docker,
            })
        })
    }

    fn release<'a>(&'a self, _key: &'a LogKey) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn heard<'a>(
        &'a self,
        _repository: &'a RepositoryName,
        key: &'a LogKey,
        event: &'a JobEvent,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some((index, _)) = self.snapshots.get(&key.run) else { return };
            let (index, instance, attempt) = (*index, key.instance.clone(), key.attempt);
            let _ =
                self.events.send(LocalEvent::Job { index, instance, attempt, event: event.clone() }).await;
        })
    }
}
