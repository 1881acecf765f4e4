use std::io;
use std::path::{Path, PathBuf};

use sluice_model::Digest;

use crate::{BucketUrl, UploadId};

/// Why bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("the bytes have the digest {actual}, not {expected}")]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("upload {0} is not known: it was finished, cancelled or never begun")]
    UploadUnknown(UploadId),
    #[error("upload {0} is being written by another request")]
    UploadBusy(UploadId),
    #[error("the chunk begins at byte {sent}, but the upload goes on at byte {expected}")]
    OutOfOrder { sent: u64, expected: u64 },
    #[error("the upload is over the limit of {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    /// What arrived before is kept, so that the upload can go on at its offset.
    #[error("the sender stopped before the end: {0}")]
    Interrupted(#[source] io::Error),
    #[error("the disk that holds {} is full: free some space or move the data folder", path.display())]
    DiskFull { path: PathBuf },
    #[error("the bucket {url} failed: {source}")]
    Bucket { url: BucketUrl, source: object_store::Error },
    #[error(
        "{} has blobs in the bucket {kept}: start with that one, or move them back first",
        path.display()
    )]
    OtherBucket { path: PathBuf, kept: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl BlobError {
    /// Tells a full disk from the other failures of the file system.
    pub(crate) fn at(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.to_owned() }
            }
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    /// A blocking task died: it panicked, or the runtime is shutting down.
    pub(crate) fn lost(path: &Path, join: tokio::task::JoinError) -> Self {
        Self::Io { path: path.to_owned(), source: io::Error::other(join) }
    }
}
