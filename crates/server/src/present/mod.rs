//! States to what is shown: the API's messages and the pages' structs.

mod delivery;
mod run;

pub(crate) use delivery::{environment, promotion, release};
pub(crate) use run::{jobs, summary_json};
