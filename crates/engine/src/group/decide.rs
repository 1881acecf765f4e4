use std::convert::Infallible;

use sluice_model::Timestamp;

use super::{Command, Event, Group, MAX_SERIAL_WAIT_MS, Place, Policy, Ticket, TurnedAway};

/// The most that wait for one group under `queue: max` (GitHub, "Workflow syntax", `concurrency`).
pub const MAX_WAITING: usize = 100;

/// What `command` leads to at `now`. No events: what it asks for is so already. A group refuses nothing.
pub fn decide(group: &Group, now: Timestamp, command: Command) -> Result<Vec<Event>, Infallible> {
    Ok(match command {
        Command::Join { ticket, .. } if group.knows(&ticket) => Vec::new(),
        Command::Join { ticket, policy } => join(group, now, ticket, policy),
        Command::Leave { ticket } => leave(group, now, ticket),
        Command::Expire { ticket } => expire(group, now, ticket),
    })
}

fn join(group: &Group, at: Timestamp, ticket: Ticket, policy: Policy) -> Vec<Event> {
    let mut events = Vec::new();
    match policy {
        Policy::Replace { cancel_in_progress } => {
            for place in &group.waiting {
                let why = TurnedAway::Replaced { by: ticket.clone() };
                events.push(Event::TurnedAway { at, ticket: place.ticket.clone(), why });
            }
            if let Some(holder) = group.holder.as_ref().filter(|holder| !holder.is_stopping)
                && cancel_in_progress
            {
                events.push(Event::HolderStopped { at, ticket: holder.ticket.clone(), by: ticket.clone() });
            }
        }
        Policy::Queue if group.waiting.len() >= MAX_WAITING => {
            return vec![Event::TurnedAway { at, ticket, why: TurnedAway::Full }];
        }
        Policy::Queue => {}
        Policy::Serial { pipeline } => {
            if let Some(later) = later_pipeline(group, &ticket, pipeline) {
                let why = TurnedAway::Overtaken { by: later.ticket.clone() };
                return vec![Event::TurnedAway { at, ticket, why }];
            }
        }
    }
    events.push(match group.holder {
        Some(_) => Event::Queued { at, ticket, policy },
        None => Event::Entered { at, ticket, policy },
    });
    events
}

fn later_pipeline<'a>(group: &'a Group, ticket: &Ticket, own: u64) -> Option<&'a Place> {
    let is_later = |place: &&Place| {
        place.ticket.repository == ticket.repository
            && matches!(place.policy, Policy::Serial { pipeline } if pipeline > own)
    };
    group.holder.iter().chain(&group.waiting).find(is_later)
}

fn leave(group: &Group, at: Timestamp, ticket: Ticket) -> Vec<Event> {
    if !group.knows(&ticket) {
        return Vec::new();
    }
    let was_holder = group.is_held_by(&ticket);
    let mut events = vec![Event::Left { at, ticket }];
    if let Some(next) = group.waiting.front().filter(|_| was_holder) {
        events.push(Event::Entered { at, ticket: next.ticket.clone(), policy: next.policy });
    }
    events
}

fn expire(group: &Group, at: Timestamp, ticket: Ticket) -> Vec<Event> {
    let has_expired = |place: &Place| {
        place.ticket == ticket
            && matches!(place.policy, Policy::Serial { .. })
            && at >= place.since.plus_ms(MAX_SERIAL_WAIT_MS)
    };
    match group.waiting.iter().any(has_expired) {
        true => vec![Event::TurnedAway { at, ticket, why: TurnedAway::TooLong }],
        false => Vec::new(),
    }
}
