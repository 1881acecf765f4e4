#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; tests read files and clocks"
)]
mod access;
mod escaping;
mod limits;
mod live;
mod sample;
mod scripts;
mod snapshots;
