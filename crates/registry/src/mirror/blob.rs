use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use sluice_blobs::{BlobFile, UploadId};
use sluice_model::Digest;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Mirror;
use super::download::{Download, Progress};
use super::manifest::is_gone;
use super::upstream::lock;
use crate::image::{ImageError, remote::RemoteBlob};
use crate::{ImageRepository, Registry, RegistryError};

type Result<T> = std::result::Result<T, RegistryError>;

/// A blob that a client may have: whole, or on its way here.
pub(crate) enum Pulled {
    Kept(BlobFile),
    Arriving(Arc<Download>),
    /// Upstream has it; nobody asked for its bytes.
    Upstream {
        size_bytes: u64,
    },
}

/// No longer than this, a blob is fetched before it is served.
const AT_ONCE_BYTES: u64 = 128 * 1024;

impl Registry {
    /// As `blob`, and through a mirror: what is not kept comes from upstream, and is kept. Many clients that ask for
    /// the same blob have it fetched once.
    pub(crate) async fn pull_blob(
        self: &Arc<Self>,
        repository: &ImageRepository,
        digest: &Digest,
        wants_bytes: bool,
    ) -> Result<Pulled> {
        let Some(mirror) = self.mirrors.of(repository) else {
            return self.blob(repository, digest).await.map(Pulled::Kept);
        };
        let unknown =
            || RegistryError::BlobUnknown { repository: repository.clone(), digest: digest.clone() };
        let _turn = mirror.turns.take(format!("{repository}@{digest}")).await;
        // First those under way: one that is not there any more has been kept, or has failed.
        let arriving = lock(&mirror.downloads).get(&(repository.clone(), digest.clone())).cloned();
        if let Some(download) = arriving {
            mirror.count_cached();
            return self.await_small(repository, digest, download).await;
        }
        match self.blob(repository, digest).await {
            Err(RegistryError::BlobUnknown { .. }) => {}
            kept => {
                let kept = kept?;
                mirror.count_cached();
                self.want_blob(repository, digest).await?;
                return Ok(Pulled::Kept(kept));
            }
        }
        let remote = mirror.remote(repository).ok_or_else(unknown)?;
        let gone = |error| if is_gone(&error) { unknown() } else { error };
        let is_here = self.blobs.contains(digest).await?;
        if !wants_bytes || is_here {
            let size = mirror.ask(repository, remote.blob_size(digest)).await.map_err(gone)?;
            // Another repository has these bytes, and upstream says that this one has them too.
            if is_here && let Some(file) = self.adopt(repository, digest).await? {
                return Ok(Pulled::Kept(file));
            }
            if let (false, Some(size_bytes)) = (wants_bytes, size) {
                return Ok(Pulled::Upstream { size_bytes });
            }
        }
        // Whoever holds a slot needs no other.
        let slot = mirror.slots.clone().acquire_owned().await.map_err(|_| unknown())?;
        let from = mirror.ask(repository, remote.open_blob(digest)).await.map_err(gone)?;
        let download = self.download(mirror, repository, digest, from, slot).await?;
        self.await_small(repository, digest, download).await
    }

    async fn await_small(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
        download: Arc<Download>,
    ) -> Result<Pulled> {
        if download.size_bytes() > AT_ONCE_BYTES {
            return Ok(Pulled::Arriving(download));
        }
        download.finished().await.map_err(|problem| RegistryError::UpstreamAway {
            repository: repository.clone(),
            problem: problem.to_string(),
        })?;
        self.blob(repository, digest).await.map(Pulled::Kept)
    }

    /// None where the bytes have gone since somebody looked.
    async fn adopt(&self, repository: &ImageRepository, digest: &Digest) -> Result<Option<BlobFile>> {
        let holding = self.sweeping.hold().await;
        let Some(file) = self.blobs.get(digest).await? else { return Ok(None) };
        let stored = sluice_blobs::Stored { digest: digest.clone(), size_bytes: file.size_bytes() };
        self.link(&holding, repository, &stored).await?;
        Ok(Some(file))
    }

