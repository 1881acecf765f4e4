use bytes::Bytes;
use sluice_model::Digest;

use super::Mirror;
use crate::image::ImageError;
use crate::registry::now;
use crate::shelf::TagRecord;
use crate::{
    Descriptor, ImageRepository, Manifest, Pusher, Reference, Registry, RegistryError, StoredManifest, Tag,
};

type Result<T> = std::result::Result<T, RegistryError>;

impl Registry {
    /// As `manifest`, and through a mirror: what is not kept comes from upstream, and is kept.
    ///
    /// A digest is asked for once. Where a tag points to is asked again after a while; when the upstream registry
    /// cannot be reached, it points to what it did.
    pub(crate) async fn pull_manifest(
        &self,
        repository: &ImageRepository,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        let Some(mirror) = self.mirrors.of(repository) else {
            return self.manifest(repository, reference).await;
        };
        let _turn = mirror.turns.take(format!("{repository}{}", reference.suffix())).await;
        let kept = match self.manifest(repository, reference).await {
            Err(RegistryError::ManifestUnknown { .. }) => None,
            other => Some(other?),
        };
        let current = match (kept, reference) {
            (Some(kept), Reference::Digest(_)) => Some(kept),
            (Some(kept), Reference::Tag(tag)) => self.current(mirror, repository, tag, kept).await?,
            (None, _) => None,
        };
        match current {
            Some(kept) => {
                mirror.count_cached();
                self.use_manifest(repository, &kept.digest).await?;
                Ok(kept)
            }
            None => self.fetch_manifest(mirror, repository, reference).await,
        }
    }

