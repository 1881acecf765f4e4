//! What the pages show, for one viewer.

mod board;
mod gate;
mod images;
mod job;
mod release;
mod run;
mod runs;

pub(crate) use board::board;
pub(crate) use images::images;
pub(crate) use job::{job, log_lines};
pub(crate) use release::{release, releases};
pub(crate) use run::run;
pub(crate) use runs::{home, runs};
