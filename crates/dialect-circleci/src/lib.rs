//! CircleCI configuration text to plans and diagnostics. Pure: never knows GitHub's dialect, never runs anything.

mod compile;
mod config;
mod emit;
mod executor;
mod expander;
mod expression;
mod filter;
mod flow;
mod job;
mod logic;
mod lower;
mod lower_step;
mod matrix;
mod names;
mod parameter;
mod read;
mod report;
mod scalar;
mod scope;
mod select;
mod steps;
mod substitute;
mod template;
mod values;
mod workflow;

pub use config::{Config, Schedule, Workflow};
pub use read::{Read, read};
pub use select::{LeftOut, Outcome, Selection};
pub use values::{PipelineValues, Value};