    /// The kept manifest, if its tag still points to it.
    async fn current(
        &self,
        mirror: &Mirror,
        repository: &ImageRepository,
        tag: &Tag,
        kept: StoredManifest,
    ) -> Result<Option<StoredManifest>> {
        let (name, known) = (repository.clone(), tag.clone());
        let asked = self.shelf(move |shelf| Ok(shelf.tag(&name, &known)?.map(|record| record.at))).await?;
        if asked.is_some_and(|at| (0..mirror.tag_age_ms()).contains(&now().since_ms(at))) {
            return Ok(Some(kept));
        }
        let Some(remote) = mirror.remote(repository) else { return Ok(None) };
        match mirror.ask(repository, remote.resolve_tag(tag)).await {
            Ok(Some(digest)) if digest == kept.digest => {
                self.set_tag(mirror, repository, tag, &digest).await?;
                Ok(Some(kept))
            }
            // It moved, or the registry does not tell.
            Ok(_) => Ok(None),
            Err(RegistryError::UpstreamAway { problem, .. }) => {
                tracing::warn!(%repository, tag = tag.as_str(), problem, "served out of a mirror's own copy");
                Ok(Some(kept))
            }
            Err(error) if is_gone(&error) => {
                let (name, gone) = (repository.clone(), tag.clone());
                self.shelf(move |shelf| shelf.remove_tag(&name, &gone)).await?;
                Err(unknown(repository, &Reference::Tag(tag.clone())))
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch_manifest(
        &self,
        mirror: &Mirror,
        repository: &ImageRepository,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        let remote = mirror.remote(repository).ok_or_else(|| unknown(repository, reference))?;
        let fetched = mirror.ask(repository, remote.manifest(reference)).await;
        let (media_type, bytes) = match fetched {
            Err(error) if is_gone(&error) => return Err(unknown(repository, reference)),
            other => other?,
        };
        mirror.count_fetched(bytes.len() as u64);
        self.keep_manifest(mirror, repository, reference, media_type.as_deref(), bytes).await
    }

    /// Keeps what came from upstream. Its blobs come when a client asks for them.
    async fn keep_manifest(
        &self,
        mirror: &Mirror,
        repository: &ImageRepository,
        reference: &Reference,
        media_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<StoredManifest> {
        let strange = |error: ImageError| super::upstream(repository, error);
        let (manifest, media_type) =
            Manifest::parse(&bytes, media_type).map_err(|error| strange(error.into()))?;
        let (digest, tag) = crate::push::name(&bytes, reference).map_err(|error| match error {
            RegistryError::DigestMismatch { expected, .. } => {
                strange(ImageError::Damaged { place: mirror.upstream().to_string(), digest: expected })
            }
            other => other,
        })?;
        let pushed =
            crate::push::describe(repository, &manifest, media_type, &bytes, digest, tag, by(mirror));
        let size_bytes = bytes.len() as u64;
        self.make_room(mirror, repository, size_bytes).await?;
        let holding = self.sweeping.hold().await;
        let mut changes = self.lock(repository).write().await;
        *changes += 1;
        holding.note(&pushed.digest);
        if let Some(room) = self.room(repository).await? {
            room.admit(size_bytes)?;
        }
        self.blobs.put(bytes.clone(), Some(&pushed.digest)).await?;
        if self.record(&manifest, size_bytes, &pushed).await? {
            self.grew(repository, size_bytes);
        }
        let (digest, media_type) = (pushed.digest, pushed.media_type);
        Ok(StoredManifest { digest, media_type, bytes, pushes: Vec::new() })
    }

    async fn set_tag(
        &self,
        mirror: &Mirror,
        repository: &ImageRepository,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<()> {
        let mut changes = self.lock(repository).write().await;
        *changes += 1;
        let record = TagRecord { digest: digest.clone(), by: by(mirror), at: now() };
        let (name, tag) = (repository.clone(), tag.clone());
        self.shelf(move |shelf| shelf.write_tag(&name, &tag, &record)).await
    }

    async fn use_manifest(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        let (name, digest) = (repository.clone(), digest.clone());
        self.shelf(move |shelf| shelf.want_manifest(&name, &digest)).await
    }

    /// As `tags`; of a mirror those that its upstream registry lists, or that are kept while it is away.
    pub(crate) async fn pull_tags(&self, repository: &ImageRepository) -> Result<Vec<Tag>> {
        let Some(mirror) = self.mirrors.of(repository) else { return self.tags(repository).await };
        let unknown = || RegistryError::RepositoryUnknown(repository.clone());
        let remote = mirror.remote(repository).ok_or_else(unknown)?;
        match mirror.ask(repository, remote.tags()).await {
            Ok(mut tags) => {
                tags.sort_by_cached_key(crate::shelf::tag_order);
                Ok(tags)
            }
            Err(error) if is_gone(&error) => Err(unknown()),
            Err(error @ RegistryError::UpstreamAway { .. }) => match self.tags(repository).await {
                Err(RegistryError::RepositoryUnknown(_)) => Err(error),
                kept => kept,
            },
            Err(error) => Err(error),
        }
    }

    /// As `referrers`; of a mirror those that its upstream registry lists, or that are kept while it is away.
    pub(crate) async fn pull_referrers(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>> {
        let remote = self.mirrors.of(repository).map(|mirror| (mirror, mirror.remote(repository)));
        let Some((mirror, Some(remote))) = remote else { return self.referrers(repository, digest).await };
        match mirror.ask(repository, remote.referrers(digest)).await {
            Err(RegistryError::UpstreamAway { .. }) => self.referrers(repository, digest).await,
            other => other,
        }
    }
}

/// Who has "pushed" what a mirror keeps.
fn by(mirror: &Mirror) -> Pusher {
    Pusher::new(format!("mirror {}", mirror.name()))
}

fn unknown(repository: &ImageRepository, reference: &Reference) -> RegistryError {
    RegistryError::ManifestUnknown { repository: repository.clone(), reference: reference.clone() }
}

/// The upstream registry was asked, and does not have it.
pub(super) fn is_gone(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Upstream { source, .. } if matches!(**source, ImageError::NotFound { .. }))
}
