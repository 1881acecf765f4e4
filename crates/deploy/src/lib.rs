//! Rollouts on the host and in Docker: start beside, await, check, switch, verify, drain. Never decides whether.

mod containers;
mod deployer;
mod environment;
mod failure;
mod host;
mod image_folder;
mod images;
mod instances;
mod ledger;
mod order;
mod probe;
mod process;
mod progress;
mod record;
mod rollout;
mod routes;
mod spec;
mod watch;

pub use deployer::{Deployer, DeployerOptions, EnvironmentStatus, InstanceStatus, ReleaseStatus};
pub use failure::{Drift, LedgerError, RolloutFailed};
pub use images::{ImageProcess, Images, PullSource};
pub use progress::{Progress, RolloutReport, ServiceReport};
pub use spec::{EnvValue, ImageRef, RolloutKey, RolloutLimits, RolloutSpec, ServiceSpec, Target};
