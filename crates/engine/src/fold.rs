use std::sync::Arc;

use sluice_model::{Conclusion, InstanceId, JobId, Timestamp};

use crate::calls::{CallMap, CallState};
use crate::context::github_context;
use crate::graph::Graph;
use crate::jobs::Jobs;
use crate::state::{Chain, Fixed};
use crate::{
    Create, Event, GateRecord, GroupPlace, Instance, InstancePlan, InstanceState, JobRecord, JobState, Reset,
    Run, RunStatus, State,
};

/// Takes one stored event into the state. Total: an event that fits nothing (an older or damaged log) changes nothing
/// but the count.
pub fn fold(state: &mut State, event: &Event) {
    state.sequence += 1;
    let sequence = state.sequence;
    if let Event::RunCreated { at, create, title } = event {
        state.run = Some(created(*at, create, title));
        return;
    }
    let Some(run) = &mut state.run else { return };
    match event {
        Event::RunCreated { .. } => {}
        Event::RunQueued { at, group } => {
            let place = GroupPlace { group: group.clone(), ticket: sequence, asked: *at, admitted: None };
            run.group = Some(place);
            run.status = RunStatus::Queued { since: *at };
        }
        Event::RunAdmitted { at } => {
            if let Some(place) = &mut run.group {
                place.admitted = Some(*at);
            }
            run.status = RunStatus::Running;
        }
        Event::JobQueued { at, instance } => {
            if let Some(found) = run.instance_mut(instance) {
                let place = |group| GroupPlace { group, ticket: sequence, asked: *at, admitted: None };
                found.group = found.plan.group.clone().map(place);
                found.state = InstanceState::Queued { since: *at };
            }
        }
        Event::JobAdmitted { at, instance } => {
            if let Some(found) = run.instance_mut(instance) {
                if let Some(place) = &mut found.group {
                    place.admitted = Some(*at);
                }
                found.state = InstanceState::Held;
            }
        }
        Event::CallStarted { at, call, group } => {
            run.change_call(call, |_| {
                let place = |group| GroupPlace { group, ticket: sequence, asked: *at, admitted: None };
                match group.clone().map(place) {
                    Some(place) => CallState::Queued { place },
                    None => CallState::Open { place: None },
                }
            });
        }
        Event::CallAdmitted { at, call } => run.change_call(call, |state| {
            let place = state.place().map(|place| GroupPlace { admitted: Some(*at), ..place.clone() });
            CallState::Open { place }
        }),
        Event::CallStopped { at: _, call, reason, force } => run.change_call(call, |state| {
            let place = state.place().cloned();
            CallState::Stopped { place, reason: reason.clone(), force: *force }
        }),
        Event::JobStarted { at, job, instances, fail_fast, max_parallel } => {
            if let Some(record) = run.record_mut(job) {
                record.state =
                    JobState::Active { since: *at, fail_fast: *fail_fast, max_parallel: *max_parallel };
                let before = record.offers_before;
                record.instances = instances.iter().cloned().map(|plan| held(plan, before)).collect();
            }
        }
        Event::GateWaiting { at, instance, name, gate } => {
            if let Some(found) = run.instance_mut(instance) {
                found.gate = Some(GateRecord {
                    name: name.clone(),
                    kind: *gate,
                    asked: *at,
                    opened: None,
                    rejected: None,
                });
                found.state = InstanceState::Gated { since: *at };
            }
        }
        Event::GateOpened { at, instance, by } => {
            if let Some(found) = run.instance_mut(instance) {
                if let Some(gate) = &mut found.gate {
                    gate.opened = Some((by.clone(), *at));
                }
                found.state = InstanceState::Held;
            }
        }
        Event::GateRejected { at, instance, by, reason: _ } => {
            if let Some(gate) = run.instance_mut(instance).and_then(|found| found.gate.as_mut()) {
                gate.rejected = Some((by.clone(), *at));
            }
        }
        Event::JobOffered { at, instance, attempt } => {
            if let Some(found) = run.instance_mut(instance) {
                found.attempt = *attempt;
                found.state = InstanceState::Offered { fencing_token: sequence, since: *at };
            }
        }
        Event::JobLeased { at, instance, agent, until } => {
            if let Some(found) = run.instance_mut(instance)
                && let InstanceState::Offered { fencing_token, .. } = found.state
            {
                found.state = InstanceState::Leased {
                    fencing_token,
                    agent: agent.clone(),
                    since: *at,
                    until: *until,
                    cancel_requested: false,
                };
            }
        }
        Event::LeaseRenewed { at: _, instance, until: renewed } => {
            if let Some(InstanceState::Leased { until, .. }) =
                run.instance_mut(instance).map(|found| &mut found.state)
            {
                *until = *renewed;
            }
        }
        Event::LeaseLost { at: _, instance, agent: _, loss: _ } => {
            if let Some(found) = run.instance_mut(instance) {
                found.lost_leases += 1;
                found.state = InstanceState::Held;
            }
        }
        Event::JobCancelRequested { at: _, instance, reason: _ } => {
            if let Some(InstanceState::Leased { cancel_requested, .. }) =
                run.instance_mut(instance).map(|found| &mut found.state)
            {
                *cancel_requested = true;
            }
        }
        Event::InstanceEnded { at, instance, conclusion, outputs, problem } => {
            if let Some(found) = run.instance_mut(instance) {
                let (started, fencing_token) = match found.state {
                    InstanceState::Leased { since, fencing_token, .. } => (Some(since), Some(fencing_token)),
                    _ => (None, None),
                };
                found.state = InstanceState::Ended {
                    conclusion: *conclusion,
                    outputs: outputs.clone(),
                    problem: problem.clone(),
                    started,
                    at: *at,
                    fencing_token,
                };
            }
        }
        Event::JobEnded { at, job, conclusion, outputs, problem } => {
            let chain = run.chain_of(job, *conclusion);
            if let Some(record) = run.record_mut(job) {
                let was_open = !record.state.is_ended();
                let (fail_fast, max_parallel) = match record.state {
                    JobState::Active { fail_fast, max_parallel, .. } => (fail_fast, max_parallel),
                    JobState::Waiting | JobState::Ended { .. } => (true, None),
                };
                record.state = JobState::Ended {
                    at: *at,
                    conclusion: *conclusion,
                    outputs: outputs.clone(),
                    problem: problem.clone(),
                    fail_fast,
                    max_parallel,
                    chain,
                };
                run.open_jobs -= usize::from(was_open);
            }
        }
        Event::CancelRequested { at, by: _, force } => {
            run.status = RunStatus::Cancelling { force: *force, since: *at };
        }
        Event::RunSuperseded { at, reason } => {
            let force = matches!(run.status, RunStatus::Queued { .. });
            run.superseded = Some(reason.clone());
            run.status = RunStatus::Cancelling { force, since: *at };
        }
        Event::RunEnded { at, conclusion } => {
            run.status = RunStatus::Ended { conclusion: *conclusion, at: *at };
        }
        Event::RerunStarted { at, by: _, attempt, jobs, by_itself } => {
            run.attempt = *attempt;
            run.auto_reruns += u32::from(*by_itself);
            run.attempt_began = *at;
            if matches!(run.status, RunStatus::Ended { .. }) {
                run.group = None;
            }
            run.superseded = None;
            run.status = RunStatus::Running;
            run.github = Arc::new(github_context(&run.fixed.create, *attempt));
            let ended: Vec<usize> = (0..run.calls.len()).filter(|&call| run.call_has_ended(call)).collect();
            for reset in jobs {
                run.reset(*at, reset);
            }
            run.reset_calls(&ended);
        }
    }
}

