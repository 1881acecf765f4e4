use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::Timestamp;

use super::{Policy, Ticket};

/// What happened in a group. Stored for ever: a spelling, once released, never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    Queued {
        at: Timestamp,
        ticket: Ticket,
        policy: Policy,
    },
    /// It holds the group now. One that had queued leaves the queue.
    Entered {
        at: Timestamp,
        ticket: Ticket,
        policy: Policy,
    },
    /// It waits no longer, or never did.
    TurnedAway {
        at: Timestamp,
        ticket: Ticket,
        why: TurnedAway,
    },
    /// The holder has to stop, for `by` came with `cancel-in-progress`.
    HolderStopped {
        at: Timestamp,
        ticket: Ticket,
        by: Ticket,
    },
    Left {
        at: Timestamp,
        ticket: Ticket,
    },
}

/// Why somebody does not get the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum TurnedAway {
    /// A newer one waits in its place.
    Replaced { by: Ticket },
    /// As many wait as may.
    Full,
    /// CircleCI's order protection: one of a later pipeline came first.
    Overtaken { by: Ticket },
    /// It waited as long as one may.
    TooLong,
}

/// Behind "it waited for the group `x`, but ".
impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { by } => write!(f, "{by} came later, and only the latest waits"),
            Self::Full => write!(f, "{} wait for it already, which is the most", super::MAX_WAITING),
            Self::Overtaken { by } => write!(f, "{by}, of a later pipeline, came first"),
            Self::TooLong => {
                write!(f, "did not get it within {} hours", super::MAX_SERIAL_WAIT_MS / 3_600_000)
            }
        }
    }
}
