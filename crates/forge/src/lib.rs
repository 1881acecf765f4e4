//! Git over HTTP, and reading what was pushed. Holds no rule: it knows no run, no account and no policy.

mod backend;
mod error;
mod forge;
mod git;
mod git_ref;
mod history;
mod sideband;
mod tree;
mod working_tree;

pub use backend::{AfterPush, GitRequest, Service};
pub use error::ForgeError;
pub use forge::{Forge, Limits};
pub use git_ref::GitRef;
pub use history::Commit;
pub use working_tree::{Snapshot, snapshot};
