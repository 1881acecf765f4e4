use sluice_engine::{self as engine, Instance, InstanceState, JobRecord, Run, RunStatus};
use sluice_model::{Conclusion, InstanceId, JobId, Timestamp};
use sluice_plan::Job;
use sluice_wire::{JobState, JobSummary, QueuedFor, RunState, RunSummary, WaitingOn};

use crate::record::RunRecord;

/// A run as lists show it. The environments of its gates are filled in where the policy is known, and who holds
/// the groups that it waits for where the groups are.
pub(crate) fn summary(run: &Run) -> RunSummary {
    let trigger = run.trigger();
    let waiting = run.waiting_gates().map(|gate| WaitingOn {
        job: gate.instance.job.clone(),
        gate: gate.name.to_owned(),
        since: gate.since,
        environment: None,
    });
    let queued = run.waiting_for_groups().map(|waiting| QueuedFor {
        job: waiting.ticket.instance,
        group: waiting.group.name.clone(),
        since: waiting.since,
        holder: None,
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
            RunStatus::Queued { .. } | RunStatus::Running | RunStatus::Cancelling { .. } => None,
        },
        waiting: waiting.collect(),
        queued: queued.collect(),
        problem: problem(run),
    }
}

/// The text that the list of runs keeps.
pub(crate) fn summary_json(run: &Run) -> String {
    RunRecord { summary: summary(run), diagnostics: Vec::new() }.text()
}

fn state(run: &Run) -> RunState {
    match run.status() {
        RunStatus::Ended { conclusion: Conclusion::Success | Conclusion::Skipped, .. } => RunState::Success,
        RunStatus::Ended { conclusion: Conclusion::Failure, .. } => RunState::Failure,
        RunStatus::Ended { conclusion: Conclusion::Cancelled, .. } => RunState::Cancelled,
        RunStatus::Cancelling { .. } => RunState::Cancelling,
        RunStatus::Queued { .. } => RunState::Queued,
        RunStatus::Running => {
            let is_busy = run.instances().any(|(_, instance)| {
                matches!(instance.state, InstanceState::Offered { .. } | InstanceState::Leased { .. })
            });
            let waits = run.waiting_gates().next().is_some();
            let is_queued = run.waiting_for_groups().next().is_some();
            match (is_busy, waits, is_queued) {
                (false, true, _) => RunState::Waiting,
                (false, false, true) => RunState::Queued,
                (true, _, _) | (false, false, false) => RunState::Running,
            }
        }
    }
}

/// The first job that failed, and why where the runner said why; of a run that had to stop for another of its group,
/// which.
fn problem(run: &Run) -> Option<String> {
    let failed = run.instances().find_map(|(id, instance)| match &instance.state {
        InstanceState::Ended { conclusion: Conclusion::Failure, problem, .. } => Some(match problem {
            Some(problem) => format!("{id}: {problem}"),
            None => format!("{id} failed"),
        }),
        _ => None,
    });
    failed.or_else(|| run.superseded().map(str::to_owned))
}

/// The jobs of a run, each instance by itself; a job that has not started stands for its instances.
pub(crate) fn jobs(run: &Run) -> Vec<JobSummary> {
    run.jobs()
        .flat_map(|(job, record)| {
            let needs: Vec<_> = job.needs.iter().map(|need| need.job.clone()).collect();
            if record.instances.is_empty() {
                return vec![not_started(job, record, needs)];
            }
            let one = |(index, instance): (u32, &Instance)| {
                let (started, ended) = times(&instance.state);
                JobSummary {
                    instance: InstanceId::new(job.id.clone(), index),
                    name: instance.plan.name.clone(),
                    state: job_state(&instance.state),
                    attempt: instance.attempt,
                    started,
                    ended,
                    problem: match &instance.state {
                        InstanceState::Ended { problem, .. } => problem.clone(),
                        _ => None,
                    },
                    needs: needs.clone(),
                }
            };
            (0..).zip(&record.instances).map(one).collect()
        })
        .collect()
}

fn not_started(job: &Job, record: &JobRecord, needs: Vec<JobId>) -> JobSummary {
    let (state, ended, problem) = match &record.state {
        engine::JobState::Ended { conclusion, at, problem, .. } => {
            ((*conclusion).into(), Some(*at), problem.clone())
        }
        engine::JobState::Waiting | engine::JobState::Active { .. } => (JobState::Waiting, None, None),
    };
    JobSummary {
        instance: InstanceId::new(job.id.clone(), 0),
        name: job.id.to_string(),
        state,
        attempt: 0,
        started: None,
        ended,
        problem,
        needs,
    }
}

pub(crate) fn job_state(state: &InstanceState) -> JobState {
    match state {
        InstanceState::Held | InstanceState::Queued { .. } => JobState::Queued,
        InstanceState::Gated { .. } => JobState::Gated,
        InstanceState::Offered { .. } => JobState::Queued,
        InstanceState::Leased { .. } => JobState::Running,
        InstanceState::Ended { conclusion, .. } => (*conclusion).into(),
    }
}

/// When an agent took it, and when it ended.
pub(crate) fn times(state: &InstanceState) -> (Option<Timestamp>, Option<Timestamp>) {
    match state {
        InstanceState::Leased { since, .. } => (Some(*since), None),
        InstanceState::Ended { started, at, .. } => (*started, Some(*at)),
        InstanceState::Held
        | InstanceState::Queued { .. }
        | InstanceState::Gated { .. }
        | InstanceState::Offered { .. } => (None, None),
    }
}
