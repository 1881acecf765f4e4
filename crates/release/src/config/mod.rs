//! `sluice.yaml`: what may stand in it (`keys`), how it is read, and what it becomes (`model`).

mod environment;
mod keys;
mod model;
mod parse;
mod reader;
mod registry;
mod schema;
mod service;
mod words;

pub use model::{
    ApprovalRule, Config, Environment, Freeze, ReleaseRule, RetentionRule, Service, Target, Variable,
    VariableKind, WeekTime,
};
pub use parse::{FILE_NAME, Parsed, parse};
pub use schema::schema;
