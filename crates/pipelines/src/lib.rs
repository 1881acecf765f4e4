//! A repository's pipeline files, and what of them runs for a trigger. Pure: never knows where files come from.
//!
//! The one room in which both dialects meet: `sluice check`, `plan` and `run` ask it about a working tree, and the server
//! about a pushed commit.

mod files;
mod pipelines;
mod selection;
mod skip;

pub use files::{CIRCLECI_FILE, FileKind, Files, kind};
pub use pipelines::Pipelines;
pub use selection::{NotRun, Selection};
