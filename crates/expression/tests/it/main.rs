#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; tests read files and clocks"
)]
mod conformance;
mod evaluation;
mod hostile;
mod round_trip;
mod templates;
