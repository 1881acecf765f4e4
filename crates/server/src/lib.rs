//! Composition root: routes, background loops, courier of effects. Holds no rule.

mod agent;
mod change;
mod clock;
mod courier;
pub mod local;
mod log;
mod present;
mod runs;
mod stream;
