//! Content-addressed bytes on disk: layers, artifacts, caches, logs. Gives no meaning to them.

mod error;
mod hash;
mod layout;
mod read;
mod store;
mod upload;

pub use error::BlobError;
pub use hash::{Algorithm, Hasher, digest_of};
pub use read::{BlobFile, BlobStream};
pub use store::{BlobEntry, Blobs, Stored};
pub use upload::UploadId;