fn created(at: Timestamp, create: &Create, title: &str) -> Run {
    let graph = Graph::of(&create.plan);
    let calls = CallMap::of(&create.plan, |job| graph.index(job));
    let waiting = JobRecord { state: JobState::Waiting, instances: Vec::new(), offers_before: 0 };
    Run {
        github: Arc::new(github_context(create, 1)),
        attempt: 1,
        auto_reruns: 0,
        status: RunStatus::Running,
        group: None,
        superseded: None,
        jobs: Jobs::of(waiting, create.plan.jobs.len()),
        calls: Arc::new(vec![CallState::Waiting; create.plan.calls.len()]),
        open_jobs: create.plan.jobs.len(),
        attempt_began: at,
        fixed: Arc::new(Fixed { create: create.clone(), title: title.to_owned(), created: at, graph, calls }),
    }
}

fn held(plan: InstancePlan, attempt: u32) -> Instance {
    Instance { plan, attempt, lost_leases: 0, gate: None, group: None, state: InstanceState::Held }
}

impl Run {
    fn record_mut(&mut self, job: &JobId) -> Option<&mut JobRecord> {
        let index = self.fixed.graph.index(job)?;
        self.jobs.get_mut(index)
    }

    fn instance_mut(&mut self, id: &InstanceId) -> Option<&mut Instance> {
        self.record_mut(&id.job)?.instances.get_mut(id.index as usize)
    }

