//! What jobs leave for other jobs and for people: workspace layers, artifacts, caches, what tests took. One folder of the
//! data folder.

mod archive;
mod blob_caches;
mod folder;
mod layout;
mod links;
mod salt;
mod tar;
mod timings;
mod workspace;
mod zip;

pub use archive::{ArchiveReader, ArchiveWriter};
pub use blob_caches::{BlobCache, check_key};
pub use folder::{FolderWriter, Walk};
pub use layout::{BYTES_LIMIT, Depot, DepotError, Stored};
pub use tar::TarWriter;
pub use zip::zip_folder;
