use serde::{Deserialize, Serialize};
use sluice_model::Timestamp;

use super::{Event, Group, MAX_SERIAL_WAIT_MS, Policy, Ticket, TurnedAway};

/// What the ticket's run has to hear. Performed at least once, by whoever the run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// `Admit`. Where the run wants the place no longer, `Leave` follows.
    Admit {
        ticket: Ticket,
    },
    TurnAway {
        ticket: Ticket,
        why: TurnedAway,
    },
    /// `Supersede`. Where the ticket is an old one of the run, `Leave` follows.
    Stop {
        ticket: Ticket,
        by: Ticket,
    },
    /// `Expire` at this time, unless it has stopped waiting before.
    ExpireAt {
        ticket: Ticket,
        at: Timestamp,
    },
}

impl Effect {
    /// Whom it is about.
    pub fn ticket(&self) -> &Ticket {
        match self {
            Self::Admit { ticket }
            | Self::TurnAway { ticket, .. }
            | Self::Stop { ticket, .. }
            | Self::ExpireAt { ticket, .. } => ticket,
        }
    }
}

/// What follows from `event`, which `group` has folded as its last. Never asked on replay.
pub fn effects(_group: &Group, event: &Event) -> Vec<Effect> {
    match event {
        Event::Queued { at, ticket, policy: Policy::Serial { .. } } => {
            vec![Effect::ExpireAt { ticket: ticket.clone(), at: at.plus_ms(MAX_SERIAL_WAIT_MS) }]
        }
        Event::Queued { policy: Policy::Replace { .. } | Policy::Queue, .. } | Event::Left { .. } => {
            Vec::new()
        }
        Event::Entered { ticket, .. } => vec![Effect::Admit { ticket: ticket.clone() }],
        Event::TurnedAway { ticket, why, .. } => {
            vec![Effect::TurnAway { ticket: ticket.clone(), why: why.clone() }]
        }
        Event::HolderStopped { ticket, by, .. } => {
            vec![Effect::Stop { ticket: ticket.clone(), by: by.clone() }]
        }
    }
}
