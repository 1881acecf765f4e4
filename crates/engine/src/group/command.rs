use serde::{Deserialize, Serialize};

use super::{Policy, Ticket};

/// What is asked of a group. Each is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    Join {
        ticket: Ticket,
        policy: Policy,
    },
    /// The holder has ended, or somebody does not wait any longer.
    Leave {
        ticket: Ticket,
    },
    /// Time went by: one that has waited too long does not wait any longer.
    Expire {
        ticket: Ticket,
    },
}
