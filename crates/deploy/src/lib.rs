//! Rollouts on the host and in Docker: start beside, await, check, switch, verify, drain. Never decides whether.

mod failure;
mod images;
mod progress;
mod spec;

pub use failure::{Drift, LedgerError, RolloutFailed};
pub use images::{ImageProcess, Images, PullSource};
pub use progress::{Progress, RolloutReport, ServiceReport};
pub use spec::{EnvValue, ImageRef, RolloutKey, RolloutLimits, RolloutSpec, ServiceSpec, Target};
