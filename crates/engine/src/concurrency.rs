use serde::{Deserialize, Serialize};
use sluice_model::{InstanceId, Timestamp};
use sluice_plan::{Concurrency, Dialect, Value};

use crate::context::Contexts;
use crate::draft::{Draft, place};
use crate::group::{GroupKey, Policy, Ticket, TurnedAway};
use crate::{Effect, Event, InstanceState, Refused, Run, RunStatus, State};

/// The longest name of a group, once its expressions are decided (GitHub: "must be less than 400 characters";
/// CircleCI's configuration reference has 512 for `serial-group`, which the dialect checks).
pub const MAX_GROUP_NAME: usize = 512;

/// A concurrency group with everything decided: what a run or a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGroup {
    /// As the pipeline file spells it.
    pub name: String,
    pub key: GroupKey,
    pub policy: Policy,
}

/// A run's or a job's place in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    pub group: PlannedGroup,
    /// The number of the ticket that asked.
    pub ticket: u64,
    pub asked: Timestamp,
    /// When it got the group; none while it waits.
    pub admitted: Option<Timestamp>,
}

/// Somebody of this run who waits for a group.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingForGroup<'a> {
    pub group: &'a PlannedGroup,
    pub ticket: Ticket,
    pub since: Timestamp,
}

/// Decides a `concurrency:` with the names that its place may see.
pub(crate) fn planned(
    run: &Run,
    concurrency: &Concurrency,
    contexts: &Contexts<'_>,
) -> Result<PlannedGroup, String> {
    let name = contexts
        .text(&concurrency.group)
        .map_err(|error| format!("`concurrency.group` has no value: {error}"))?;
    if name.trim().is_empty() {
        return Err("`concurrency.group` is empty; give it a fallback (`github.head_ref || github.run_id`)"
            .to_owned());
    }
    let length = name.chars().count();
    if length > MAX_GROUP_NAME {
        return Err(format!(
            "`concurrency.group` has {length} characters; at most {MAX_GROUP_NAME} are taken"
        ));
    }
    let repository = &run.trigger().repository;
    if run.plan().dialect == Dialect::Circleci {
        let key = GroupKey::of_owner(repository.owner(), &name);
        return Ok(PlannedGroup {
            name,
            key,
            policy: Policy::Serial { pipeline: run.fixed.create.pipeline },
        });
    }
    let cancel_in_progress = contexts
        .late(&concurrency.cancel_in_progress, |value: &Value| Some(value.is_truthy()), "a boolean")
        .map_err(|error| format!("`concurrency.cancel-in-progress` has no value: {error}"))?;
    let policy = match concurrency.keep_all_pending {
        // GitHub refuses the pair of constants when it reads the file; of an expression it can only be told here.
        true if cancel_in_progress => {
            return Err("`concurrency` has `queue: max` and a `cancel-in-progress` that is true".to_owned());
        }
        true => Policy::Queue,
        false => Policy::Replace { cancel_in_progress },
    };
    Ok(PlannedGroup { key: GroupKey::of_repository(repository, &name), name, policy })
}

pub(crate) fn admit(
    state: &State,
    now: Timestamp,
    instance: Option<InstanceId>,
    ticket: u64,
) -> Result<Vec<Event>, Refused> {
    let asked = group_place(state, instance.as_ref())?.filter(|place| place.ticket == ticket);
    let Some(asked) = asked else { return Err(Refused::StaleTicket { ticket }) };
    if asked.admitted.is_some() {
        return Ok(Vec::new());
    }
    let mut draft = Draft::of(state, now);
    match instance {
        None => {
            draft.push(Event::RunAdmitted { at: now });
            draft.due_all();
        }
        Some(holder) if call_of(state, &holder).is_some() => draft.admit_call(holder.job),
        Some(instance) => {
            let job = place(state, &instance)?.job;
            draft.push(Event::JobAdmitted { at: now, instance });
            draft.due(job);
        }
    }
    Ok(draft.settle())
}

pub(crate) fn turn_away(
    state: &State,
    now: Timestamp,
    instance: Option<InstanceId>,
    ticket: u64,
    why: TurnedAway,
) -> Result<Vec<Event>, Refused> {
    let asked = group_place(state, instance.as_ref())?;
    let Some(asked) = asked.filter(|place| place.ticket == ticket && place.admitted.is_none()) else {
        return Err(Refused::StaleTicket { ticket });
    };
    let reason = format!("it waited for the group `{}`, but {why}", asked.group.name);
    Ok(stop(state, now, instance, reason, matches!(why, TurnedAway::Overtaken { .. })))
}

