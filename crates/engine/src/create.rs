use sluice_model::Timestamp;

use crate::context::run_title;
use crate::draft::Draft;
use crate::{Create, Event, Refused, State, unsupported};

pub(crate) fn create(state: &State, now: Timestamp, create: Create) -> Result<Vec<Event>, Refused> {
    if let Some(run) = state.run() {
        let is_the_same = run.fixed.create == create;
        return if is_the_same { Ok(Vec::new()) } else { Err(Refused::OtherRun { run: run.id() }) };
    }
    let diagnostics = unsupported(&create.plan);
    if !diagnostics.is_empty() {
        return Err(Refused::Unsupported(diagnostics));
    }
    let title = run_title(&create);
    let mut draft = Draft::of(state, now);
    draft.push(Event::RunCreated { at: now, create: Box::new(create), title });
    draft.queue_run();
    draft.due_all();
    Ok(draft.settle())
}
