use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sluice_model::Digest;

use crate::bucket::Bucket;
use crate::disk::Disk;
use crate::layout::Layout;
use crate::upload::OpenUploads;
use crate::{BlobError, BlobFile, BucketOptions};

/// A folder of blobs, each named by its digest. Cheap to clone.
///
/// A blob is visible only when it is whole, has its digest, and is flushed to the disk together with its name.
#[derive(Clone)]
pub struct Blobs {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub disk: Disk,
    /// Where whole blobs that were uploaded go; none: they stay on the disk.
    pub bucket: Option<Bucket>,
    pub uploads: OpenUploads,
}

/// One blob of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    pub digest: Digest,
    pub size_bytes: u64,
    pub modified: SystemTime,
    /// Its bytes are in the bucket.
    pub is_away: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub digest: Digest,
    pub size_bytes: u64,
}

impl Blobs {
    /// Opens or makes the folder, and removes what a crash left half written. Uploads that can go on are kept.
    ///
    /// Only one process may have a folder open.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        Self::open_with_limit(root, u64::MAX).await
    }

    /// As `open`, refusing any blob of more than `limit_bytes`.
    pub async fn open_with_limit(root: impl Into<PathBuf>, limit_bytes: u64) -> Result<Self, BlobError> {
        Self::open_in(root, limit_bytes, None).await
    }

    /// As `open_with_limit`. With a bucket, the bytes of blobs that are uploaded from now on are objects there, and the
    /// folder has their names and sizes; what is stored out of memory, and what was there before, stays on the disk.
    ///
    /// # Errors
    /// `Bucket` where it does not answer, `OtherBucket` where the folder's blobs are in another one.
    pub async fn open_in(
        root: impl Into<PathBuf>,
        limit_bytes: u64,
        bucket: Option<BucketOptions>,
    ) -> Result<Self, BlobError> {
        let disk = Disk { layout: Layout::new(root.into()), limit_bytes };
        let bucket = match bucket {
            Some(options) => Some(Bucket::open(options).await?),
            None => None,
        };
        let shared = Arc::new(Shared { disk, bucket, uploads: OpenUploads::default() });
        let blobs = Self { shared };
        blobs
            .blocking(|shared| {
                shared.disk.prepare()?;
                shared.disk.remember(shared.bucket.as_ref().map(Bucket::url))
            })
            .await?;
        Ok(blobs)
    }

    /// The size of a blob in bytes; none where it is not there.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let digest = digest.clone();
        self.blocking(move |shared| shared.disk.size(&digest)).await
    }

    /// As `size`, on the caller's thread; nothing where the disk fails.
    pub fn size_here(&self, digest: &Digest) -> Option<u64> {
        self.shared.disk.size(digest).ok().flatten()
    }

    pub async fn contains(&self, digest: &Digest) -> Result<bool, BlobError> {
        Ok(self.size(digest).await?.is_some())
    }

    /// Opens a blob for reading; none where it is not there.
    pub async fn get(&self, digest: &Digest) -> Result<Option<BlobFile>, BlobError> {
        let digest = digest.clone();
        self.blocking(move |shared| {
            let path = shared.disk.layout.blob(&digest);
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BlobError::at(&path, error)),
                Ok(file) => {
                    let size = file.metadata().map_err(|error| BlobError::at(&path, error))?.len();
                    return Ok(Some(BlobFile::new(file, path, size)));
                }
            }
            let away = shared.disk.size_away(&digest)?;
            let (Some(bucket), Some(size_bytes)) = (&shared.bucket, away) else { return Ok(None) };
            Ok(Some(BlobFile::away(bucket.clone(), digest, shared.disk.layout.unnamed(), size_bytes)))
        })
        .await
    }

    /// Where a blob that was stored out of memory lies or would lie.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.shared.disk.layout.blob(digest)
    }

    /// Stores bytes that are in memory. With `expected`, refuses others.
    pub async fn put(&self, bytes: impl Into<Bytes>, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let (bytes, expected) = (bytes.into(), expected.cloned());
        self.blocking(move |shared| {
            shared.disk.check_size(bytes.len() as u64)?;
            let mut file = shared.disk.create_unnamed(expected.as_ref())?;
            file.append(&[bytes])?;
            shared.disk.install(&mut file, expected.as_ref())
        })
        .await
    }

    /// The objects of the bucket that are no blobs, older than `idle`: a crash or a failure left them.
    pub async fn stray_objects(&self, idle: Duration) -> Result<Vec<Digest>, BlobError> {
        let Some(bucket) = &self.shared.bucket else { return Ok(Vec::new()) };
        let old = bucket.list().await?.into_iter().filter(|object| object.age >= idle);
        let old: Vec<Digest> = old.map(|object| object.digest).collect();
        self.blocking(move |shared| {
            let mut strays = Vec::new();
            for digest in old {
                if shared.disk.size_away(&digest)?.is_none() {
                    strays.push(digest);
                }
            }
            Ok(strays)
        })
        .await
    }

    /// Removes such an object, unless it is a blob by now. No upload of the same bytes may end meanwhile.
    pub async fn remove_stray(&self, digest: &Digest) -> Result<bool, BlobError> {
        let Some(bucket) = &self.shared.bucket else { return Ok(false) };
        let wanted = digest.clone();
        if self.blocking(move |shared| shared.disk.size_away(&wanted)).await?.is_some() {
            return Ok(false);
        }
        bucket.delete(digest).await.map(|()| true)
    }

    /// Removes a blob. False where there was none.
    pub async fn delete(&self, digest: &Digest) -> Result<bool, BlobError> {
        let forgotten = digest.clone();
        let (was_here, was_away) = self.blocking(move |shared| shared.disk.remove(&forgotten)).await?;
        if was_away && let Some(bucket) = &self.shared.bucket {
            bucket.delete(digest).await?;
        }
        Ok(was_here || was_away)
    }

    /// Sets a blob aside, where nobody finds it, and a person may look at it. False where it has gone or changed since
    /// it was listed.
    pub async fn quarantine(&self, listed: &BlobEntry) -> Result<bool, BlobError> {
        if let Some(bucket) = self.shared.bucket.as_ref().filter(|_| listed.is_away) {
            let digest = listed.digest.clone();
            let modified = self.blocking(move |shared| shared.disk.modified_away(&digest)).await?;
            if modified != Some(listed.modified) {
                return Ok(false);
            }
            bucket.set_aside(&listed.digest).await?;
            return self.delete(&listed.digest).await;
        }
        let listed = listed.clone();
        self.blocking(move |shared| shared.disk.quarantine(&listed)).await
    }

    /// Every blob, in no particular order. Files that are no blobs are passed over.
    pub async fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        self.blocking(|shared| shared.disk.list()).await
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.map_err(|join| BlobError::lost(self.shared.disk.layout.root(), join))?
    }
}
