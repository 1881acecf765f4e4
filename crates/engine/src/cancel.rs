use sluice_model::{Timestamp, UserName};

use crate::draft::Draft;
use crate::{Event, Refused, RunStatus, State};

/// A person's cancel. Of a run that waits for its concurrency group no job runs any more, whatever its condition.
pub(crate) fn cancel(
    state: &State,
    now: Timestamp,
    by: UserName,
    force: bool,
) -> Result<Vec<Event>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    let force = match &run.status {
        RunStatus::Ended { conclusion, .. } => return Err(Refused::Ended { conclusion: *conclusion }),
        RunStatus::Cancelling { force: was_forced, .. } if *was_forced || !force => return Ok(Vec::new()),
        RunStatus::Cancelling { .. } | RunStatus::Running => force,
        RunStatus::Queued { .. } => true,
    };
    let mut draft = Draft::of(state, now);
    let reason = format!("cancelled by {by}");
    draft.cancel_run(Event::CancelRequested { at: now, by, force }, &reason);
    Ok(draft.settle())
}
