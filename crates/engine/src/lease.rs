use std::collections::BTreeMap;

use sluice_model::{AgentId, Conclusion, InstanceId, Timestamp};

use crate::draft::{Draft, place};
use crate::{Event, InstanceState, LeaseLoss, Refused, State};

/// A job whose agent is lost this often fails instead of being offered again.
///
/// So many that a server that is killed again and again while it is tried out still gets its jobs done.
pub const MAX_LOST_LEASES: u32 = 12;

pub(crate) struct Report {
    pub(crate) conclusion: Conclusion,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) problem: Option<String>,
}

pub(crate) fn lease(
    state: &State,
    now: Timestamp,
    instance: InstanceId,
    presented: u64,
    agent: AgentId,
    until: Timestamp,
) -> Result<Vec<Event>, Refused> {
    match &place(state, &instance)?.instance.state {
        InstanceState::Offered { fencing_token, .. } if *fencing_token == presented => {
            Ok(vec![Event::JobLeased { at: now, instance, agent, until }])
        }
        InstanceState::Leased { fencing_token, agent: holder, .. } if *fencing_token == presented => {
            if *holder == agent {
                Ok(Vec::new())
            } else {
                Err(Refused::Taken { instance })
            }
        }
        _ => Err(Refused::StaleToken { instance, presented }),
    }
}

pub(crate) fn renew(
    state: &State,
    now: Timestamp,
    instance: InstanceId,
    presented: u64,
    renewed: Timestamp,
) -> Result<Vec<Event>, Refused> {
    match &place(state, &instance)?.instance.state {
        InstanceState::Leased { fencing_token, until, .. } if *fencing_token == presented => {
            if renewed <= *until {
                return Ok(Vec::new());
            }
            Ok(vec![Event::LeaseRenewed { at: now, instance, until: renewed }])
        }
        _ => Err(Refused::StaleToken { instance, presented }),
    }
}

pub(crate) fn finish(
    state: &State,
    now: Timestamp,
    instance: InstanceId,
    presented: u64,
    report: Report,
) -> Result<Vec<Event>, Refused> {
    let place = place(state, &instance)?;
    match &place.instance.state {
        InstanceState::Leased { fencing_token, .. } if *fencing_token == presented => {
            let Report { conclusion, outputs, problem } = report;
            let mut draft = Draft::of(state, now);
            draft.push(Event::InstanceEnded { at: now, instance, conclusion, outputs, problem });
            draft.due(place.job);
            Ok(draft.settle())
        }
        // The same report once more, for its first answer was lost on the way.
        InstanceState::Ended { fencing_token: Some(token), .. } if *token == presented => Ok(Vec::new()),
        _ => Err(Refused::StaleToken { instance, presented }),
    }
}

pub(crate) fn agent_lost(state: &State, now: Timestamp, lost: &AgentId) -> Result<Vec<Event>, Refused> {
    lose(state, now, LeaseLoss::AgentLost, |agent, _| agent == lost)
}

pub(crate) fn expire(state: &State, now: Timestamp) -> Result<Vec<Event>, Refused> {
    lose(state, now, LeaseLoss::Expired, |_, until| until <= now)
}

fn lose(
    state: &State,
    now: Timestamp,
    loss: LeaseLoss,
    is_lost: impl Fn(&AgentId, Timestamp) -> bool,
) -> Result<Vec<Event>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    let lost: Vec<(InstanceId, AgentId, bool)> = run
        .instances()
        .filter_map(|(id, instance)| match &instance.state {
            InstanceState::Leased { agent, until, cancel_requested, .. } if is_lost(agent, *until) => {
                Some((id, agent.clone(), *cancel_requested))
            }
            _ => None,
        })
        .collect();
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let mut draft = Draft::of(state, now);
    for (instance, agent, cancel_requested) in lost {
        draft.push(Event::LeaseLost { at: now, instance: instance.clone(), agent, loss });
        draft.after_lost_lease(instance, cancel_requested, MAX_LOST_LEASES);
    }
    Ok(draft.settle())
}
