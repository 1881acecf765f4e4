//! Actions and workflows of other repositories, fetched by git and kept by commit.

mod git;
mod store;

pub use store::{ActionSource, ActionStore, ActionStoreError};
