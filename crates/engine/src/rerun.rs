use sluice_model::{Conclusion, Timestamp, UserName};
use sluice_plan::Dialect;

use crate::draft::Draft;
use crate::{Event, InstanceState, JobRecord, JobState, Refused, RerunScope, Reset, Run, RunStatus, State};

/// A new attempt. A job may be run again while others still go on, as long as nothing that needs it is under way.
pub(crate) fn rerun(
    state: &State,
    now: Timestamp,
    by: UserName,
    scope: RerunScope,
) -> Result<Vec<Event>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    if let RunStatus::Cancelling { .. } = run.status {
        return Err(Refused::Cancelling);
    }
    begin(state, run, now, by, &scope, false)
}

/// The attempt that a run's plan asks for where it fails. None where this attempt is not the last one any more.
pub(crate) fn rerun_by_itself(state: &State, now: Timestamp, attempt: u32) -> Result<Vec<Event>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    if run.attempt != attempt || run.next_auto_rerun().is_none() {
        return Ok(Vec::new());
    }
    begin(state, run, now, run.trigger().actor.clone(), &RerunScope::Failed, true)
}

fn begin(
    state: &State,
    run: &Run,
    now: Timestamp,
    by: UserName,
    scope: &RerunScope,
    by_itself: bool,
) -> Result<Vec<Event>, Refused> {
    let jobs = resets(run, scope)?;
    let mut draft = Draft::of(state, now);
    draft.push(Event::RerunStarted { at: now, by, attempt: run.attempt + 1, jobs, by_itself });
    // A run that goes on still has its place in its group; one that had ended asks anew.
    if run.conclusion().is_some() {
        draft.queue_run();
    }
    draft.due_all();
    Ok(draft.settle())
}

fn resets(run: &Run, scope: &RerunScope) -> Result<Vec<Reset>, Refused> {
    let again: Vec<usize> = match scope {
        RerunScope::All => (0..run.jobs.len()).collect(),
        RerunScope::Failed => (0..run.jobs.len()).filter(|&job| is_unsuccessful(&run.jobs[job])).collect(),
        RerunScope::Job(id) => {
            let unknown = || Refused::UnknownJob { run: run.id(), job: id.clone() };
            vec![run.fixed.graph.index(id).ok_or_else(unknown)?]
        }
    };
    if again.is_empty() {
        return Err(Refused::NothingFailed);
    }
    // CircleCI keeps every job that succeeded, though it needs one that failed, and the nodes of one job are no jobs of
    // their own ("Automatic workflow rerun behavior").
    let from_failed = *scope == RerunScope::Failed && run.plan().dialect == Dialect::Circleci;
    let named_waits = |job: &usize| matches!(run.jobs[*job].state, JobState::Waiting);
    let mut resets = Vec::new();
    for job in run.fixed.graph.with_dependents(again.iter().copied()) {
        let id = run.plan().jobs[job].id.clone();
        match run.jobs[job].state {
            JobState::Active { .. } => return Err(under_way(run, job)),
            JobState::Waiting
                if *scope == RerunScope::All || again.iter().any(|j| *j == job && named_waits(j)) =>
            {
                return Err(under_way(run, job));
            }
            JobState::Waiting => {}
            JobState::Ended { conclusion: Conclusion::Success, .. } if from_failed => {}
            JobState::Ended { .. } => {
                let only_failed = *scope == RerunScope::Failed && !from_failed && again.contains(&job);
                let instances = if only_failed { failed_instances(&run.jobs[job]) } else { None };
                resets.push(Reset { job: id, instances });
            }
        }
    }
    Ok(resets)
}

/// What is in the way of a job that has not ended: the gate that it waits at, itself or by what it needs, else its work.
fn under_way(run: &Run, job: usize) -> Refused {
    let id = &run.plan().jobs[job].id;
    let has_begun = matches!(run.jobs[job].state, JobState::Active { .. });
    let gate = run.waiting_gates().find(|gate| !has_begun || gate.instance.job == *id);
    match gate {
        Some(gate) => Refused::WaitsForApproval { job: gate.instance.job },
        None => Refused::StillRunning { job: id.clone() },
    }
}

fn is_unsuccessful(record: &JobRecord) -> bool {
    matches!(record.state.conclusion(), Some(Conclusion::Failure | Conclusion::Cancelled))
}

/// The combinations to run again, where some passed and are kept.
fn failed_instances(record: &JobRecord) -> Option<Vec<u32>> {
    let failed: Vec<u32> = (0u32..)
        .zip(&record.instances)
        .filter(|(_, instance)| {
            !matches!(instance.state, InstanceState::Ended { conclusion: Conclusion::Success, .. })
        })
        .map(|(index, _)| index)
        .collect();
    (!failed.is_empty() && failed.len() < record.instances.len()).then_some(failed)
}
