//! States to what is shown: the API's messages and the pages' structs. Pure but for the logs that a page shows.

mod run;

pub(crate) use run::{summary, summary_json};
