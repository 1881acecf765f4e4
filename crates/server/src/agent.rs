use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sluice_engine::{self as engine, Command, Refused, assignment};
use sluice_model::{AgentId, InstanceId, JobId, RepositoryName, RunId, Timestamp};
use sluice_plan::{Job, Plan};
use sluice_runner::{Runner, SET_UP};
use sluice_store::StoreError;
use sluice_wire::{
    JobEvent, JobOrder, JobReport, NeedResult, RegistryAccess, ServerAccess, SourceTree, Stream,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::now;
use crate::log::{LogKey, LogWriter, Logs};
use crate::missing::Missing;
use crate::runs::{RunError, Runs};
use crate::secrets::Secrets;

/// What a job gets from where it runs: its tree, its secrets, its way to the server and the registry.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) source: SourceTree,
    pub(crate) secrets: Secrets,
    pub(crate) registry: Option<RegistryAccess>,
    pub(crate) server: Option<ServerAccess>,
    pub(crate) allow_host_docker: bool,
}

/// Gives a job its surroundings, and takes them back when it has ended.
pub(crate) trait Host: Send + Sync + 'static {
    fn prepare<'a>(
        &'a self,
        run: &'a engine::Run,
        key: &'a LogKey,
    ) -> BoxFuture<'a, Result<Surroundings, StoreError>>;
    fn release<'a>(&'a self, key: &'a LogKey) -> BoxFuture<'a, ()>;
    /// Hears all that a runner says, after it is in the log.
    fn heard<'a>(
        &'a self,
        repository: &'a RepositoryName,
        key: &'a LogKey,
        event: &'a JobEvent,
    ) -> BoxFuture<'a, ()>;
}

/// The agent that lives in the server's own process.
#[derive(Clone)]
pub(crate) struct Agent {
    inner: Arc<Inner>,
}

struct Inner {
    name: AgentId,
    runner: Runner,
    runs: Arc<Runs>,
    logs: Logs,
    host: Arc<dyn Host>,
    slots: Arc<Semaphore>,
    running: Mutex<HashMap<(RunId, InstanceId), Running>>,
    jobs: TaskTracker,
}

struct Running {
    fencing_token: u64,
    cancel: CancellationToken,
}

pub(crate) const BUILT_IN: &str = "built-in";

