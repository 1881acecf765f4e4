use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sluice_model::Digest;
use tokio::sync::OwnedMutexGuard;

use crate::bucket::Bucket;
use crate::layout::{AWAY, Layout, UNNAMED, sync_folder};
use crate::upload::{Growing, OpenUploads};
use crate::{Algorithm, BlobError, BlobFile, BucketOptions, BucketUrl, UploadId};

/// Bytes are written in batches of about this size.
const BATCH_BYTES: usize = 512 * 1024;
/// How long a request waits for the one before it to let go of the same upload.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// A folder of blobs, each named by its digest. Cheap to clone.
///
/// A blob is visible only when it is whole, has its digest, and is flushed to the disk together with its name.
#[derive(Clone)]
pub struct Blobs {
    shared: Arc<Shared>,
}

struct Shared {
    layout: Layout,
    /// Where whole blobs that were uploaded go; none: they stay on the disk.
    bucket: Option<Bucket>,
    uploads: OpenUploads,
    limit_bytes: u64,
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

type Slot = OwnedMutexGuard<Option<Growing>>;

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
        let layout = Layout::new(root.into());
        let bucket = match bucket {
            Some(options) => Some(Bucket::open(options).await?),
            None => None,
        };
        let shared = Arc::new(Shared { layout, bucket, uploads: OpenUploads::default(), limit_bytes });
        let blobs = Self { shared };
        blobs
            .blocking(|shared| {
                prepare(&shared.layout)?;
                remember(&shared.layout, shared.bucket.as_ref().map(Bucket::url))
            })
            .await?;
        Ok(blobs)
    }

    /// The size of a blob in bytes; none where it is not there.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let digest = digest.clone();
        self.blocking(move |shared| Ok(shared.held(&digest)?.map(|held| held.size_bytes()))).await
    }

    /// As `size`, on the caller's thread; nothing where the disk fails.
    pub fn size_here(&self, digest: &Digest) -> Option<u64> {
        self.shared.held(digest).ok().flatten().map(|held| held.size_bytes())
    }

    pub async fn contains(&self, digest: &Digest) -> Result<bool, BlobError> {
        Ok(self.size(digest).await?.is_some())
    }

    /// Opens a blob for reading; none where it is not there.
    pub async fn get(&self, digest: &Digest) -> Result<Option<BlobFile>, BlobError> {
        let digest = digest.clone();
        self.blocking(move |shared| {
            let path = shared.layout.blob(&digest);
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BlobError::at(&path, error)),
                Ok(file) => {
                    let size = file.metadata().map_err(|error| BlobError::at(&path, error))?.len();
                    return Ok(Some(BlobFile::new(file, path, size)));
                }
            }
            let away = size_away(&shared.layout.away(&digest))?;
            let (Some(bucket), Some(size_bytes)) = (&shared.bucket, away) else { return Ok(None) };
            Ok(Some(BlobFile::away(bucket.clone(), digest, shared.layout.unnamed(), size_bytes)))
        })
        .await
    }

    /// Where a blob that was stored out of memory lies or would lie.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.shared.layout.blob(digest)
    }

    /// Stores bytes that are in memory. With `expected`, refuses others.
    pub async fn put(&self, bytes: impl Into<Bytes>, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let (bytes, expected) = (bytes.into(), expected.cloned());
        self.blocking(move |shared| {
            shared.check_size(bytes.len() as u64)?;
            let mut file = shared.create_unnamed(expected.as_ref())?;
            file.append(&[bytes])?;
            shared.install(&mut file, expected.as_ref())
        })
        .await
    }

    /// Stores a stream in one go, never holding more than a few pieces in memory. With `expected`, refuses others.
    ///
    /// Nothing is left behind when it fails.
    pub async fn write<S>(&self, body: S, expected: Option<&Digest>) -> Result<Stored, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let wanted = expected.cloned();
        let file = self.blocking(move |shared| shared.create_unnamed(wanted.as_ref())).await?;
        let slot = Arc::new(tokio::sync::Mutex::new(Some(file))).lock_owned().await;
        let slot = self.pump(slot, body).await?;
        let expected = expected.cloned();
        self.install(slot, expected).await
    }

    /// Begins an upload that may take several requests. `scope` names who may go on with it: an upload is found
    /// only with the id and the same scope.
    pub async fn begin_upload(&self, scope: &str) -> Result<UploadId, BlobError> {
        let id = UploadId::new();
        let path = self.shared.layout.upload(&id, scope);
        let slot = self.shared.uploads.slot(id).try_lock_owned();
        let mut slot = slot.map_err(|_| BlobError::UploadBusy(id))?;
        let made = self.blocking(move |_| Growing::create(path, Algorithm::Sha256)).await;
        match made {
            Ok(file) => {
                *slot = Some(file);
                Ok(id)
            }
            Err(error) => {
                self.shared.uploads.forget(id);
                Err(error)
            }
        }
    }

    /// How many bytes an upload holds: where the next chunk has to begin. Known after a restart too.
    pub async fn upload_length(&self, id: UploadId, scope: &str) -> Result<u64, BlobError> {
        let slot = self.upload(id, scope).await?;
        Ok(slot.as_ref().map_or(0, Growing::length))
    }

    /// Appends a chunk and gives the new length.
    ///
    /// With `offset`, the chunk must begin where the upload ends. When the sender breaks off, what arrived is kept.
    pub async fn append<S>(
        &self,
        id: UploadId,
        scope: &str,
        offset: Option<u64>,
        body: S,
    ) -> Result<u64, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let slot = self.upload(id, scope).await?;
        let length = slot.as_ref().map_or(0, Growing::length);
        if let Some(sent) = offset
            && sent != length
        {
            return Err(BlobError::OutOfOrder { sent, expected: length });
        }
        let slot = self.pump(slot, body).await?;
        Ok(slot.as_ref().map_or(length, Growing::length))
    }

    /// The file of an upload, to be read while it grows to `size_bytes`. Only what `append` has said to be there may be
    /// read of it; it stays readable when the upload becomes a blob, and when it is thrown away.
    pub async fn growing(&self, id: UploadId, scope: &str, size_bytes: u64) -> Result<BlobFile, BlobError> {
        let slot = self.upload(id, scope).await?;
        self.blocking(move |shared| {
            let path = slot.as_ref().ok_or_else(|| lost_slot(&shared.layout))?.path().to_owned();
            let file = File::open(&path).map_err(|error| BlobError::at(&path, error))?;
            Ok(BlobFile::new(file, path, size_bytes))
        })
        .await
    }

    /// Ends an upload: checks the digest, flushes, and puts the blob into its place.
    ///
    /// After a wrong digest the upload is gone, for no further byte could make it right.
    pub async fn finish_upload(
        &self,
        id: UploadId,
        scope: &str,
        digest: &Digest,
    ) -> Result<Stored, BlobError> {
        let slot = self.upload(id, scope).await?;
        let outcome = self.install(slot, Some(digest.clone())).await;
        if matches!(outcome, Ok(_) | Err(BlobError::DigestMismatch { .. })) {
            self.shared.uploads.forget(id);
        }
        outcome
    }

    /// Throws an upload away.
    pub async fn cancel_upload(&self, id: UploadId, scope: &str) -> Result<(), BlobError> {
        let mut slot = self.upload(id, scope).await?;
        self.shared.uploads.forget(id);
        self.blocking(move |_| match slot.take() {
            Some(file) => remove(file.path()).map(drop),
            None => Ok(()),
        })
        .await
    }

    /// Throws away the uploads that nobody wrote to for `idle`, and gives their number.
    pub async fn sweep_uploads(&self, idle: Duration) -> Result<usize, BlobError> {
        self.blocking(move |shared| {
            let mut removed = 0;
            for entry in entries(&shared.layout.uploads())? {
                let path = entry.path();
                let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed());
                let is_idle = matches!(age, Ok(Ok(age)) if age >= idle);
                if is_idle && shared.uploads.close_idle(&path) && remove(&path)? {
                    removed += 1;
                }
            }
            Ok(removed)
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
                if size_away(&shared.layout.away(&digest))?.is_none() {
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
        let away = self.shared.layout.away(digest);
        if self.blocking(move |_| size_away(&away)).await?.is_some() {
            return Ok(false);
        }
        bucket.delete(digest).await.map(|()| true)
    }

    /// Removes a blob. False where there was none.
    pub async fn delete(&self, digest: &Digest) -> Result<bool, BlobError> {
        let (path, away) = (self.path(digest), self.shared.layout.away(digest));
        let (was_here, was_away) = self
            .blocking(move |_| {
                let was_away = remove(&away)?;
                if was_away && let Some(folder) = away.parent() {
                    // An upload of the same bytes must not find the name of an object that is gone.
                    sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
                }
                Ok((remove(&path)?, was_away))
            })
            .await?;
        if was_away && let Some(bucket) = &self.shared.bucket {
            bucket.delete(digest).await?;
        }
        Ok(was_here || was_away)
    }

    /// Sets a blob aside, where nobody finds it, and a person may look at it. False where it has gone or changed since
    /// it was listed.
    pub async fn quarantine(&self, listed: &BlobEntry) -> Result<bool, BlobError> {
        if let Some(bucket) = self.shared.bucket.as_ref().filter(|_| listed.is_away) {
            let path = self.shared.layout.away(&listed.digest);
            let modified = self.blocking(move |_| modified(&path)).await?;
            if modified != Some(listed.modified) {
                return Ok(false);
            }
            bucket.set_aside(&listed.digest).await?;
            return self.delete(&listed.digest).await;
        }
        let listed = listed.clone();
        self.blocking(move |shared| {
            let BlobEntry { is_away: _, digest, size_bytes, modified } = listed;
            let (path, place) = (shared.layout.blob(&digest), shared.layout.quarantined(&digest));
            let is_same = match fs::metadata(&path).and_then(|meta| Ok((meta.len(), meta.modified()?))) {
                Ok(now) => now == (size_bytes, modified),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(BlobError::at(&path, error)),
            };
            if is_same {
                let folder = place.parent().unwrap_or(shared.layout.root());
                fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
                fs::rename(&path, &place).map_err(|error| BlobError::at(&path, error))?;
                sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
            }
            Ok(is_same)
        })
        .await
    }

    /// Every blob, in no particular order. Files that are no blobs are passed over.
    pub async fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        self.blocking(|shared| {
            let mut blobs = Vec::new();
            for algorithm in Algorithm::ALL {
                for prefix in entries(&shared.layout.algorithm(algorithm))? {
                    for entry in entries(&prefix.path())? {
                        blobs.extend(describe(algorithm, &entry)?);
                    }
                }
            }
            Ok(blobs)
        })
        .await
    }

    /// The one writer of an upload, its file opened by this process.
    async fn upload(&self, id: UploadId, scope: &str) -> Result<Slot, BlobError> {
        let path = self.shared.layout.upload(&id, scope);
        let slot = self.shared.uploads.slot(id);
        let waiting = tokio::time::timeout(BUSY_WAIT, slot.lock_owned()).await;
        let mut slot = waiting.map_err(|_| BlobError::UploadBusy(id))?;
        if slot.is_none() {
            let path = path.clone();
            *slot = self.blocking(move |_| Growing::reopen(path, Algorithm::Sha256)).await?;
        }
        match slot.as_ref() {
            Some(file) if file.path() == path => Ok(slot),
            Some(_) => Err(BlobError::UploadUnknown(id)),
            None => {
                self.shared.uploads.forget(id);
                Err(BlobError::UploadUnknown(id))
            }
        }
    }

    /// Moves a stream into a file: one batch is written while the next one arrives. A thread is held only while it
    /// writes, however slow the sender is. It holds the upload too, so that a sender who goes away at any moment
    /// leaves the file and its digest in step.
    async fn pump<S>(&self, mut slot: Slot, body: S) -> Result<Slot, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let mut body = std::pin::pin!(body);
        let (mut batch, mut ended) = next_batch(&mut body).await;
        while !batch.is_empty() {
            let writing = self.blocking(move |shared| shared.append(slot, &batch));
            let arriving = async {
                match ended {
                    Some(ended) => (Vec::new(), Some(ended)),
                    None => next_batch(&mut body).await,
                }
            };
            let (written, next) = futures_util::future::join(writing, arriving).await;
            slot = written?;
            (batch, ended) = next;
        }
        match ended {
            Some(Err(error)) => Err(BlobError::Interrupted(error)),
            Some(Ok(())) | None => Ok(slot),
        }
    }

    /// Puts an upload that is whole into its place.
    async fn install(&self, mut slot: Slot, expected: Option<Digest>) -> Result<Stored, BlobError> {
        let Some(bucket) = self.shared.bucket.clone() else {
            return self
                .blocking(move |shared| match slot.as_mut() {
                    Some(file) => shared.install(file, expected.as_ref()),
                    None => Err(lost_slot(&shared.layout)),
                })
                .await;
        };
        self.send(&bucket, slot, expected).await
    }

    /// The object first, then the file that stands for it: a blob that can be seen is whole.
    async fn send(
        &self,
        bucket: &Bucket,
        mut slot: Slot,
        expected: Option<Digest>,
    ) -> Result<Stored, BlobError> {
        let (slot, stored, is_held) = self
            .blocking(move |shared| {
                let file = slot.as_mut().ok_or_else(|| lost_slot(&shared.layout))?;
                let stored = shared.seal(file, expected.as_ref())?;
                let is_held = shared.held(&stored.digest)?.is_some();
                Ok((slot, stored, is_held))
            })
            .await?;
        if !is_held {
            let path = slot.as_ref().ok_or_else(|| lost_slot(&self.shared.layout))?.path().to_owned();
            let file = File::open(&path).map_err(|error| BlobError::at(&path, error))?;
            bucket.put(&stored.digest, Arc::new(file), stored.size_bytes).await?;
        }
        self.blocking(move |shared| {
            let file = slot.as_ref().ok_or_else(|| lost_slot(&shared.layout))?;
            if !is_held {
                shared.note_away(&stored)?;
            }
            remove(file.path())?;
            Ok(stored)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let shared = self.shared.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.map_err(|join| BlobError::lost(self.shared.layout.root(), join))?
    }
}

impl Shared {
    fn create_unnamed(&self, expected: Option<&Digest>) -> Result<Growing, BlobError> {
        Growing::create(self.layout.unnamed(), expected.map_or(Algorithm::Sha256, Algorithm::of))
    }

    fn append(&self, mut slot: Slot, batch: &[Bytes]) -> Result<Slot, BlobError> {
        let file = slot.as_mut().ok_or_else(|| lost_slot(&self.layout))?;
        let size: usize = batch.iter().map(Bytes::len).sum();
        self.check_size(file.length() + size as u64)?;
        file.append(batch)?;
        Ok(slot)
    }

    fn check_size(&self, size_bytes: u64) -> Result<(), BlobError> {
        if size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(())
    }

    /// Where a blob's bytes are; none where it is not there.
    fn held(&self, digest: &Digest) -> Result<Option<Held>, BlobError> {
        if let Some(size_bytes) = size_of(&self.layout.blob(digest))? {
            return Ok(Some(Held::Disk { size_bytes }));
        }
        Ok(size_away(&self.layout.away(digest))?.map(|size_bytes| Held::Bucket { size_bytes }))
    }

    /// Writes down that the bucket has a blob.
    fn note_away(&self, blob: &Stored) -> Result<(), BlobError> {
        let (new, target) = (self.layout.unnamed(), self.layout.away(&blob.digest));
        let written = File::create_new(&new).and_then(|mut file| {
            write!(file, "{}", blob.size_bytes)?;
            file.sync_all()
        });
        written.map_err(|error| BlobError::at(&new, error))?;
        let folder = target.parent().unwrap_or(self.layout.root());
        self.rename(&new, &target, folder)?;
        sync_folder(folder).map_err(|error| BlobError::at(folder, error))
    }

    /// Checks an upload's digest. After a wrong one the upload is gone.
    fn seal(&self, file: &mut Growing, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let size_bytes = file.length();
        match file.seal(expected) {
            Ok(digest) => Ok(Stored { digest, size_bytes }),
            Err(error) => {
                if matches!(error, BlobError::DigestMismatch { .. }) {
                    remove(file.path())?;
                }
                Err(error)
            }
        }
    }

    /// Flush, rename, flush the folder: in this order a blob that can be seen is whole, even after a power cut.
    fn install(&self, file: &mut Growing, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let Stored { digest, size_bytes } = self.seal(file, expected)?;
        let target = self.layout.blob(&digest);
        let folder = target.parent().unwrap_or(self.layout.root());
        if size_of(&target)? == Some(size_bytes) {
            remove(file.path())?;
        } else {
            self.rename(file.path(), &target, folder)?;
        }
        sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
        Ok(Stored { digest, size_bytes })
    }

    fn rename(&self, from: &Path, target: &Path, folder: &Path) -> Result<(), BlobError> {
        match fs::rename(from, target) {
            // The first blob with these two digits.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
                let parent = folder.parent().unwrap_or(self.layout.root());
                sync_folder(parent).map_err(|error| BlobError::at(parent, error))?;
                fs::rename(from, target).map_err(|error| BlobError::at(target, error))
            }
            other => other.map_err(|error| BlobError::at(target, error)),
        }
    }
}

