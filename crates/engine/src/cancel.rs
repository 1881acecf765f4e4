use sluice_model::{Timestamp, UserName};

use crate::condition::survives_cancel;
use crate::draft::Draft;
use crate::{Event, JobState, Refused, RunStatus, State};

/// As GitHub cancels: a job whose condition still holds for a cancelled run (`always()`, `cancelled()`) goes on or
/// starts when its turn comes; every other one stops.
pub(crate) fn cancel(
    state: &State,
    now: Timestamp,
    by: UserName,
    force: bool,
) -> Result<Vec<Event>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    match &run.status {
        RunStatus::Ended { conclusion, .. } => return Err(Refused::Ended { conclusion: *conclusion }),
        RunStatus::Cancelling { force: was_forced, .. } if *was_forced || !force => return Ok(Vec::new()),
        RunStatus::Cancelling { .. } | RunStatus::Running => {}
    }
    let mut draft = Draft::of(state, now);
    let reason = format!("cancelled by {by}");
    draft.push(Event::CancelRequested { at: now, by, force });
    for job in draft.jobs_where(|run, job| {
        matches!(run.jobs[job].state, JobState::Active { .. }) && !survives_cancel(run, job)
    }) {
        draft.stop_instances(job, &reason);
    }
    draft.due_all();
    Ok(draft.settle())
}
