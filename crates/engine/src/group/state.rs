use std::collections::VecDeque;

use sluice_model::Timestamp;

use super::{Policy, Ticket};

/// The fold of one group's log. Empty where nobody ever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    pub(crate) sequence: u64,
    pub(crate) holder: Option<Place>,
    pub(crate) waiting: VecDeque<Place>,
}

/// Somebody who holds the group or waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub ticket: Ticket,
    pub policy: Policy,
    /// Since when it holds the group, or waits.
    pub since: Timestamp,
    /// A newer one has asked it to stop.
    pub is_stopping: bool,
}

impl Group {
    /// How many events were folded.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    pub fn holder(&self) -> Option<&Place> {
        self.holder.as_ref()
    }
    /// In the order in which they get it.
    pub fn waiting(&self) -> impl Iterator<Item = &Place> {
        self.waiting.iter()
    }
    pub fn is_held_by(&self, ticket: &Ticket) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.ticket == *ticket)
    }
    /// It holds the group or waits for it.
    pub fn knows(&self, ticket: &Ticket) -> bool {
        self.is_held_by(ticket) || self.waiting.iter().any(|place| place.ticket == *ticket)
    }
}
