//! Routes. A handler reads the request, asks one thing of the rest, and writes the answer.

mod accounts;
mod answer;
mod caller;
mod delivery;
mod git;
mod health;
mod logs;
mod pages;
mod registry;
mod router;
mod runs;

pub(crate) use accounts::sign_in_link;
pub(crate) use router::router;
