//! What jobs leave for other jobs and for people: workspace layers, artifacts, caches. One folder of the data folder.

mod archive;
mod folder;
mod layout;

pub use archive::{ArchiveReader, ArchiveWriter};
pub use folder::{FolderWriter, Walk};
pub use layout::{Depot, DepotError, Stored};
