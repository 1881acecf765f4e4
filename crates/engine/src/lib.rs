//! The run machine: jobs, conditions, matrices, gates, leases, cancel, rerun. Pure: never any I/O, never a clock.
//!
//! [`decide`] says what happens when a [`Command`] comes, as [`Event`]s; [`fold`] takes an event into a [`State`];
//! [`effects`] says what the world has to do about a new event. The caller stores the events, and on a restart
//! folds them again without asking for effects.

mod assignment;
mod call_turns;
mod calls;
mod cancel;
mod command;
mod concurrency;
mod condition;
mod context;
mod create;
mod decide;
mod draft;
mod effect;
mod event;
mod expand;
mod fold;
mod gate;
mod graph;
pub mod group;
mod jobs;
mod lease;
mod name;
mod refused;
mod rerun;
mod state;
mod supported;

pub use assignment::{Assignment, NeedOutcome, assignment};
pub use command::{Command, Create, RerunScope};
pub use concurrency::{GroupPlace, MAX_GROUP_NAME, PlannedGroup, WaitingForGroup};
pub use decide::decide;
pub use effect::{Effect, apply, effects};
pub use event::{Event, InstancePlan, LeaseLoss, PlannedGate, Reset};
pub use fold::fold;
pub use gate::GateOpener;
pub use lease::MAX_LOST_LEASES;
pub use refused::Refused;
pub use state::{
    GateRecord, Instance, InstanceState, JobRecord, JobState, Offer, Run, RunStatus, State, WaitingGate,
};
pub use supported::{MAX_JOBS, unsupported};
