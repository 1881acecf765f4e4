//! Executes one job: on the host or in Docker. Never decides what is next.

mod action_images;
mod action_store;
mod checkout;
mod circleci;
mod config;
mod depot;
mod exec;
mod github;
mod job;
mod kept;
mod leavings;
mod linux;
mod log;
mod place;
#[path = "../agent/protocol.rs"]
#[allow(dead_code, reason = "each side uses its half")]
mod protocol;
mod runner;
mod runtime;
#[path = "../agent/search_path.rs"]
mod search_path;
mod session;
mod short_names;
mod support;
mod sweep;
mod test_results;

pub use action_images::{UnusedError, remove_action_images, remove_unused_action_images};
pub use action_store::{ActionSource, ActionStore, ActionStoreError};
pub use circleci::{JUnitError, TestReport, parse_junit};
pub use config::{CancelGrace, ChosenExecutor, ExecutorChoice, ExecutorKind, ImageMap, RunnerConfig};
pub use github::{FileCommandError, is_built_in, parse_file_commands};
pub use job::SET_UP;
pub use kept::{JobStop, Kept, KeptContainer, KeptVariable, OnFailure};
pub use runner::{Runner, RunnerError, Swept};
pub use support::unsupported;
