use std::io;
use std::path::{Path, PathBuf};

use sluice_blobs::BlobError;
use sluice_model::Digest;

use crate::image::ImageError;
use crate::{EventError, ImageRepository, ManifestError, OverQuota, Reference, Tag};

/// Why the registry could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("repository `{0}` is not known to this registry")]
    RepositoryUnknown(ImageRepository),
    #[error("`{repository}{}` is not known to this registry", reference.suffix())]
    ManifestUnknown { repository: ImageRepository, reference: Reference },
    #[error("`{repository}` has no blob {digest}")]
    BlobUnknown { repository: ImageRepository, digest: Digest },
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    #[error("the manifest has more than the {limit_bytes} bytes allowed")]
    ManifestTooLarge { limit_bytes: usize },
    #[error("the manifest names {digest}, which `{repository}` does not have: push it first")]
    ManifestBlobUnknown { repository: ImageRepository, digest: Digest },
    #[error("the manifest says that {digest} has {said} bytes, but it has {actual}")]
    SizesDiffer { digest: Digest, said: u64, actual: u64 },
    #[error("the manifest has the digest {actual}, not {expected}")]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("{digest} is named by the manifest {by}: delete that one first")]
    InUse { digest: Digest, by: Digest },
    #[error(
        "`{repository}:{tag}` is immutable here and points to another manifest or may not go: choose a new tag"
    )]
    TagImmutable { repository: ImageRepository, tag: Tag },
    #[error("`{repository}{}` has no image for {wanted}; it has {present}", reference.suffix())]
    NoSuchPlatform { repository: ImageRepository, reference: Reference, wanted: String, present: String },
    #[error("the configuration {digest} cannot be read: {reason}")]
    ConfigInvalid { digest: Digest, reason: String },
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    #[error("`{repository}` is a mirror of {upstream}: it cannot be pushed to")]
    MirrorReadOnly { repository: ImageRepository, upstream: String },
    #[error("the mirror `{name}` is given twice: give each a name of its own")]
    MirrorTwice { name: ImageRepository },
    #[error(
        "images were pushed under `{name}/`, and a mirror of that name would remove them when they are not in use: \
         choose another name"
    )]
    MirrorTaken { name: ImageRepository },
    #[error("`{repository}` is a mirror, and {source}")]
    Upstream { repository: ImageRepository, source: Box<ImageError> },
    #[error("`{repository}` is a mirror, this is not kept here, and its upstream registry failed: {problem}")]
    UpstreamAway { repository: ImageRepository, problem: String },
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the disk that holds {} is full: free some space or move the data folder", path.display())]
    DiskFull { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl RegistryError {
    pub(crate) fn at(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.to_owned() }
            }
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
