//! States to what is shown: the API's messages, and the pages' structs.

mod delivery;
pub(crate) mod pages;
mod run;

pub(crate) use delivery::{environment, problem, promotion, release, since};
pub(crate) use run::{jobs, summary, summary_json, times};