/// `cancel-in-progress`: whoever holds the group stops as if a person had cancelled it.
pub(crate) fn supersede(
    state: &State,
    now: Timestamp,
    instance: Option<InstanceId>,
    ticket: u64,
    by: &Ticket,
) -> Result<Vec<Event>, Refused> {
    let held = group_place(state, instance.as_ref())?.filter(|place| place.ticket == ticket);
    let Some(held) = held else { return Err(Refused::StaleTicket { ticket }) };
    let is_cancelling = state.run().is_some_and(Run::is_cancelling);
    if instance.is_none() && is_cancelling {
        return Ok(Vec::new());
    }
    let stopped = |call: usize| state.run().is_some_and(|run| run.calls[call].is_stopped());
    if instance.as_ref().and_then(|holder| call_of(state, holder)).is_some_and(stopped) {
        return Ok(Vec::new());
    }
    let reason = format!("{by} came, and the group `{}` cancels what is in progress", held.group.name);
    Ok(stop(state, now, instance, reason, false))
}

fn stop(
    state: &State,
    at: Timestamp,
    instance: Option<InstanceId>,
    reason: String,
    skip: bool,
) -> Vec<Event> {
    let mut draft = Draft::of(state, at);
    match instance {
        None => draft.cancel_run(Event::RunSuperseded { at, reason: reason.clone() }, &reason),
        Some(holder) if call_of(state, &holder).is_some() => draft.stop_call(&holder.job, &reason),
        Some(instance) => draft.stop_instance(instance, &reason, skip),
    }
    draft.settle()
}

/// The call that a ticket is for; none where it is for a job.
fn call_of(state: &State, holder: &InstanceId) -> Option<usize> {
    state.run().and_then(|run| run.fixed.calls.index(&holder.job))
}

fn group_place<'a>(
    state: &'a State,
    instance: Option<&InstanceId>,
) -> Result<Option<&'a GroupPlace>, Refused> {
    Ok(state.run().ok_or(Refused::NoRun)?.open_place(instance))
}

impl Run {
    /// The run's own place in a group; none where its workflow has none.
    pub fn group(&self) -> Option<&GroupPlace> {
        self.group.as_ref()
    }

    /// What of the run waits for a group: the run itself, calls of reusable workflows, or jobs.
    pub fn waiting_for_groups(&self) -> impl Iterator<Item = WaitingForGroup<'_>> {
        let whole = self.group.as_ref().filter(|_| matches!(self.status, RunStatus::Queued { .. }));
        let whole = whole.map(|place| (None, place));
        let jobs = self.instances().filter_map(|(id, instance)| match (&instance.state, &instance.group) {
            (InstanceState::Queued { .. }, Some(place)) => Some((Some(id), place)),
            _ => None,
        });
        let calls = self.call_places().filter(|(_, place)| place.admitted.is_none());
        let calls = calls.map(|(id, place)| (Some(id), place));
        whole.into_iter().chain(calls).chain(jobs).map(move |(instance, place)| WaitingForGroup {
            group: &place.group,
            ticket: self.ticket(place, instance),
            since: place.asked,
        })
    }

    /// The tickets of all places that have not been given back, each with its group.
    pub fn tickets(&self) -> Vec<(GroupKey, Ticket)> {
        let whole = self.group.as_ref().filter(|_| self.conclusion().is_none()).map(|place| (None, place));
        let jobs = self.instances().filter(|(_, instance)| !instance.state.is_ended());
        let jobs = jobs.filter_map(|(id, instance)| Some((Some(id), instance.group.as_ref()?)));
        let ticket = |(id, place): (Option<InstanceId>, &GroupPlace)| {
            (place.group.key.clone(), self.ticket(place, id))
        };
        let calls = self.call_places().map(|(id, place)| (Some(id), place));
        whole.into_iter().chain(calls).chain(jobs).map(ticket).collect()
    }

    /// Whether the ticket still stands for a place that the run waits for or has.
    pub fn wants(&self, ticket: &Ticket) -> bool {
        let place = self.open_place(ticket.instance.as_ref());
        ticket.run == self.id() && place.is_some_and(|place| place.ticket == ticket.number)
    }

    /// The place of the run, of a call or of one instance, that has not been given back; none where it has none.
    fn open_place(&self, instance: Option<&InstanceId>) -> Option<&GroupPlace> {
        match instance {
            None => self.group.as_ref().filter(|_| self.conclusion().is_none()),
            Some(id) if let Some(call) = self.fixed.calls.index(&id.job) => {
                self.calls[call].place().filter(|_| !self.call_has_ended(call))
            }
            Some(id) => self.instance(id).filter(|instance| !instance.state.is_ended())?.group.as_ref(),
        }
    }

    pub(crate) fn join(&self, place: &GroupPlace, instance: Option<InstanceId>) -> Effect {
        let ticket = self.ticket(place, instance);
        Effect::JoinGroup { group: place.group.key.clone(), ticket, policy: place.group.policy }
    }

    pub(crate) fn leave(&self, place: &GroupPlace, instance: Option<InstanceId>) -> Effect {
        Effect::LeaveGroup { group: place.group.key.clone(), ticket: self.ticket(place, instance) }
    }

    fn ticket(&self, place: &GroupPlace, instance: Option<InstanceId>) -> Ticket {
        Ticket {
            run: self.id(),
            number: place.ticket,
            instance,
            repository: self.trigger().repository.clone(),
            run_number: self.number(),
        }
    }
}
