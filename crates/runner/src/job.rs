use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use sluice_model::Conclusion;
use sluice_plan::{Dialect, StepsJob, Work};
use sluice_wire::{JobOrder, JobReport, Level, TestCase};
use tokio_util::sync::CancellationToken;

use crate::config::CancelGrace;
use crate::depot::Depot;
use crate::kept::Kept;
use crate::log::JobLog;
use crate::place::{Making, Place};
use crate::runtime::{Facts, Runtime};
use crate::{circleci, github, test_results};

/// The step that making the place is: the first of a job, before the plan's own, which count from 1.
pub const SET_UP: u32 = 0;

/// GitHub's own limit for a job, in minutes.
const DEFAULT_TIMEOUT_MIN: f64 = 360.0;

/// One job, as its steps need it.
pub struct JobRun<'a> {
    pub order: &'a JobOrder,
    pub work: &'a StepsJob,
    pub log: JobLog,
    pub depot: Depot,
    /// Fires when the job is cancelled, or its time is over.
    pub cancel: CancellationToken,
    pub grace: CancelGrace,
    /// What the toolkits of actions call. None where the job uses no action that could.
    pub runtime: Option<Runtime>,
    /// What its place was made from: the engine, the images, where actions come from.
    pub making: &'a Making<'a>,
    /// Where the first step that failed was, where anybody wants to know.
    pub failed: Mutex<Option<Kept>>,
}

/// How the steps of a job ended.
#[derive(Debug, Default)]
pub struct StepsEnded {
    pub conclusion: Option<Conclusion>,
    pub outputs: BTreeMap<String, String>,
    pub failed_tests: Vec<TestCase>,
    pub problem: Option<String>,
}

/// Executes a job: makes its place, runs its steps, removes the place.
pub async fn run(
    making: &Making<'_>,
    order: &JobOrder,
    depot: Depot,
    cancel: CancellationToken,
) -> JobReport {
    let Work::Steps(work) = &order.job.work else {
        return failed(
            "the order's job has no steps, so that there is nothing for a runner to do".to_owned(),
        );
    };
    let cancel = cancel.child_token();
    let log = making.log.clone();
    let runtime = match order.dialect {
        Dialect::Github if github::uses_toolkits(&work.steps) => {
            let facts = Facts::of(order, &depot, &log, making.folder.join("runtime"));
            match Runtime::serve(facts).await {
                Ok(runtime) => Some(runtime),
                Err(error) => {
                    return failed(format!("the runtime APIs of actions cannot be served: {error}"));
                }
            }
        }
        _ => None,
    };
    let grace = making.config.cancel_grace;
    let stood = Mutex::default();
    let job = JobRun { order, work, log, depot, cancel, grace, runtime, making, failed: stood };
    let is_over = Deadline::watch(&job);
    let ended = match order.dialect {
        Dialect::Github => run_github(making, &job).await,
        Dialect::Circleci => run_circleci(making, &job).await,
    };
    let mut report = match ended {
        Ok(ended) => JobReport {
            conclusion: ended.conclusion.unwrap_or(Conclusion::Success),
            outputs: ended.outputs,
            problem: ended.problem,
            failed_tests: ended.failed_tests,
        },
        Err(problem) => {
            let problem = job.log.masker().mask_text(&problem);
            job.log.say(SET_UP, format!("##[error]{problem}")).await;
            job.log.step_finished(SET_UP, Conclusion::Failure, Conclusion::Failure, None).await;
            failed(problem)
        }
    };
    if let Some(limit) = is_over.passed() {
        let problem = format!("The job has exceeded the maximum execution time of {}", spelled(limit));
        // GitHub cancels such a job and says so in this annotation (GitHub, "Workflow syntax",
        // `jobs.<job_id>.timeout-minutes`); CircleCI has a failure of its own.
        report.conclusion = match order.dialect {
            Dialect::Github => Conclusion::Cancelled,
            Dialect::Circleci => Conclusion::Failure,
        };
        job.log.annotation(SET_UP, Level::Error, &problem, None, None).await;
        report.problem = Some(problem);
    }
    report
}

/// As GitHub writes a time: `1h0m0s`, `90ms`.
fn spelled(limit: Duration) -> String {
    let seconds = limit.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{}ms", limit.as_millis()),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn failed(problem: String) -> JobReport {
    JobReport {
        conclusion: Conclusion::Failure,
        outputs: BTreeMap::new(),
        problem: Some(problem),
        failed_tests: Vec::new(),
    }
}

async fn run_github(making: &Making<'_>, job: &JobRun<'_>) -> Result<StepsEnded, String> {
    if let Some(problem) = github::missing_system(job, making)? {
        return Ok(StepsEnded {
            conclusion: Some(Conclusion::Skipped),
            problem: Some(problem),
            ..Default::default()
        });
    }
    let (mut contexts, mut wish) = github::prepare(job, making)?;
    wish.loopback_ports.extend(job.runtime.as_ref().map(Runtime::port));
    let Some(place) = make_place(making, job, wish, "Set up job").await? else { return Ok(cancelled()) };
    let mut ended = github::run(job, &place, &mut contexts).await;
    if let Ok(ended) = &mut ended {
        test_results::collect(job, &place, ended).await;
    }
    job.close(place).await;
    ended
}

