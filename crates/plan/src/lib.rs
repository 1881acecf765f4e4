//! The typed pipeline that both dialects lower to. Pure: no YAML, no JSON maps.
//!
//! What a service decides late (conditions, matrices, names with `${{ }}`) stays an [`Expression`] or a
//! [`Template`] here; `engine` and `runner` decide it when its inputs are known.

mod action;
mod called;
mod combinations;
mod container;
mod gate;
mod github;
mod job;
mod late;
mod lock;
mod matrix;
mod workflow;

pub use action::{
    Action, ActionReference, Background, CacheWhen, Reruns, RunScript, Step, StepCondition, UsesAction,
};
pub use called::{Called, Combination};
pub use combinations::{MAX_COMBINATIONS, combination_name};
pub use container::{Container, Credentials, Service};
pub use gate::{Gate, GateKind};
pub use github::GithubFacts;
pub use job::{Call, Executor, Job, JobCondition, MachineImage, Need, SecretsPassed, StepsJob, Work};
pub use late::{EnvEntry, Late, Named};
pub use lock::{ActionLock, NoRemoteSource, RemoteSource};
pub use matrix::{Axis, Matrix, Strategy};
pub use sluice_expression::{Expression, Template, Value};
pub use workflow::{Concurrency, Defaults, Dialect, Permissions, Plan};
