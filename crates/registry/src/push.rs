use sluice_blobs::{Algorithm, Blobs, digest_of};
use sluice_model::Digest;

use crate::registry::now;
use crate::shelf::{ManifestRecord, PUSHES_KEPT, Push, Shelf, TagRecord};
use crate::{
    Descriptor, ImageRepository, Manifest, Pushed, Pusher, Reference, Registry, RegistryError, Tag,
    media_type,
};

impl Registry {
    /// Stores a manifest, sets its tag, and tells the server. When this returns, all three are durable.
    ///
    /// A manifest whose blobs or manifests this repository does not have is refused; its subject need not exist.
    pub async fn push_manifest(
        &self,
        repository: &ImageRepository,
        reference: &Reference,
        content_type: Option<&str>,
        bytes: bytes::Bytes,
        by: Pusher,
    ) -> Result<Pushed, RegistryError> {
        if bytes.len() > Manifest::MAX_BYTES {
            return Err(RegistryError::ManifestTooLarge { limit_bytes: Manifest::MAX_BYTES });
        }
        let (manifest, media_type) = Manifest::parse(&bytes, content_type)?;
        let (digest, tag) = name(&bytes, reference)?;
        let pushed = describe(repository, &manifest, media_type, &bytes, digest, tag, by);

        let holding = self.sweeping.hold().await;
        let mut changes = self.lock(repository).write().await;
        *changes += 1;
        holding.note(&pushed.digest);
        self.require_movable(&pushed).await?;
        self.require_contents(repository, &manifest).await?;
        let size_bytes = bytes.len() as u64;
        if let Some(room) = self.room(repository).await? {
            room.admit(size_bytes)?;
        }
        self.blobs.put(bytes, Some(&pushed.digest)).await?;
        if self.record(&manifest, size_bytes, &pushed).await? {
            self.grew(repository, size_bytes);
        }
        self.events.pushed(&pushed).await?;
        Ok(pushed)
    }

    /// A tag that may not move may still be set again to what it points to: a client that repeats its push gets
    /// the answer that it missed.
    async fn require_movable(&self, pushed: &Pushed) -> Result<(), RegistryError> {
        let Some(tag) = pushed.tag.as_ref().filter(|tag| self.is_immutable(tag)) else { return Ok(()) };
        match self.tagged(&pushed.repository, tag).await? {
            Some(digest) if digest != pushed.digest => {
                Err(RegistryError::TagImmutable { repository: pushed.repository.clone(), tag: tag.clone() })
            }
            _ => Ok(()),
        }
    }

    async fn require_contents(
        &self,
        repository: &ImageRepository,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let blobs: Vec<Descriptor> = manifest.blobs().filter(|blob| is_needed(blob)).cloned().collect();
        let manifests = manifest.manifests().to_vec();
        let (repository, store) = (repository.clone(), self.blobs.clone());
        self.shelf(move |shelf| {
            blobs.iter().try_for_each(|blob| require_blob(shelf, &store, &repository, blob))?;
            manifests.iter().try_for_each(|manifest| require_manifest(shelf, &repository, manifest))
        })
        .await
    }

