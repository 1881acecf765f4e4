//! How bytes come in: whole streams, and uploads of several requests.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sluice_model::Digest;
use tokio::sync::OwnedMutexGuard;

use crate::bucket::Bucket;
use crate::disk::{entries, remove};
use crate::layout::Layout;
use crate::store::Shared;
use crate::upload::Growing;
use crate::{Algorithm, BlobError, BlobFile, Blobs, Stored, UploadId};

/// Bytes are written in batches of about this size.
const BATCH_BYTES: usize = 512 * 1024;
/// How long a request waits for the one before it to let go of the same upload.
const BUSY_WAIT: Duration = Duration::from_secs(5);

type Slot = OwnedMutexGuard<Option<Growing>>;

impl Blobs {
    /// Stores a stream in one go, never holding more than a few pieces in memory. With `expected`, refuses others.
    ///
    /// Nothing is left behind when it fails.
    pub async fn write<S>(&self, body: S, expected: Option<&Digest>) -> Result<Stored, BlobError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let wanted = expected.cloned();
        let file = self.blocking(move |shared| shared.disk.create_unnamed(wanted.as_ref())).await?;
        let slot = Arc::new(tokio::sync::Mutex::new(Some(file))).lock_owned().await;
        let slot = self.pump(slot, body).await?;
        let expected = expected.cloned();
        self.install(slot, expected).await
    }

    /// Begins an upload that may take several requests. `scope` names who may go on with it: an upload is found
    /// only with the id and the same scope.
    pub async fn begin_upload(&self, scope: &str) -> Result<UploadId, BlobError> {
        let id = UploadId::new();
        let path = self.shared.disk.layout.upload(&id, scope);
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
            let path = slot.as_ref().ok_or_else(|| lost_slot(&shared.disk.layout))?.path().to_owned();
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
            for entry in entries(&shared.disk.layout.uploads())? {
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

    /// The one writer of an upload, its file opened by this process.
    async fn upload(&self, id: UploadId, scope: &str) -> Result<Slot, BlobError> {
        let path = self.shared.disk.layout.upload(&id, scope);
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
            let writing = self.blocking(move |shared| append(shared, slot, &batch));
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
                    Some(file) => shared.disk.install(file, expected.as_ref()),
                    None => Err(lost_slot(&shared.disk.layout)),
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
                let file = slot.as_mut().ok_or_else(|| lost_slot(&shared.disk.layout))?;
                let stored = shared.disk.seal(file, expected.as_ref())?;
                let is_held = shared.disk.size(&stored.digest)?.is_some();
                Ok((slot, stored, is_held))
            })
            .await?;
        if !is_held {
            let path = slot.as_ref().ok_or_else(|| lost_slot(&self.shared.disk.layout))?.path().to_owned();
            let file = File::open(&path).map_err(|error| BlobError::at(&path, error))?;
            bucket.put(&stored.digest, Arc::new(file), stored.size_bytes).await?;
        }
        self.blocking(move |shared| {
            let file = slot.as_ref().ok_or_else(|| lost_slot(&shared.disk.layout))?;
            if !is_held {
                shared.disk.note_away(&stored)?;
            }
            remove(file.path())?;
            Ok(stored)
        })
        .await
    }
}

fn append(shared: &Shared, mut slot: Slot, batch: &[Bytes]) -> Result<Slot, BlobError> {
    let file = slot.as_mut().ok_or_else(|| lost_slot(&shared.disk.layout))?;
    let size: usize = batch.iter().map(Bytes::len).sum();
    shared.disk.check_size(file.length() + size as u64)?;
    file.append(batch)?;
    Ok(slot)
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

/// A slot is filled before it is handed out; only a bug empties it.
fn lost_slot(layout: &Layout) -> BlobError {
    BlobError::at(&layout.uploads(), io::Error::other("the upload lost its file"))
}
