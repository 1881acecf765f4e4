//! How a CircleCI job runs: environment, shells, workspaces, caches, test results.

mod cache_key;
mod environment;
mod job;
mod junit;
mod steps;

pub use job::{prepare, run};
pub use junit::{JUnitError, TestReport, parse_junit};
