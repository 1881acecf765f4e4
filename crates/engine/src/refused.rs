use sluice_model::{Conclusion, InstanceId, JobId, RunId};
use sluice_source::Diagnostic;

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such run")]
    NoRun,
    #[error("run {run} is already there, made from something else")]
    OtherRun { run: RunId },
    #[error("the pipeline asks for what Sluice cannot do yet: {}", first(.0))]
    Unsupported(Vec<Diagnostic>),
    #[error("run {run} has no job `{job}`")]
    UnknownJob { run: RunId, job: JobId },
    #[error("run {run} has no job `{instance}`, or it has not started")]
    UnknownInstance { run: RunId, instance: InstanceId },
    /// Another lease is newer, or the job is over: the sender has to stop.
    #[error("`{instance}`: fencing token {presented} is no longer valid")]
    StaleToken { instance: InstanceId, presented: u64 },
    /// The place in the group was given back, or asked for anew since.
    #[error("ticket {ticket} of a concurrency group is no longer valid")]
    StaleTicket { ticket: u64 },
    #[error("`{instance}` was already taken by another agent")]
    Taken { instance: InstanceId },
    #[error("`{instance}` waits for no decision")]
    NoGate { instance: InstanceId },
    #[error("`{instance}` was already decided the other way")]
    GateDecided { instance: InstanceId },
    #[error("the run is over: {conclusion}")]
    Ended { conclusion: Conclusion },
    #[error("the run is being cancelled; rerun it when it has ended")]
    Cancelling,
    #[error("`{job}` is still running; cancel it first or wait for it")]
    StillRunning { job: JobId },
    /// Nothing of it runs, and nothing will before its gate is decided.
    #[error("`{job}` waits for an approval; decide it, or cancel the run first")]
    WaitsForApproval { job: JobId },
    #[error("nothing to run again: no job failed or was cancelled")]
    NothingFailed,
}

fn first(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => String::new(),
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} (and {} more)", rest.len()),
    }
}