    /// The referrer first and the tag last: a tag never points to what is not there, and a referrer without its
    /// manifest is passed over. True where the manifest is new here.
    pub(crate) async fn record(
        &self,
        manifest: &Manifest,
        size_bytes: u64,
        pushed: &Pushed,
    ) -> Result<bool, RegistryError> {
        // Layers that need not be here are named too: where they are, they are not garbage.
        let named = manifest.blobs().chain(manifest.manifests());
        let names: Vec<Digest> = named.map(|descriptor| descriptor.digest.clone()).collect();
        let annotations = manifest.annotations().clone();
        let artifact_type = manifest.artifact_type().map(str::to_owned);
        let pushed = pushed.clone();
        self.shelf(move |shelf| {
            let Pushed { repository, digest, media_type, by, at, .. } = &pushed;
            if let Some(subject) = &pushed.subject {
                let referrer = Descriptor {
                    annotations,
                    artifact_type,
                    ..Descriptor::new(media_type, digest.clone(), size_bytes)
                };
                shelf.write_referrer(repository, subject, &referrer)?;
            }
            let before = shelf.manifest(repository, digest)?;
            let is_new = before.is_none();
            let mut pushes = before.map_or_else(Vec::new, |record| record.pushes);
            pushes.push(Push { by: by.clone(), at: *at, tag: pushed.tag.clone() });
            pushes.drain(..pushes.len().saturating_sub(PUSHES_KEPT));
            let (media_type, subject) = (media_type.clone(), pushed.subject.clone());
            let record = ManifestRecord { media_type, size_bytes, subject, names, pushes };
            shelf.write_manifest(repository, digest, &record)?;
            if let Some(tag) = &pushed.tag {
                let record = TagRecord { digest: digest.clone(), by: by.clone(), at: *at };
                shelf.write_tag(repository, tag, &record)?;
            }
            Ok(is_new)
        })
        .await
    }
}

/// The digest that the manifest gets, and its tag. A push by digest must have that digest.
pub(crate) fn name(bytes: &[u8], reference: &Reference) -> Result<(Digest, Option<Tag>), RegistryError> {
    match reference {
        Reference::Tag(tag) => Ok((digest_of(Algorithm::Sha256, bytes), Some(tag.clone()))),
        Reference::Digest(expected) => {
            let actual = digest_of(Algorithm::of(expected), bytes);
            if actual != *expected {
                return Err(RegistryError::DigestMismatch { expected: expected.clone(), actual });
            }
            Ok((actual, None))
        }
    }
}

pub(crate) fn describe(
    repository: &ImageRepository,
    manifest: &Manifest,
    media_type: String,
    bytes: &[u8],
    digest: Digest,
    tag: Option<Tag>,
    by: Pusher,
) -> Pushed {
    let named = manifest.blobs().chain(manifest.manifests()).map(|descriptor| descriptor.size);
    let (config_digest, artifact_type) = match manifest {
        Manifest::Image(image) => (Some(image.config.digest.clone()), image.artifact_type.clone()),
        Manifest::Index(index) => (None, index.artifact_type.clone()),
    };
    Pushed {
        repository: repository.clone(),
        tag,
        digest,
        config_digest,
        media_type,
        artifact_type,
        subject: manifest.subject().map(|subject| subject.digest.clone()),
        manifests: manifest.manifests().iter().map(|named| named.digest.clone()).collect(),
        size_bytes: named.fold(bytes.len() as u64, u64::saturating_add),
        by,
        at: now(),
    }
}

/// Layers that are fetched elsewhere need not be here (OCI image-spec 1.1, "Non-Distributable Layers").
fn is_needed(blob: &Descriptor) -> bool {
    blob.urls.is_empty() && !media_type::is_foreign_layer(&blob.media_type)
}

fn require_blob(
    shelf: &Shelf,
    blobs: &Blobs,
    repository: &ImageRepository,
    blob: &Descriptor,
) -> Result<(), RegistryError> {
    let missing =
        || RegistryError::ManifestBlobUnknown { repository: repository.clone(), digest: blob.digest.clone() };
    if !shelf.has_blob(repository, &blob.digest)? {
        return Err(missing());
    }
    let actual = blobs.size_here(&blob.digest).ok_or_else(missing)?;
    if actual != blob.size {
        return Err(RegistryError::SizesDiffer { digest: blob.digest.clone(), said: blob.size, actual });
    }
    Ok(())
}

fn require_manifest(
    shelf: &Shelf,
    repository: &ImageRepository,
    named: &Descriptor,
) -> Result<(), RegistryError> {
    let digest = named.digest.clone();
    match shelf.manifest(repository, &digest)? {
        None => Err(RegistryError::ManifestBlobUnknown { repository: repository.clone(), digest }),
        Some(record) if record.size_bytes != named.size => {
            Err(RegistryError::SizesDiffer { digest, said: named.size, actual: record.size_bytes })
        }
        Some(_) => Ok(()),
    }
}
