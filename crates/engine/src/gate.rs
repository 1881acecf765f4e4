use serde::{Deserialize, Serialize};
use sluice_model::{Conclusion, InstanceId, Timestamp, UserName};

use crate::draft::{Draft, place};
use crate::{Event, InstanceState, Refused, State};

/// Who or what opened a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOpener {
    Person(UserName),
    /// Nobody had to decide; the text says why: "environment `dev` asks for no approval".
    Policy(String),
}

pub(crate) fn open(
    state: &State,
    now: Timestamp,
    instance: InstanceId,
    by: GateOpener,
) -> Result<Vec<Event>, Refused> {
    let place = place(state, &instance)?;
    match &place.instance.state {
        InstanceState::Gated { .. } => {
            let mut draft = Draft::of(state, now);
            draft.push(Event::GateOpened { at: now, instance, by });
            draft.due(place.job);
            Ok(draft.settle())
        }
        _ => match &place.instance.gate {
            None => Err(Refused::NoGate { instance }),
            Some(gate) if gate.opened.is_some() => Ok(Vec::new()),
            Some(gate) if gate.rejected.is_some() => Err(Refused::GateDecided { instance }),
            Some(_) => Err(Refused::NoGate { instance }),
        },
    }
}

pub(crate) fn reject(
    state: &State,
    now: Timestamp,
    instance: InstanceId,
    by: UserName,
    reason: Option<String>,
) -> Result<Vec<Event>, Refused> {
    let place = place(state, &instance)?;
    match &place.instance.state {
        InstanceState::Gated { .. } => {
            let mut draft = Draft::of(state, now);
            let problem = match &reason {
                Some(reason) => format!("rejected by {by}: {reason}"),
                None => format!("rejected by {by}"),
            };
            draft.push(Event::GateRejected { at: now, instance: instance.clone(), by, reason });
            draft.end_instance(instance, Conclusion::Failure, Some(problem));
            draft.due(place.job);
            Ok(draft.settle())
        }
        _ => match &place.instance.gate {
            None => Err(Refused::NoGate { instance }),
            Some(gate) if gate.rejected.is_some() => Ok(Vec::new()),
            Some(gate) if gate.opened.is_some() => Err(Refused::GateDecided { instance }),
            Some(_) => Err(Refused::NoGate { instance }),
        },
    }
}