    fn change_call(&mut self, call: &JobId, change: impl FnOnce(&CallState) -> CallState) {
        let Some(index) = self.fixed.calls.index(call) else { return };
        if let Some(state) = Arc::make_mut(&mut self.calls).get_mut(index) {
            *state = change(state);
        }
    }

    /// Of a call that `ended` before jobs of it were taken back nothing is left; one that is under way goes on.
    fn reset_calls(&mut self, ended: &[usize]) {
        for call in 0..self.calls.len() {
            if self.call_has_ended(call) {
                continue;
            }
            let next = match &self.calls[call] {
                _ if ended.contains(&call) => CallState::Waiting,
                CallState::Stopped { place, .. } => CallState::Open { place: place.clone() },
                CallState::Waiting | CallState::Queued { .. } | CallState::Open { .. } => continue,
            };
            Arc::make_mut(&mut self.calls)[call] = next;
        }
    }

    fn chain_of(&self, job: &JobId, conclusion: Conclusion) -> Chain {
        let own = Chain {
            all_succeeded: conclusion == Conclusion::Success,
            any_failed: conclusion == Conclusion::Failure,
        };
        let Some(index) = self.fixed.graph.index(job) else { return own };
        let needs = self.chain_of_needs(index);
        Chain {
            all_succeeded: own.all_succeeded && needs.all_succeeded,
            any_failed: own.any_failed || needs.any_failed,
        }
    }

    /// How everything that the job needs, directly or not, ended.
    pub(crate) fn chain_of_needs(&self, job: usize) -> Chain {
        let mut chain = Chain { all_succeeded: true, any_failed: false };
        for &need in self.fixed.graph.needs(job) {
            match self.jobs[need].state {
                JobState::Ended { chain: needed, .. } => {
                    chain.all_succeeded &= needed.all_succeeded;
                    chain.any_failed |= needed.any_failed;
                }
                JobState::Waiting | JobState::Active { .. } => chain.all_succeeded = false,
            }
        }
        chain
    }

    fn reset(&mut self, at: Timestamp, reset: &Reset) {
        let Some(record) = self.record_mut(&reset.job) else { return };
        let was_ended = record.state.is_ended();
        match (&reset.instances, &record.state) {
            (Some(again), JobState::Ended { fail_fast, max_parallel, .. }) => {
                let (fail_fast, max_parallel) = (*fail_fast, *max_parallel);
                record.state = JobState::Active { since: at, fail_fast, max_parallel };
                for &index in again {
                    if let Some(instance) = record.instances.get_mut(index as usize) {
                        instance.lost_leases = 0;
                        instance.gate = None;
                        instance.group = None;
                        instance.state = InstanceState::Held;
                    }
                }
            }
            (Some(_), JobState::Waiting | JobState::Active { .. }) => return,
            (None, _) => {
                record.state = JobState::Waiting;
                let offers = record.instances.iter().map(|instance| instance.attempt).max();
                record.offers_before = record.offers_before.max(offers.unwrap_or(0));
                record.instances.clear();
            }
        }
        self.open_jobs += usize::from(was_ended);
    }
}