    async fn download(
        self: &Arc<Self>,
        mirror: &Mirror,
        repository: &ImageRepository,
        digest: &Digest,
        from: RemoteBlob,
        slot: OwnedSemaphorePermit,
    ) -> Result<Arc<Download>> {
        let place = mirror.upstream().to_string();
        let size_bytes = from.size_bytes.ok_or_else(|| {
            let message = "it does not say how long the blob is".to_owned();
            super::upstream(repository, ImageError::Denied { host: place.clone(), message })
        })?;
        if size_bytes > self.blob_limit_bytes {
            return Err(sluice_blobs::BlobError::TooLarge { limit_bytes: self.blob_limit_bytes }.into());
        }
        self.make_room(mirror, repository, size_bytes).await?;
        let id = self.blobs.begin_upload(repository.as_str()).await?;
        let file = self.blobs.growing(id, repository.as_str(), size_bytes).await?;
        let (tell, progress) = watch::channel(Progress::Arriving(0));
        let download = Arc::new(Download::new(file, progress));
        let key = (repository.clone(), digest.clone());
        lock(&mirror.downloads).insert(key.clone(), download.clone());
        let registry = self.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let (repository, digest) = &key;
            let ended = match registry.receive(id, repository, digest, from, &tell).await {
                Ok(()) => Progress::Kept,
                Err(error) => {
                    tracing::warn!(%repository, %digest, %error, "a mirror could not fetch a blob from {place}");
                    // It is gone already after a wrong digest.
                    let _ = registry.blobs.cancel_upload(id, repository.as_str()).await;
                    Progress::Failed(error.to_string().into())
                }
            };
            if let Some(mirror) = registry.mirrors.of(repository) {
                if matches!(ended, Progress::Kept) {
                    mirror.count_fetched(size_bytes);
                }
                lock(&mirror.downloads).remove(&key);
            }
            tell.send_replace(ended);
        });
        Ok(download)
    }

    /// Writes a blob as it arrives, telling how far it is, and keeps it when it has its digest.
    async fn receive(
        &self,
        id: UploadId,
        repository: &ImageRepository,
        digest: &Digest,
        from: RemoteBlob,
        tell: &watch::Sender<Progress>,
    ) -> Result<()> {
        let scope = repository.as_str();
        let RemoteBlob { size_bytes, bytes } = from;
        let mut pieces = bytes.ready_chunks(READY_PIECES);
        let mut length = 0;
        while let Some(ready) = pieces.next().await {
            let batch = futures_util::stream::iter(ready);
            length = self.blobs.append(id, scope, Some(length), batch).await?;
            tell.send_replace(Progress::Arriving(length));
        }
        if let Some(size_bytes) = size_bytes.filter(|size| *size != length) {
            let problem = format!("{length} of its {size_bytes} bytes came");
            let broken = io::Error::new(io::ErrorKind::UnexpectedEof, problem);
            return Err(sluice_blobs::BlobError::Interrupted(broken).into());
        }
        self.finish_upload(repository, id, digest).await.map(drop)
    }

    /// A mirror that has no room for more lets go of what nobody has asked for within the last hour.
    pub(super) async fn make_room(
        &self,
        mirror: &Mirror,
        repository: &ImageRepository,
        size_bytes: u64,
    ) -> Result<()> {
        let Some(room) = self.room(repository).await? else { return Ok(()) };
        if room.admit(size_bytes).is_ok() {
            return Ok(());
        }
        tracing::info!(%repository, mirror = %mirror.name(), "a mirrored repository is full: removes what is not in use");
        self.collect_unused(repository).await?;
        match self.room(repository).await? {
            Some(room) => Ok(room.admit(size_bytes)?),
            None => Ok(()),
        }
    }
}

/// What has arrived in so many pieces is written in one go.
const READY_PIECES: usize = 64;
