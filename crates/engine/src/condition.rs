use sluice_model::Conclusion;
use sluice_plan::{Expression, Job, JobCondition, Need};

use crate::calls::Stop;
use crate::context::Contexts;
use crate::{JobState, Run, RunStatus};

/// Whether the job runs, once all its needs have ended.
pub(crate) fn starts(run: &Run, job: usize) -> Result<bool, String> {
    starts_if(run, job, stop_of(run, job).is_some())
}

/// Whether the job would run, were no call that it is in stopped.
pub(crate) fn would_start(run: &Run, job: usize) -> bool {
    starts_if(run, job, run.is_cancelling()).unwrap_or(false)
}

fn starts_if(run: &Run, job: usize, cancelled: bool) -> Result<bool, String> {
    let plan = &run.plan().jobs[job];
    match &plan.condition {
        JobCondition::NeedsAccepted => Ok(!cancelled && needs_are_accepted(run, plan)),
        JobCondition::Expression(expression) => {
            holds(run, job, expression, cancelled).map_err(|error| format!("`if` has no value: {error}"))
        }
    }
}

/// What keeps the job from going on.
pub(crate) fn stop_of(run: &Run, job: usize) -> Option<Stop> {
    let of_run = match run.status {
        RunStatus::Cancelling { force: true, .. } => return Some(Stop::Forced),
        RunStatus::Cancelling { force: false, .. } => Some(Stop::Asked),
        RunStatus::Queued { .. } | RunStatus::Running | RunStatus::Ended { .. } => None,
    };
    run.call_stop(job).map(|(stop, _)| stop).or(of_run)
}

/// Whether the job, running or about to, goes on although the run is cancelled, or a call that it is in has stopped.
/// True where neither is.
pub(crate) fn survives_cancel(run: &Run, job: usize) -> bool {
    match stop_of(run, job) {
        Some(Stop::Forced) => false,
        Some(Stop::Asked) => starts_if(run, job, true).unwrap_or(false),
        None => true,
    }
}

/// GitHub's rule: a condition without a status function is `success() && (…)`.
fn holds(run: &Run, job: usize, expression: &Expression, cancelled: bool) -> Result<bool, String> {
    if !expression.uses_status_function() && (cancelled || !run.chain_of_needs(job).all_succeeded) {
        return Ok(false);
    }
    if expression.source().trim() == "success()" {
        return Ok(!cancelled && run.chain_of_needs(job).all_succeeded);
    }
    Contexts::of_condition(run, job, cancelled).value(expression).map(|value| value.is_truthy())
}

fn needs_are_accepted(run: &Run, job: &Job) -> bool {
    job.needs.iter().all(|Need { job: need, accepts }| match run.job(need).map(|(_, record)| &record.state) {
        Some(JobState::Ended { conclusion, .. }) => match accepts {
            Some(accepted) => accepted.contains(conclusion),
            None => *conclusion == Conclusion::Success,
        },
        Some(JobState::Waiting | JobState::Active { .. }) | None => false,
    })
}