/// A file that is dropped before it was put into its place, and that no one can find again, is removed.
impl Drop for Growing {
    fn drop(&mut self) {
        let unnamed = self.path().file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNNAMED));
        if unnamed {
            // It is gone already where it became a blob.
            let _ = fs::remove_file(self.path());
        }
    }
}

/// Some pieces of a stream, and how it ended, where it did. Only an ended stream gives none.
async fn next_batch<S>(body: &mut Pin<&mut S>) -> (Vec<Bytes>, Option<io::Result<()>>)
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let (mut batch, mut size) = (Vec::new(), 0);
    while size < BATCH_BYTES {
        match body.next().await {
            Some(Ok(bytes)) => {
                size += bytes.len();
                batch.push(bytes);
            }
            Some(Err(error)) => return (batch, Some(Err(error))),
            None => return (batch, Some(Ok(()))),
        }
    }
    (batch, None)
}

fn prepare(layout: &Layout) -> Result<(), BlobError> {
    let folders = Algorithm::ALL.map(|algorithm| layout.algorithm(algorithm));
    for folder in folders.iter().chain([&layout.uploads()]) {
        fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
    }
    sync_folder(layout.root()).map_err(|error| BlobError::at(layout.root(), error))?;
    for entry in entries(&layout.uploads())? {
        if entry.file_name().to_string_lossy().starts_with(UNNAMED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn describe(algorithm: Algorithm, entry: &fs::DirEntry) -> Result<Option<BlobEntry>, BlobError> {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let away = name.strip_suffix(AWAY);
    let Ok(digest) = format!("{}:{}", algorithm.as_str(), away.unwrap_or(&name)).parse() else {
        return Ok(None);
    };
    match entry.metadata() {
        Ok(meta) => {
            let modified = meta.modified().map_err(|error| BlobError::at(&entry.path(), error))?;
            let size_bytes = match away {
                Some(_) => size_away(&entry.path())?.unwrap_or(0),
                None => meta.len(),
            };
            Ok(Some(BlobEntry { digest, size_bytes, modified, is_away: away.is_some() }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(&entry.path(), error)),
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, BlobError> {
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    read.map_err(|error| BlobError::at(folder, error))
}

fn size_of(path: &Path) -> Result<Option<u64>, BlobError> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

/// Where a blob's bytes are.
#[derive(Debug, Clone, Copy)]
enum Held {
    Disk { size_bytes: u64 },
    Bucket { size_bytes: u64 },
}

impl Held {
    fn size_bytes(self) -> u64 {
        match self {
            Self::Disk { size_bytes } | Self::Bucket { size_bytes } => size_bytes,
        }
    }
}

/// What the file that stands for a blob in the bucket says; none where there is none.
fn size_away(path: &Path) -> Result<Option<u64>, BlobError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let size = text.parse().map_err(|error| BlobError::at(path, io::Error::other(error)))?;
            Ok(Some(size))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

fn modified(path: &Path) -> Result<Option<SystemTime>, BlobError> {
    match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(at) => Ok(Some(at)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

/// Writes down which bucket the folder's blobs are in; a folder that has some is never opened with another, or without.
fn remember(layout: &Layout, bucket: Option<&BucketUrl>) -> Result<(), BlobError> {
    let path = layout.bucket();
    let kept = match fs::read_to_string(&path) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(BlobError::at(&path, error)),
    };
    match (kept, bucket) {
        (None, None) => Ok(()),
        (Some(kept), Some(url)) if kept == url.to_string() => Ok(()),
        (Some(kept), _) => Err(BlobError::OtherBucket { path: layout.root().to_owned(), kept }),
        (None, Some(url)) => {
            let written = File::create(&path).and_then(|mut file| {
                write!(file, "{url}")?;
                file.sync_all()
            });
            written.map_err(|error| BlobError::at(&path, error))?;
            sync_folder(layout.root()).map_err(|error| BlobError::at(layout.root(), error))
        }
    }
}

fn remove(path: &Path) -> Result<bool, BlobError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

/// A slot is filled before it is handed out; only a bug empties it.
fn lost_slot(layout: &Layout) -> BlobError {
    BlobError::at(&layout.uploads(), io::Error::other("the upload lost its file"))
}
