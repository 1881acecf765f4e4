use sluice_model::Conclusion;
use sluice_plan::{Expression, Job, JobCondition, Need};

use crate::context::Contexts;
use crate::{JobState, Run, RunStatus};

/// Whether the job runs, once all its needs have ended.
pub(crate) fn starts(run: &Run, job: usize) -> Result<bool, String> {
    let plan = &run.plan().jobs[job];
    match &plan.condition {
        JobCondition::NeedsAccepted => Ok(!run.is_cancelling() && needs_are_accepted(run, plan)),
        JobCondition::Expression(expression) => holds(run, job, expression, run.is_cancelling())
            .map_err(|error| format!("`if` has no value: {error}")),
    }
}

/// Whether the job, running or about to, goes on although the run is cancelled. True where the run is not.
pub(crate) fn survives_cancel(run: &Run, job: usize) -> bool {
    match &run.status {
        RunStatus::Cancelling { force: true, .. } => false,
        RunStatus::Cancelling { force: false, .. } => match &run.plan().jobs[job].condition {
            JobCondition::NeedsAccepted => false,
            JobCondition::Expression(expression) => holds(run, job, expression, true).unwrap_or(false),
        },
        RunStatus::Queued { .. } | RunStatus::Running | RunStatus::Ended { .. } => true,
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