async fn run_circleci(making: &Making<'_>, job: &JobRun<'_>) -> Result<StepsEnded, String> {
    let (wish, notes) = circleci::prepare(job, making)?;
    let Some(place) = make_place(making, job, wish, "Spin up environment").await? else {
        return Ok(cancelled());
    };
    job.log.step_finished(SET_UP, Conclusion::Success, Conclusion::Success, None).await;
    for note in notes {
        job.log.say(SET_UP, note).await;
    }
    let mut ended = circleci::run(job, &place).await;
    test_results::collect(job, &place, &mut ended).await;
    job.close(place).await;
    Ok(ended)
}

fn cancelled() -> StepsEnded {
    StepsEnded { conclusion: Some(Conclusion::Cancelled), ..Default::default() }
}

/// None when the job was cancelled before its place was ready. That the set-up has ended well is the caller's to say.
async fn make_place(
    making: &Making<'_>,
    job: &JobRun<'_>,
    wish: crate::place::Wish,
    name: &str,
) -> Result<Option<Place>, String> {
    job.log.prepared(wish.container.as_ref().map_or("host", |container| &container.image)).await;
    job.log.step_started(SET_UP, name).await;
    if wish.container.is_none() {
        job.log.say(SET_UP, "The job runs on the host").await;
    }
    let made = tokio::select! {
        made = Place::make(making, wish) => Some(made),
        () = job.cancel.cancelled() => None,
    };
    match made {
        Some(Ok(place)) => Ok(Some(place)),
        Some(Err(error)) => {
            Place::discard(making).await;
            Err(error.to_string())
        }
        None => {
            Place::discard(making).await;
            job.log.step_finished(SET_UP, Conclusion::Cancelled, Conclusion::Cancelled, None).await;
            Ok(None)
        }
    }
}

/// Cancels a job when its time is over. Stops watching when it is dropped.
struct Deadline {
    limit: Duration,
    passed: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Deadline {
    fn watch(job: &JobRun<'_>) -> Self {
        let contexts = github::Contexts::of_order(job.order);
        let limit = contexts.late_minutes(job.order.job.timeout_minutes.as_ref()).ok().flatten();
        let limit = limit.unwrap_or(Duration::from_secs_f64(DEFAULT_TIMEOUT_MIN * 60.0));
        let passed = CancellationToken::new();
        let (cancel, flag) = (job.cancel.clone(), passed.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            flag.cancel();
            cancel.cancel();
        });
        Self { limit, passed, task }
    }

    fn passed(&self) -> Option<Duration> {
        self.passed.is_cancelled().then_some(self.limit)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every step finds of Sluice itself, where the order has it.
pub fn own_variables(order: &JobOrder) -> Vec<(String, String)> {
    let mut variables = vec![("SLUICE".to_owned(), "true".to_owned())];
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
    set("SLUICE_RUN", &order.run.to_string());
    if let Some(registry) = &order.registry {
        set("SLUICE_REGISTRY", &registry.host);
        set("SLUICE_REGISTRY_USER", &registry.username);
        set("SLUICE_REGISTRY_PASSWORD", registry.password.expose());
    }
    if let Some(server) = &order.server {
        set("SLUICE_URL", &server.url);
        set("SLUICE_TOKEN", server.token.expose());
        if let Some(repository) = &server.repository {
            set("SLUICE_REPOSITORY", repository.as_str());
        }
    }
    variables
}

/// What must never be shown of an order.
pub fn secrets(order: &JobOrder) -> Vec<&str> {
    let mut secrets: Vec<&str> = order.secrets.values().map(sluice_wire::Secret::expose).collect();
    secrets.extend(order.ssh_keys.iter().map(|key| key.private.expose()));
    secrets.extend(order.registry.as_ref().map(|registry| registry.password.expose()));
    secrets.extend(order.server.as_ref().map(|server| server.token.expose()));
    if let sluice_wire::SourceTree::Remote { token, .. } = &order.source {
        secrets.push(token.expose());
    }
    secrets
}

/// Ports of this machine's loopback that steps in a container must reach by the same address: the server and its
/// registry.
pub fn loopback_ports(order: &JobOrder) -> Vec<u16> {
    let server = order.server.as_ref().map(|server| server.url.as_str());
    let registry = order.registry.as_ref().map(|registry| registry.host.as_str());
    let mut ports: Vec<u16> = server.into_iter().chain(registry).filter_map(loopback_port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn loopback_port(address: &str) -> Option<u16> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, if scheme == "https" { 443 } else { 80 }),
    };
    let is_loopback = matches!(host, "127.0.0.1" | "localhost") || host.ends_with(".localhost");
    is_loopback.then_some(port)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{loopback_port, spelled};

    #[test]
    fn a_limit_is_spelled_as_github_does() {
        for (seconds, text) in [(0.18, "180ms"), (9.0, "9s"), (60.0, "1m0s"), (21_600.0, "6h0m0s")] {
            assert_eq!(spelled(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn only_loopback_addresses_are_relayed() {
        assert_eq!(loopback_port("http://127.0.0.1:7000"), Some(7000));
        assert_eq!(loopback_port("localhost:5000"), Some(5000));
        assert_eq!(loopback_port("http://localhost/x"), Some(80));
        assert_eq!(loopback_port("https://ci.example.com:7000/"), None);
        assert_eq!(loopback_port("10.0.0.1:80"), None);
    }
}
