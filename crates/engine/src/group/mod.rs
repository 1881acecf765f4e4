//! The machine of one concurrency group: who holds it, who waits for it and in which order.
//!
//! A group spans runs, so it is a machine beside theirs, with a stream of its own. A run asks for a place
//! ([`crate::Effect::JoinGroup`]), the group answers ([`Effect::Admit`], [`Effect::TurnAway`]), and the run gives the
//! place back when it has ended ([`crate::Effect::LeaveGroup`]).

mod command;
mod decide;
mod effect;
mod event;
mod fold;
mod key;
mod policy;
mod state;
mod ticket;

pub use command::Command;
pub use decide::{MAX_WAITING, decide};
pub use effect::{Effect, effects};
pub use event::{Event, TurnedAway};
pub use fold::fold;
pub use key::GroupKey;
pub use policy::{MAX_SERIAL_WAIT_MS, Policy};
pub use state::{Group, Place};
pub use ticket::Ticket;