impl Agent {
    pub(crate) fn new(
        runner: Runner,
        runs: Arc<Runs>,
        logs: Logs,
        host: Arc<dyn Host>,
        slots: usize,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(slots.max(1)));
        let name = AgentId::new(BUILT_IN);
        let (running, jobs) = (Mutex::default(), TaskTracker::new());
        Self { inner: Arc::new(Inner { name, runner, runs, logs, host, slots, running, jobs }) }
    }

    /// Returns the jobs that an earlier process of this agent had and can no longer report on.
    pub(crate) async fn return_leases(&self, open_runs: &[RunId]) -> Result<(), RunError> {
        for run in open_runs {
            let command = Command::AgentLost { agent: self.inner.name.clone() };
            match self.inner.runs.command(*run, command).await {
                Ok(_) | Err(RunError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes an offered job when there is room for it, and begins it. Comes back when the job is this agent's, or
    /// nobody's any more.
    pub(crate) async fn take(
        &self,
        run: RunId,
        instance: InstanceId,
        fencing_token: u64,
    ) -> Result<(), RunError> {
        // Closed: the server ends, and the offer stays open.
        let slot = self.inner.slots.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let lease = Command::Lease {
            instance: instance.clone(),
            fencing_token,
            agent: self.inner.name.clone(),
            // This agent lives and dies with the process, which returns its leases when it starts again: no lease
            // of it ever runs out.
            until: Timestamp(i64::MAX),
        };
        let state = match self.inner.runs.command(run, lease).await {
            Ok(state) => state,
            // The run was cancelled, or the offer is an old one: nothing to do.
            Err(RunError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let cancel = CancellationToken::new();
        let mut running = self.running();
        if running.get(&(run, instance.clone())).is_some_and(|job| job.fencing_token == fencing_token) {
            // The effect was repeated while the job runs.
            return Ok(());
        }
        running.insert((run, instance.clone()), Running { fencing_token, cancel: cancel.clone() });
        drop(running);
        let agent = self.clone();
        self.inner.jobs.spawn(async move { agent.work(state, instance, fencing_token, cancel, slot).await });
        Ok(())
    }

    /// Asks a job to stop. Its runner still reports.
    pub(crate) fn cancel(&self, run: RunId, instance: &InstanceId, fencing_token: u64) {
        if let Some(job) = self.running().get(&(run, instance.clone()))
            && job.fencing_token == fencing_token
        {
            job.cancel.cancel();
        }
    }

    /// Where the files of one of a run's artifacts are.
    pub(crate) fn artifact_folder(&self, run: RunId, name: &str) -> PathBuf {
        self.inner.runner.artifact_folder(run, name)
    }

    /// Stops all jobs and waits for them, without a report: whoever starts next runs them again.
    pub(crate) async fn stop(&self) {
        self.inner.slots.close();
        for job in self.running().values() {
            job.cancel.cancel();
        }
        self.inner.jobs.close();
        self.inner.jobs.wait().await;
        self.inner.runner.settle().await;
    }

    async fn work(
        &self,
        state: Arc<engine::State>,
        instance: InstanceId,
        fencing_token: u64,
        cancel: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) {
        let Some(run) = state.run() else { return };
        let report = self.execute(&state, run, &instance, cancel).await;
        // Nothing of it runs any more: the next one need not wait until that is stored.
        drop(slot);
        // A server that ends does not report the jobs that it stopped itself: they are run again.
        if !self.inner.slots.is_closed() {
            self.report(run.id(), &instance, fencing_token, report).await;
        }
        let mut running = self.running();
        if running.get(&(run.id(), instance.clone())).is_some_and(|job| job.fencing_token == fencing_token) {
            running.remove(&(run.id(), instance));
        }
    }

    async fn execute(
        &self,
        state: &engine::State,
        run: &engine::Run,
        instance: &InstanceId,
        cancel: CancellationToken,
    ) -> JobReport {
        let Some(attempt) = run.instance(instance).map(|instance| instance.attempt) else {
            return failed("the job is not there any more".to_owned());
        };
        let key = LogKey { run: run.id(), instance: instance.clone(), attempt };
        let log = match self.inner.logs.create(key.clone()) {
            Ok(log) => log,
            Err(error) => return failed(format!("its log could not be begun: {error}")),
        };
        let report = match self.inner.host.prepare(run, &key).await {
            Ok(surroundings) => match order(state, run, instance, surroundings) {
                Some((order, warnings)) => self.run(order, warnings, log, &key, cancel).await,
                None => failed("the job is not leased any more".to_owned()),
            },
            Err(error) => failed(format!("it could not be prepared: {error}")),
        };
        self.inner.host.release(&key).await;
        report
    }

    async fn run(
        &self,
        order: JobOrder,
        warnings: Vec<String>,
        log: LogWriter,
        key: &LogKey,
        cancel: CancellationToken,
    ) -> JobReport {
        let (events, receiver) = mpsc::channel(256);
        if !warnings.is_empty() {
            let text = warnings.iter().map(|warning| format!("{warning}\n")).collect();
            let (step, stream) = (SET_UP, Stream::Runner);
            // The channel is new: it is open, and has room.
            let _ = events.try_send(JobEvent::Output { step, stream, text, at: now() });
        }
        let repository = order.trigger.repository.clone();
        let writing = write_log(log, receiver, self.inner.host.as_ref(), &repository, key);
        let (report, ()) = tokio::join!(self.inner.runner.run(order, events, cancel), writing);
        if let Err(error) = self.inner.logs.keep_failed_tests(key, &report.failed_tests) {
            tracing::error!(%error, run = %key.run, instance = %key.instance, "failed tests were not kept");
        }
        report
    }

    /// Reports until the store takes it: nobody else knows how the job ended.
    async fn report(&self, run: RunId, instance: &InstanceId, fencing_token: u64, report: JobReport) {
        let JobReport { conclusion, outputs, problem, failed_tests: _ } = report;
        let instance = instance.clone();
        let command = Command::FinishJob { instance, fencing_token, conclusion, outputs, problem };
        let mut pause = std::time::Duration::from_millis(100);
        loop {
            match self.inner.runs.command(run, command.clone()).await {
                Ok(_) | Err(RunError::Refused(Refused::StaleToken { .. })) => return,
                Err(RunError::Refused(refused)) => {
                    tracing::warn!(%run, %refused, "a job's report was refused");
                    return;
                }
                Err(RunError::Store(error)) => {
                    tracing::error!(%run, %error, "a job's report was not stored, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(std::time::Duration::from_secs(10));
                }
            }
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<(RunId, InstanceId), Running>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts together what the engine decided and where the job runs; and what its log begins with: what is not there.
fn order(
    state: &engine::State,
    run: &engine::Run,
    instance: &InstanceId,
    surroundings: Surroundings,
) -> Option<(JobOrder, Vec<String>)> {
    let assigned = assignment(state, instance)?;
    let Surroundings { source, secrets, registry, server, allow_host_docker } = surroundings;
    let plan = run.plan();
    let need = |outcome: engine::NeedOutcome| NeedResult { result: outcome.result, outputs: outcome.outputs };
    let warning = secrets.warning(assigned.job);
    let order = JobOrder {
        run: run.id(),
        run_number: run.number(),
        pipeline: run.pipeline(),
        instance: instance.clone(),
        attempt: assigned.attempt,
        fencing_token: assigned.fencing_token,
        trigger: run.trigger().clone(),
        dialect: plan.dialect,
        workflow: plan.workflow.clone(),
        workflow_file: plan.file.clone(),
        workflow_env: plan.env.clone(),
        workflow_defaults: plan.defaults.clone(),
        job: assigned.job.clone(),
        job_name: assigned.display_name.to_owned(),
        matrix: assigned.matrix.clone(),
        strategy: assigned.strategy,
        needs: assigned.needs.into_iter().map(|(job, outcome)| (job, need(outcome))).collect(),
        upstream: upstream(plan, assigned.job),
        inputs: run.inputs().clone(),
        vars: run.vars().clone(),
        secrets: secrets.of_job(assigned.job),
        ssh_keys: secrets.ssh_keys_of_job(assigned.job),
        source,
        registry,
        server,
        allow_host_docker,
        lock: plan.lock.clone(),
    };
    let warnings = missing(&order).into_iter().chain(warning).collect();
    Some((order, warnings))
}

/// The jobs before `job`, each with those that it needs itself.
fn upstream(plan: &Plan, job: &Job) -> BTreeMap<JobId, Vec<JobId>> {
    let needs = |job: &Job| job.needs.iter().map(|need| need.job.clone()).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    let mut pending = needs(job);
    while let Some(id) = pending.pop() {
        if let Some(job) = plan.jobs.iter().find(|job| job.id == id)
            && !found.contains_key(&id)
        {
            let own = needs(job);
            pending.extend(own.iter().cloned());
            found.insert(id, own);
        }
    }
    found
}

/// What the job reads and nobody has.
fn missing(order: &JobOrder) -> Option<String> {
    let secrets: Vec<&str> = order.secrets.keys().map(String::as_str).collect();
    let vars: Vec<&str> = order.vars.keys().map(String::as_str).collect();
    Missing::of(&order.job, &secrets, &vars).warning()
}

/// Writes what comes, as much at once as there is.
async fn write_log(
    mut log: LogWriter,
    mut events: mpsc::Receiver<JobEvent>,
    host: &dyn Host,
    repository: &RepositoryName,
    key: &LogKey,
) {
    let mut batch = Vec::new();
    while events.recv_many(&mut batch, 256).await > 0 {
        let written = batch.iter().try_for_each(|event| log.write(event)).and_then(|()| log.flush());
        if let Err(error) = written {
            tracing::error!(%error, run = %key.run, instance = %key.instance, "a log could not be written");
        }
        for event in batch.drain(..) {
            host.heard(repository, key, &event).await;
        }
    }
}

fn failed(problem: String) -> JobReport {
    JobReport {
        conclusion: sluice_model::Conclusion::Failure,
        outputs: Default::default(),
        problem: Some(problem),
        failed_tests: Vec::new(),
    }
}
