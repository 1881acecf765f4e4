use super::{Event, Group, Place};

/// Takes one stored event into the state. Total: an event that fits nothing changes nothing but the count.
pub fn fold(group: &mut Group, event: &Event) {
    group.sequence += 1;
    match event {
        Event::Queued { at, ticket, policy } => {
            let (ticket, policy, since) = (ticket.clone(), *policy, *at);
            group.waiting.push_back(Place { ticket, policy, since, is_stopping: false });
        }
        Event::Entered { at, ticket, policy } => {
            group.waiting.retain(|place| place.ticket != *ticket);
            let (ticket, policy, since) = (ticket.clone(), *policy, *at);
            group.holder = Some(Place { ticket, policy, since, is_stopping: false });
        }
        Event::TurnedAway { ticket, .. } => group.waiting.retain(|place| place.ticket != *ticket),
        Event::HolderStopped { ticket, .. } => {
            if let Some(holder) = group.holder.as_mut().filter(|holder| holder.ticket == *ticket) {
                holder.is_stopping = true;
            }
        }
        Event::Left { ticket, .. } => {
            group.waiting.retain(|place| place.ticket != *ticket);
            group.holder.take_if(|holder| holder.ticket == *ticket);
        }
    }
}
