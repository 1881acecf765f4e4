use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_engine::{self as engine, Command, Create};
use sluice_model::{InstanceId, RunId};
use sluice_runner::{JobStop, Runner};
use sluice_store::Store;
use sluice_wire::{QueuedFor, TestCase};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::{Answering, Control, Stopped};
use super::host::LocalHost;
use super::performer::LocalPerformer;
use super::process::Process;
use super::teller::Teller;
use super::turns::{self, Turns};
use super::{
    Asks, Begin, LocalError, LocalEvent, LocalOptions, LocalOutcome, LocalRun, PIPELINES, Stops, person,
};
use crate::agent::Agent;
use crate::change::Changes;
use crate::courier::Courier;
use crate::groups::Groups;
use crate::log::{LogKey, Logs};
use crate::runs::{RunError, Runs};

/// What a session works with.
pub(super) struct Means {
    pub(super) store: Store,
    pub(super) runner: Runner,
    pub(super) process: Process,
    /// Jobs that stop at a failed step.
    pub(super) stopping: mpsc::Receiver<JobStop>,
}

/// Runs under way.
pub(super) struct Session {
    runs: Arc<Runs>,
    agent: Agent,
    courier: Arc<Courier>,
    changes: Changes,
    ids: Vec<RunId>,
    events: mpsc::Sender<LocalEvent>,
    teller: Teller,
    logs: Logs,
    /// Gates that were left closed.
    left: Arc<std::sync::Mutex<Vec<RunId>>>,
    groups: Arc<Groups>,
    turns: Turns,
    _control: Control,
    _process: Process,
}

impl Session {
    pub(super) async fn start(
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
        let teller = Teller::new(runs.clone(), events.clone());
        let host =
            LocalHost { options: options.clone(), sources, events: events.clone(), teller: teller.clone() };
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
            teller: teller.clone(),
        };
        let stopped = Stopped::default();
        let answering = Answering {
            runs: runs.clone(),
            logs: logs.clone(),
            changes: changes.clone(),
            stopped: stopped.clone(),
        };
        let control = Control::serve(listener, answering);
        let pipeline = match options.pipeline {
            Some(number) => number,
            None => store.next(PIPELINES).await?,
        };
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
            teller,
            logs,
            left,
            _control: control,
            _process: process,
        })
    }

    /// Tells of every change until nothing more can happen.
    pub(super) async fn finish(self, cancel: CancellationToken) -> Result<Vec<LocalOutcome>, LocalError> {
        let mut listener = self.changes.listen();
        let mut queued = vec![Vec::new(); self.ids.len()];
        let mut asked_to_cancel = false;
        loop {
            let mut states = Vec::new();
            for (index, run) in self.ids.iter().enumerate() {
                let state = self.teller.tell(index, *run).await?;
                self.tell_queued(index, &state, &mut queued[index]).await?;
                states.push(state);
            }
            if asked_to_cancel && states.iter().any(|state| is_again(state)) {
                self.cancel_all().await?;
            }
            let is_in_a_group = self.take_turns(&states).await?;
            if states.iter().all(|state| self.is_over(state)) {
                self.courier.stop().await;
                self.agent.stop().await;
                for run in states.iter().filter_map(|state| state.run()) {
                    self.turns.hand_in(run).await?;
                }
                return Ok(self.outcomes(states));
            }
            tokio::select! {
                () = listener.wait() => {}
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
                engine::InstanceState::Offered { .. } | engine::InstanceState::Leased { .. }
            )
        });
        let busy = busy || run.waiting_for_groups().next().is_some();
        let has_ended = run.conclusion().is_some() && run.next_auto_rerun().is_none();
        has_ended || (left.contains(&run.id()) && !busy)
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

    fn failed_tests(&self, state: &engine::State) -> BTreeMap<InstanceId, Vec<TestCase>> {
        let Some(run) = state.run() else { return BTreeMap::new() };
        let of_instance = |(instance, record): (InstanceId, &engine::Instance)| {
            let key = LogKey { run: run.id(), instance: instance.clone(), attempt: record.attempt };
            (instance, self.logs.failed_tests(&key))
        };
        run.instances().map(of_instance).filter(|(_, tests)| !tests.is_empty()).collect()
    }
}

/// A run that began again by itself in the moment in which it was to be cancelled.
fn is_again(state: &engine::State) -> bool {
    let run = state.run().filter(|run| run.auto_reruns() > 0);
    run.is_some_and(|run| {
        matches!(run.status(), engine::RunStatus::Running | engine::RunStatus::Queued { .. })
    })
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
