//! Content-addressed bytes, on disk or in a bucket: layers, artifacts, caches, logs. Gives no meaning to them.

mod bucket;
mod disk;
mod error;
mod hash;
mod layout;
mod read;
mod receive;
mod store;
mod upload;

pub use bucket::{BucketOptions, BucketUrl};
pub use error::BlobError;
pub use hash::{Algorithm, Hasher, digest_of};
pub use read::{BlobFile, BlobStream};
pub use store::{BlobEntry, Blobs, Stored};
pub use upload::UploadId;
