use sluice_engine::{InstanceState, Run, RunStatus};
use sluice_model::Conclusion;
use sluice_wire::{RunState, RunSummary, WaitingOn};

/// A run as lists show it. The environments of its gates are filled in where the policy is known.
pub(crate) fn summary(run: &Run) -> RunSummary {
    let trigger = run.trigger();
    let waiting = run.waiting_gates().map(|gate| WaitingOn {
        job: gate.instance.job.clone(),
        gate: gate.name.to_owned(),
        since: gate.since,
        environment: None,
    });
    RunSummary {
        repository: trigger.repository.clone(),
        number: run.number(),
        workflow: run.plan().workflow.clone(),
        file: run.plan().file.clone(),
        title: run.title().to_owned(),
        event: trigger.event,
        git_ref: trigger.git_ref.clone(),
        sha: trigger.sha.clone(),
        actor: trigger.actor.clone(),
        state: state(run),
        attempt: run.attempt(),
        created: run.created(),
        ended: match run.status() {
            RunStatus::Ended { at, .. } => Some(*at),
            RunStatus::Running | RunStatus::Cancelling { .. } => None,
        },
        waiting: waiting.collect(),
        problem: problem(run),
    }
}

/// The text that the list of runs keeps.
pub(crate) fn summary_json(run: &Run) -> String {
    // A struct of strings and numbers always has a JSON text.
    serde_json::to_string(&summary(run)).unwrap_or_default()
}

fn state(run: &Run) -> RunState {
    match run.status() {
        RunStatus::Ended { conclusion: Conclusion::Success | Conclusion::Skipped, .. } => RunState::Success,
        RunStatus::Ended { conclusion: Conclusion::Failure, .. } => RunState::Failure,
        RunStatus::Ended { conclusion: Conclusion::Cancelled, .. } => RunState::Cancelled,
        RunStatus::Cancelling { .. } => RunState::Cancelling,
        RunStatus::Running => {
            let is_busy = run.instances().any(|(_, instance)| {
                matches!(instance.state, InstanceState::Offered { .. } | InstanceState::Leased { .. })
            });
            let waits = run.waiting_gates().next().is_some();
            if waits && !is_busy { RunState::Waiting } else { RunState::Running }
        }
    }
}

/// The first job that failed, and why where the runner said why.
fn problem(run: &Run) -> Option<String> {
    run.instances().find_map(|(id, instance)| match &instance.state {
        InstanceState::Ended { conclusion: Conclusion::Failure, problem, .. } => Some(match problem {
            Some(problem) => format!("{id}: {problem}"),
            None => format!("{id} failed"),
        }),
        _ => None,
    })
}
