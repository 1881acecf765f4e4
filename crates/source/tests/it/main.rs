#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; tests read files and clocks"
)]
mod hostile;
mod load;
mod render;
mod words;
