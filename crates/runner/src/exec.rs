use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::CancelGrace;
use crate::log::{Judge, StepLog};
use crate::session::{Launch, Process, ProcessEvent, Session, SessionError};

/// How a process of a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
    /// It could not be started, and why.
    NotStarted(String),
    TimedOut(Duration),
    /// It wrote nothing for so long.
    Silent(Duration),
    Cancelled,
    /// The agent went, and the process with it.
    Lost,
}

impl Ended {
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(*code),
            _ => None,
        }
    }

    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }

    /// What the log says of an end that no exit code tells. GitHub's words where it has some.
    pub fn explain(&self) -> Option<String> {
        Some(match self {
            Self::Exited(0) => return None,
            Self::Exited(code) => format!("Process completed with exit code {code}."),
            Self::Signalled(signal) => format!("The process was killed by signal {signal}."),
            Self::NotStarted(reason) => format!("The process could not be started: {reason}."),
            Self::TimedOut(limit) => format!("The step was stopped after {}: it timed out.", seconds(*limit)),
            Self::Silent(limit) => format!(
                "Too long with no output (exceeded {}): context deadline exceeded. `no_output_timeout` allows more.",
                seconds(*limit)
            ),
            Self::Cancelled => "The step was cancelled.".to_owned(),
            Self::Lost => "The job's container or process is gone.".to_owned(),
        })
    }
}

fn seconds(time: Duration) -> String {
    let text = format!("{:.3}", time.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// When a process has to be stopped.
#[derive(Clone)]
pub struct Limits {
    pub timeout: Option<Duration>,
    pub no_output_timeout: Option<Duration>,
    pub cancel: CancellationToken,
    pub grace: CancelGrace,
}

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// Something that writes, ends and can be signalled: a process of the step agent's, or a container.
pub trait Running: Send {
    /// What it does next. None when it is gone.
    fn next(&mut self) -> impl Future<Output = Option<ProcessEvent>> + Send;
    fn signal(&mut self, signal: i32) -> impl Future<Output = ()> + Send;
}

impl Running for Process {
    async fn next(&mut self) -> Option<ProcessEvent> {
        Self::next(self).await
    }

    async fn signal(&mut self, signal: i32) {
        Self::signal(self, signal).await;
    }
}

/// Watches what runs already to its end, its output going to `log` past `judge`.
pub async fn watch_to_end(
    running: &mut impl Running,
    log: &mut StepLog,
    limits: &Limits,
    judge: &mut dyn Judge,
) -> Ended {
    let (ended, _) = watch(running, log, limits, judge).await;
    log.finish(judge).await;
    ended
}

/// Runs one process to its end, its output going to `log` past `judge`. What was to be collected comes with the end, or
/// nothing where the process had none.
pub async fn run(
    session: &Session,
    launch: Launch,
    log: &mut StepLog,
    limits: &Limits,
    judge: &mut dyn Judge,
) -> Result<(Ended, Vec<Result<String, String>>), SessionError> {
    let mut process = session.start(launch).await?;
    let ended = watch(&mut process, log, limits, judge).await;
    log.finish(judge).await;
    Ok(ended)
}

async fn watch(
    process: &mut impl Running,
    log: &mut StepLog,
    limits: &Limits,
    judge: &mut dyn Judge,
) -> (Ended, Vec<Result<String, String>>) {
    let began = Instant::now();
    let mut last_output = began;
    let mut stopping: Option<Stopping> = None;
    let mut is_behind = false;
    loop {
        let wake = match &stopping {
            Some(stopping) => stopping.next_at,
            None => {
                let by_timeout = limits.timeout.and_then(|limit| began.checked_add(limit));
                let by_silence = limits.no_output_timeout.and_then(|limit| last_output.checked_add(limit));
                by_timeout.into_iter().chain(by_silence).min()
            }
        };
        tokio::select! {
            biased;
            event = process.next() => match event {
                Some(ProcessEvent::Output { stderr, bytes }) => {
                    last_output = Instant::now();
                    log.write(stderr, &bytes, judge).await;
                    is_behind = true;
                }
                Some(ProcessEvent::Exited { code, signal, collected }) => {
                    let ended = match stopping {
                        Some(stopping) => stopping.reason,
                        None if signal != 0 => Ended::Signalled(signal),
                        None => Ended::Exited(code),
                    };
                    return (ended, collected);
                }
                Some(ProcessEvent::NotStarted(reason)) => return (Ended::NotStarted(reason), Vec::new()),
                None => return (stopping.map_or(Ended::Lost, |stopping| stopping.reason), Vec::new()),
            },
            // Nothing more to read for now: what was gathered is shown.
            () = std::future::ready(()), if is_behind => {
                log.flush().await;
                is_behind = false;
            }
            () = limits.cancel.cancelled(), if stopping.is_none() => {
                stopping = Some(Stopping::begin(Ended::Cancelled));
            }
            () = at(wake) => {
                if let Some(stopping) = &mut stopping {
                    stopping.escalate(process, limits.grace).await;
                } else {
                    let is_over = limits.timeout.is_some_and(|limit| began.elapsed() >= limit);
                    let reason = match (is_over, limits.timeout, limits.no_output_timeout) {
                        (true, Some(limit), _) => Ended::TimedOut(limit),
                        (_, _, Some(limit)) => Ended::Silent(limit),
                        (_, limit, None) => Ended::TimedOut(limit.unwrap_or_default()),
                    };
                    stopping = Some(Stopping::begin(reason));
                }
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// A process that was told to end: interrupt, then terminate, then kill, with a pause after each.
struct Stopping {
    reason: Ended,
    signals: std::array::IntoIter<i32, 3>,
    next_at: Option<Instant>,
}

impl Stopping {
    fn begin(reason: Ended) -> Self {
        Self { reason, signals: [SIGINT, SIGTERM, SIGKILL].into_iter(), next_at: Some(Instant::now()) }
    }

    async fn escalate(&mut self, process: &mut impl Running, grace: CancelGrace) {
        let signal = self.signals.next();
        if let Some(signal) = signal {
            process.signal(signal).await;
        }
        self.next_at = match signal {
            Some(SIGINT) => Instant::now().checked_add(grace.after_interrupt),
            Some(SIGTERM) => Instant::now().checked_add(grace.after_terminate),
            // A killed process ends; only an agent that is stuck does not tell.
            _ => None,
        };
    }
}
