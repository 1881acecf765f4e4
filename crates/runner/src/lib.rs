//! Executes one job: on the host or in Docker. Never decides what is next.

mod config;
mod runner;
mod support;

pub use config::{CancelGrace, ChosenExecutor, ExecutorChoice, ExecutorKind, ImageMap, RunnerConfig};
pub use runner::{Runner, RunnerError, Swept};
pub use support::unsupported;
