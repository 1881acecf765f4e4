//! `sluice run`: the same store, courier, agent and runner as the server's, in one process and without a network.

mod control;
mod history;
mod process;
mod turns;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sluice_engine::{self as engine, Command, Create, GateOpener};
use sluice_model::{CommitSha, Conclusion, InstanceId, RepositoryName, RunId, Trigger, UserName};
use sluice_plan::{GateKind, Plan, Value};
use sluice_runner::{
    ActionSource, ExecutorChoice, ImageMap, JobStop, OnFailure, Runner, RunnerConfig, RunnerError,
};
use sluice_store::{Durability, Store, StoreError, StoredEffect};
use sluice_wire::{JobEvent, QueuedFor, RegistryAccess, ServerAccess, SourceTree, TestCase};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Secrets;
use crate::agent::{Agent, Host, Surroundings};
use crate::change::{Change, Changes};
use crate::courier::{Courier, Perform};
use crate::groups::{self, Groups};
use crate::log::{LogKey, Logs};
use crate::runs::{RunError, Runs};

pub use control::Stopped;
pub use history::{History, HistoryError};
pub use sluice_engine::RerunScope;

use control::{Answering, Control};
use process::Process;
use turns::Turns;

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
}

#[derive(Debug, Clone)]
pub enum Begin {
    /// A new run, for one trigger. `inputs` is the context of that name: an object, or null.
    New { plan: Box<Plan>, trigger: Box<Trigger>, inputs: Value },
    /// Another attempt of a run that has ended.
    Again { number: u64, scope: RerunScope },
}

