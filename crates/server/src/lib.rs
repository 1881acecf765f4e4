//! Composition root: routes, background loops, courier of effects. Holds no rule.

mod accounts;
mod agent;
mod app;
mod change;
mod clock;
mod courier;
mod deliveries;
mod garbage;
mod gates;
mod groups;
mod http;
mod image_claims;
mod images;
pub mod local;
mod log;
mod missing;
mod options;
mod performer;
mod planning;
mod policy;
mod present;
mod provenance;
mod record;
mod refusal;
mod releasing;
mod repository;
mod rollouts;
mod runs;
mod scrub;
mod serve;
mod signing;
mod stream;
mod teardown;

pub use options::{Options, RegistryOptions};
pub use serve::{Server, serve};
pub use teardown::teardown;
