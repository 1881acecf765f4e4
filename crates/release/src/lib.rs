//! Releases, environments, gates, promotions and `sluice.yaml`. Pure: never any I/O, never a clock.
//!
//! One [`State`] a repository. [`decide`] says what happens when a [`Command`] comes, as [`Event`]s; [`fold`] takes an
//! event into the state; [`effects`] says what the world has to do about a new event, never on replay.

mod command;
mod config;
mod decide;
mod draft;
mod effect;
mod event;
mod fold;
mod freeze;
mod gate;
mod promotion;
mod record;
mod refused;
mod release;
mod rollback;
mod rollout;
mod run_gate;
mod state;
mod variables;
mod version;
mod views;

pub use command::{ApprovalSubject, Approver, Command, PushedImage, RecordRelease};
pub use config::{
    ApprovalRule, Config, Environment, FILE_NAME, Freeze, Parsed, ReleaseRule, RetentionRule, Service,
    Target, Variable, VariableKind, WeekTime, parse, schema,
};
pub use decide::decide;
pub use effect::{Effect, apply, effects};
pub use event::Event;
pub use fold::fold;
pub use gate::{Wait, waits};
pub use promotion::{Approval, Failure, Promotion, PromotionKind, PromotionState, Proposer, Settings};
pub use refused::Refused;
pub use release::{Origin, Release};
pub use rollout::{Rollout, rollout};
pub use run_gate::{RunGate, run_approvals, run_gate};
pub use state::{EnvironmentState, Hold, State};
pub use variables::{VariableProblem, resolve_variables};
pub use version::version_of;
pub use views::{Board, EnvironmentBoard, LiveRelease, WaitingPromotion, board, next_tick};
