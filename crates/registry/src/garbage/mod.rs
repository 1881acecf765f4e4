//! What a repository holds for nothing: which tags, manifests and blobs go, why, and their removal while pushes go on.

mod collect;
mod decide;
mod inventory;
mod retention;

pub use decide::{Garbage, Gone, Keeping, Why, decide};
pub use inventory::{BlobEntry, Inventory, ManifestEntry, TagEntry};
pub use retention::RetentionRule;
