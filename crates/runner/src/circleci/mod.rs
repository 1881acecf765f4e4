//! How a CircleCI job runs: environment, shells, workspaces, caches, test results.

mod cache_key;
mod environment;
mod job;
mod junit;
mod results;
mod script;
mod ssh_keys;
mod steps;
mod storage;
mod timings;
mod xml;

pub use job::{prepare, run};
pub use junit::{JUnitError, TestReport, parse_junit};
