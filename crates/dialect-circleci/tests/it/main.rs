#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; tests read files and clocks"
)]
mod compile;
mod conformance;
mod errors;
mod hostile;
mod plan;
mod select;
mod support;