/// What happens, as it happens. The text of jobs is masked.
#[derive(Debug, Clone)]
pub enum LocalEvent {
    /// The run at this place of the list has begun under this number. `kept`: how jobs ended that are not run again.
    Began {
        index: usize,
        number: u64,
        attempt: u32,
        kept: Vec<InstanceId>,
    },
    /// The run changed: the engine's whole state of it, cheap to clone.
    Changed {
        index: usize,
        state: Arc<engine::State>,
    },
    /// What the run, or jobs of it, wait for, as it is now.
    Queued {
        index: usize,
        queued: Vec<QueuedFor>,
    },
    Job {
        index: usize,
        instance: InstanceId,
        attempt: u32,
        event: JobEvent,
    },
    /// The job stands at a step that failed, until it is told to go on.
    Stopped {
        index: usize,
        instance: InstanceId,
        step: String,
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

/// Asked once a job that stands at a failed step; when it is answered, the job goes on.
pub type Stops = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What is asked of a person.
#[derive(Clone)]
pub struct Asks {
    pub approvals: Approvals,
    pub stops: Stops,
}

/// How a run ended, in the order of the list.
#[derive(Debug, Clone)]
pub struct LocalOutcome {
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
    History(#[from] HistoryError),
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
    asks: Asks,
    cancel: CancellationToken,
) -> Result<Vec<LocalOutcome>, LocalError> {
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
    // What was killed is told of and cleaned up first; what lives beside this process is left alone.
    History::of(&options.state, store.clone()).settle_all().await?;
    runner.sweep().await?;
    let process = Process::begin(&options.state).map_err(folder)?;
    let means = Means { store, runner, process, stopping };
    let session = Session::start(&options, means, list, events, asks).await?;
    session.finish(cancel).await
}

/// What a session works with.
struct Means {
    store: Store,
    runner: Runner,
    process: Process,
    /// Jobs that stop at a failed step.
    stopping: mpsc::Receiver<JobStop>,
}

/// Runs under way.
struct Session {
    runs: Arc<Runs>,
    agent: Agent,
    courier: Arc<Courier>,
    changes: Changes,
    ids: Vec<RunId>,
    events: mpsc::Sender<LocalEvent>,
    logs: Logs,
    /// Gates that were left closed.
    left: Arc<std::sync::Mutex<Vec<RunId>>>,
    groups: Arc<Groups>,
    turns: Turns,
    _control: Control,
    _process: Process,
}

impl Session {
    async fn start(
        options: &LocalOptions,
        means: Means,
        list: Vec<LocalRun>,
        events: mpsc::Sender<LocalEvent>,
        asks: Asks,
    ) -> Result<Self, LocalError> {
        let Means { store, runner, process, stopping } = means;
        let (sender, receiver) = mpsc::unbounded_channel();
        let changes = Changes::new();
        let runs = Arc::new(Runs::new(store.clone(), sender.clone(), changes.clone()));
        let groups = Arc::new(Groups::new(store.clone(), sender, runs.clone(), changes.clone()));
        let (mut ids, mut sources) = (Vec::new(), BTreeMap::new());
        for (index, local) in list.iter().enumerate() {
            let run = match &local.begin {
                Begin::New { .. } => RunId(store.next("run").await?),
                Begin::Again { number, .. } => RunId(*number),
            };
            sources.insert(run, (index, local.source.clone()));
            ids.push(run);
        }
        let folder = |error| LocalError::Folder { path: options.state.display().to_string(), error };
        process.drives(&ids).map_err(folder)?;
        let listener = process.listen().map_err(folder)?;
        let host = LocalHost { options: options.clone(), sources, events: events.clone() };
        let logs = Logs::new(options.state.join("logs"));
        let agent = Agent::new(runner, runs.clone(), logs.clone(), Arc::new(host), options.jobs);
        let left = Arc::new(std::sync::Mutex::new(Vec::new()));
        let performer = LocalPerformer {
            runs: runs.clone(),
            groups: groups.clone(),
            agent: agent.clone(),
            approvals: asks.approvals,
            index: ids.iter().copied().enumerate().map(|(index, run)| (run, index)).collect(),
            left: left.clone(),
            changes: changes.clone(),
        };
        let stopped = Stopped::default();
        let answering = Answering {
            runs: runs.clone(),
            logs: logs.clone(),
            changes: changes.clone(),
            stopped: stopped.clone(),
        };
        let control = Control::serve(listener, answering);
        let pipeline = store.next("pipeline").await?;
        let index = ids.iter().copied().enumerate().map(|(index, run)| (run, index)).collect();
        tokio::spawn(stand(stopping, stopped, index, events.clone(), asks.stops));
        for (index, (local, run)) in list.into_iter().zip(&ids).enumerate() {
            let (attempt, kept) = begin(&runs, *run, local, &options.vars, pipeline).await?;
            // Whoever listened may have gone.
            let _ = events.send(LocalEvent::Began { index, number: run.0, attempt, kept }).await;
        }
        // Only now, so that nothing of a run is told before its begin. What an earlier `sluice run` that was killed left
        // undone is not taken up again: its person has gone.
        let courier = Courier::start(store.clone(), Arc::new(performer), Vec::new(), receiver);
        let turns = Turns {
            state: options.state.clone(),
            store,
            groups: groups.clone(),
            courier: courier.clone(),
            mine: ids.iter().copied().collect(),
        };
        Ok(Self {
            groups,
            turns,
            runs,
            agent,
            courier,
            changes,
            ids,
            events,
            logs,
            left,
            _control: control,
            _process: process,
        })
    }

    /// Tells of every change until nothing more can happen.
    async fn finish(self, cancel: CancellationToken) -> Result<Vec<LocalOutcome>, LocalError> {
        let mut listener = self.changes.listen();
        let mut told = vec![0; self.ids.len()];
        let mut queued = vec![Vec::new(); self.ids.len()];
        let mut asked_to_cancel = false;
        loop {
            let mut states = Vec::new();
            for (index, run) in self.ids.iter().enumerate() {
                let state = self.runs.state(*run).await?;
                if state.sequence() > told[index] {
                    told[index] = state.sequence();
                    let _ = self.events.send(LocalEvent::Changed { index, state: state.clone() }).await;
                }
                self.tell_queued(index, &state, &mut queued[index]).await?;
                states.push(state);
            }
            let is_in_a_group = self.take_turns(&states).await?;
            if states.iter().all(|state| self.is_over(state)) {
                self.courier.stop().await;
                self.agent.stop().await;
                return Ok(self.outcomes(states));
            }
            tokio::select! {
                _ = listener.wait_for(|_| true) => {}
                () = tokio::time::sleep(turns::LOOK_EVERY), if is_in_a_group => {}
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
                engine::InstanceState::Queued { .. }
                    | engine::InstanceState::Offered { .. }
                    | engine::InstanceState::Leased { .. }
            )
        });
        run.conclusion().is_some() || (left.contains(&run.id()) && !busy)
    }

    /// Tells of the groups that the run waits for, where that or who holds them has changed.
    async fn tell_queued(
        &self,
        index: usize,
        state: &engine::State,
        told: &mut Vec<QueuedFor>,
    ) -> Result<(), LocalError> {
        let Some(run) = state.run() else { return Ok(()) };
        let queued = self.groups.queued(run).await?;
        if queued != *told {
            told.clone_from(&queued);
            let _ = self.events.send(LocalEvent::Queued { index, queued }).await;
        }
        Ok(())
    }

    /// Whether any run has a place in a group, held or waited for.
    async fn take_turns(&self, states: &[Arc<engine::State>]) -> Result<bool, LocalError> {
        let runs = || states.iter().filter_map(|state| Some((state, state.run()?)));
        if runs().all(|(_, run)| run.tickets().is_empty()) {
            return Ok(false);
        }
        for (_, run) in runs().filter(|(state, _)| self.is_over(state)) {
            self.turns.give_back(run).await?;
        }
        self.turns.look(states).await?;
        Ok(true)
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
        let outcome = |(run, state): (&RunId, Arc<engine::State>)| LocalOutcome {
            number: run.0,
            conclusion: state.run().and_then(engine::Run::conclusion),
            failed_tests: self.failed_tests(&state),
            state,
        };
        self.ids.iter().zip(states).map(outcome).collect()
    }
}

/// Tells of jobs that stand at a failed step, and lets each go on when the person here or another process says so.
async fn stand(
    mut stopping: mpsc::Receiver<JobStop>,
    stopped: Stopped,
    index: BTreeMap<RunId, usize>,
    events: mpsc::Sender<LocalEvent>,
    stops: Stops,
) {
    while let Some(JobStop { run, instance, step, go_on }) = stopping.recv().await {
        let Some(index) = index.get(&run).copied() else { continue };
        stopped.stands(run, instance.clone(), go_on);
        let _ = events.send(LocalEvent::Stopped { index, instance: instance.clone(), step }).await;
        let (stopped, asked) = (stopped.clone(), stops());
        tokio::spawn(async move {
            asked.await;
            stopped.go_on(run, &instance);
        });
    }
}

/// Begins a run, or another attempt of one. Gives the attempt, and what of an earlier one is kept.
async fn begin(
    runs: &Runs,
    run: RunId,
    local: LocalRun,
    vars: &BTreeMap<String, String>,
    pipeline: u64,
) -> Result<(u32, Vec<InstanceId>), LocalError> {
    match local.begin {
        Begin::New { plan, trigger, inputs } => {
            let (plan, trigger, vars) = (*plan, *trigger, vars.clone());
            let create = Create {
                run,
                number: run.0,
                plan,
                trigger,
                inputs,
                vars,
                server_url: String::new(),
                pipeline,
            };
            runs.create(&format!("local/{}/{run}", local.source.id), create).await?;
            Ok((1, Vec::new()))
        }
        Begin::Again { scope, .. } => {
            let state = runs.command(run, Command::Rerun { by: person(), scope }).await?;
            let Some(record) = state.run() else { return Ok((1, Vec::new())) };
            let ended = record.instances().filter(|(_, instance)| instance.state.is_ended());
            Ok((record.attempt(), ended.map(|(id, _)| id).collect()))
        }
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
    groups: Arc<Groups>,
    agent: Agent,
    approvals: Approvals,
    index: BTreeMap<RunId, usize>,
    left: Arc<std::sync::Mutex<Vec<RunId>>>,
    changes: Changes,
}

impl Perform for LocalPerformer {
    fn is_mine(&self, effect: &StoredEffect) -> bool {
        let run = match Groups::of_stream(&effect.key.stream) {
            Some(_) => turns::ticket_of(effect).map(|ticket| ticket.run),
            None => Runs::of_stream(&effect.key.stream),
        };
        run.is_some_and(|run| self.index.contains_key(&run))
    }

    fn is_in_order(&self, effect: &StoredEffect) -> bool {
        groups::is_of_a_place(effect)
    }

    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            if let Some(group) = Groups::of_stream(&effect.key.stream) {
                return Ok(self.groups.perform(&group, serde_json::from_str(&effect.body)?).await?);
            }
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
                engine::Effect::JoinGroup { group, ticket, policy } => {
                    self.groups.join(&group, ticket, policy).await?;
                }
                engine::Effect::LeaveGroup { group, ticket } => self.groups.leave(&group, ticket).await?,
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
    sources: BTreeMap<RunId, (usize, Source)>,
    events: mpsc::Sender<LocalEvent>,
}

impl Host for LocalHost {
    fn prepare<'a>(
        &'a self,
        run: &'a engine::Run,
        _key: &'a LogKey,
    ) -> BoxFuture<'a, Result<Surroundings, StoreError>> {
        Box::pin(async move {
            let (_, source) = self.sources.get(&run.id()).ok_or(StoreError::Closed)?;
            Ok(Surroundings {
                source: SourceTree::WorkingTree {
                    path: source.repository.clone(),
                    snapshot: source.commit.to_string(),
                },
                secrets: self.options.secrets.clone(),
                registry: self.options.delivers_to.as_ref().map(|(_, registry)| registry.clone()),
                server: self.options.delivers_to.as_ref().map(|(server, _)| server.clone()),
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
            let Some((index, _)) = self.sources.get(&key.run) else { return };
            let (index, instance, attempt) = (*index, key.instance.clone(), key.attempt);
            let _ =
                self.events.send(LocalEvent::Job { index, instance, attempt, event: event.clone() }).await;
        })
    }
}
