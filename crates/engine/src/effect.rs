use serde::{Deserialize, Serialize};
use sluice_model::{AgentId, Conclusion, InstanceId};
use sluice_plan::GateKind;

use crate::group::{GroupKey, Policy, Ticket};
use crate::{Event, InstanceState, State, fold};

/// What the world has to do about an event. Performed at least once, with the event's number as the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Put the job before the agents; the one that takes it answers with `Lease`.
    OfferJob { instance: InstanceId, attempt: u32, fencing_token: u64 },
    /// Tell the agent to stop; the runner still reports.
    CancelJob { instance: InstanceId, agent: AgentId, fencing_token: u64 },
    /// Look the gate up in the policy. `OpenGate` with `GateOpener::Policy` where nobody has to decide (an
    /// environment without a gate); otherwise nothing, until a person does.
    AskGate { instance: InstanceId, name: String, gate: GateKind },
    /// Ask the group for a place; its answer is `Admit` or `TurnAway`. Nothing where the run does not want it any more.
    JoinGroup { group: GroupKey, ticket: Ticket, policy: Policy },
    /// Give the place back, or stop waiting for it.
    LeaveGroup { group: GroupKey, ticket: Ticket },
    /// The run is over: report it, and perhaps make a release of it.
    ConcludeRun { attempt: u32, conclusion: Conclusion },
    /// The run failed, and is to begin again from there: `RerunByItself`.
    RerunRun { attempt: u32 },
}

/// What follows from `event`, which `state` has folded as its last. Never asked on replay.
pub fn effects(state: &State, event: &Event) -> Vec<Effect> {
    let Some(run) = state.run() else { return Vec::new() };
    match event {
        Event::JobOffered { instance, attempt, .. } => vec![Effect::OfferJob {
            instance: instance.clone(),
            attempt: *attempt,
            fencing_token: state.sequence(),
        }],
        Event::JobCancelRequested { instance, .. } => match run.instance(instance).map(|i| &i.state) {
            Some(InstanceState::Leased { agent, fencing_token, .. }) => vec![Effect::CancelJob {
                instance: instance.clone(),
                agent: agent.clone(),
                fencing_token: *fencing_token,
            }],
            _ => Vec::new(),
        },
        Event::GateWaiting { instance, name, gate, .. } => {
            vec![Effect::AskGate { instance: instance.clone(), name: name.clone(), gate: *gate }]
        }
        Event::RunQueued { .. } => run.group().map(|place| run.join(place, None)).into_iter().collect(),
        Event::JobQueued { instance, .. } => {
            let place = run.instance(instance).and_then(|found| found.group.as_ref());
            place.map(|place| run.join(place, Some(instance.clone()))).into_iter().collect()
        }
        Event::InstanceEnded { instance, .. } => {
            let place = run.instance(instance).and_then(|found| found.group.as_ref());
            place.map(|place| run.leave(place, Some(instance.clone()))).into_iter().collect()
        }
        Event::CallStarted { call, .. } => {
            let place = run.fixed.calls.index(call).and_then(|call| run.calls[call].place());
            place.map(|place| run.join(place, Some(InstanceId::new(call.clone(), 0)))).into_iter().collect()
        }
        Event::JobEnded { job, .. } => {
            let calls = run.fixed.graph.index(job).map_or(&[][..], |job| run.fixed.calls.around(job));
            let ended = calls.iter().rev().filter(|call| run.call_has_ended(**call));
            let leave = |&call: &usize| {
                let holder = InstanceId::new(run.plan().calls[call].id.clone(), 0);
                run.calls[call].place().map(|place| run.leave(place, Some(holder)))
            };
            ended.filter_map(leave).collect()
        }
        Event::RunEnded { conclusion, .. } => {
            let leave = run.group().map(|place| run.leave(place, None));
            let attempt = run.attempt();
            let next = match run.next_auto_rerun() {
                Some(_) => Effect::RerunRun { attempt },
                None => Effect::ConcludeRun { attempt, conclusion: *conclusion },
            };
            leave.into_iter().chain([next]).collect()
        }
        Event::RunCreated { .. }
        | Event::JobStarted { .. }
        | Event::GateOpened { .. }
        | Event::GateRejected { .. }
        | Event::JobLeased { .. }
        | Event::LeaseRenewed { .. }
        | Event::LeaseLost { .. }
        | Event::RunAdmitted { .. }
        | Event::JobAdmitted { .. }
        | Event::CallAdmitted { .. }
        | Event::CallStopped { .. }
        | Event::RunSuperseded { .. }
        | Event::CancelRequested { .. }
        | Event::RerunStarted { .. } => Vec::new(),
    }
}

/// Folds a new event and gives its effects: the order that [`effects`] asks for.
pub fn apply(state: &mut State, event: &Event) -> Vec<Effect> {
    fold(state, event);
    effects(state, event)
}
