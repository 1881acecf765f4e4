use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use sluice_blobs::{BlobFile, Blobs, BucketOptions, Stored, UploadId};
use sluice_model::{Digest, Timestamp};
use tokio::sync::RwLock;

use crate::mirror::Mirrors;
use crate::quota::Usage;
use crate::shelf::{Shelf, timestamp};
use crate::sweep::{Holding, Sweeping};
use crate::tokens::Tokens;
use crate::{
    Access, Challenge, Descriptor, Events, ImageRepository, MirrorOptions, Quotas, Reference, RegistryError,
    Tag, TagPattern,
};

/// How a registry is set up.
#[derive(Clone)]
pub struct Options {
    pub access: Arc<dyn Access>,
    pub events: Arc<dyn Events>,
    pub challenge: Challenge,
    /// Where the bytes of blobs are kept; none: in the registry's folder.
    pub bucket: Option<BucketOptions>,
    /// A blob of more bytes is refused.
    pub blob_limit_bytes: u64,
    /// Tags that can be set once, and neither moved nor taken away. None by default.
    pub immutable_tags: Vec<TagPattern>,
    pub quotas: Quotas,
    /// Repositories whose content comes from elsewhere. None by default.
    pub mirrors: Vec<MirrorOptions>,
}

impl Options {
    pub fn new(access: Arc<dyn Access>, events: Arc<dyn Events>) -> Self {
        Self {
            access,
            events,
            challenge: Challenge::default(),
            bucket: None,
            blob_limit_bytes: 64 * 1024 * 1024 * 1024,
            immutable_tags: Vec::new(),
            quotas: Quotas::default(),
            mirrors: Vec::new(),
        }
    }
}

const LOCKS: usize = 64;

/// Repositories of images in one folder. Served by `router`, and read by the rest of the server in the same process.
pub struct Registry {
    pub(crate) blobs: Blobs,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) tokens: Tokens,
    immutable_tags: Vec<TagPattern>,
    pub(crate) quotas: Quotas,
    pub(crate) usage: Usage,
    /// One for several repositories: who changes which tags and manifests a repository has holds its lock, and counts
    /// the change in it.
    locks: [RwLock<u64>; LOCKS],
    pub(crate) sweeping: Sweeping,
    pub(crate) blob_limit_bytes: u64,
    pub(crate) mirrors: Mirrors,
}

type Result<T> = std::result::Result<T, RegistryError>;

impl Registry {
    /// Opens or makes the registry's folder. Only one process may have it open.
    pub async fn open(root: impl Into<PathBuf>, options: Options) -> Result<Arc<Self>> {
        let root = root.into();
        let Options { access, events, challenge, bucket, blob_limit_bytes, immutable_tags, quotas, mirrors } =
            options;
        let blobs = Blobs::open_in(root.join("blobs"), blob_limit_bytes, bucket).await?;
        let folder = root.join("repositories");
        let opened = tokio::task::spawn_blocking(move || {
            let shelf = Shelf::open(folder.clone())?;
            Result::Ok((shelf, Mirrors::open(mirrors, &folder)?))
        });
        let (shelf, mirrors) =
            opened.await.map_err(|join| RegistryError::at(&root, io::Error::other(join)))??;
        Ok(Arc::new(Self {
            blobs,
            shelf: Arc::new(shelf),
            access,
            events,
            tokens: Tokens::new(challenge),
            immutable_tags,
            quotas,
            usage: Usage::default(),
            locks: [const { RwLock::const_new(0) }; LOCKS],
            sweeping: Sweeping::default(),
            blob_limit_bytes,
            mirrors,
        }))
    }

    /// Every repository that holds a manifest, in lexical order.
    pub async fn repositories(&self) -> Result<Vec<ImageRepository>> {
        self.shelf(Shelf::repositories).await
    }

    /// Every repository that holds anything, if only a blob, in lexical order.
    pub async fn known_repositories(&self) -> Result<Vec<ImageRepository>> {
        self.shelf(Shelf::known).await
    }

    /// A repository's tags in lexical order.
    pub async fn tags(&self, repository: &ImageRepository) -> Result<Vec<Tag>> {
        let name = repository.clone();
        self.shelf(move |shelf| {
            if !shelf.knows(&name)? {
                return Err(RegistryError::RepositoryUnknown(name));
            }
            shelf.tags(&name)
        })
        .await
    }

    /// The manifests of a repository whose subject is `digest`, whether or not that one exists.
    pub async fn referrers(&self, repository: &ImageRepository, digest: &Digest) -> Result<Vec<Descriptor>> {
        let (name, digest) = (repository.clone(), digest.clone());
        self.shelf(move |shelf| shelf.referrers(&name, &digest)).await
    }

    /// Opens a blob that the repository has.
    pub async fn blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<BlobFile> {
        let unknown =
            || RegistryError::BlobUnknown { repository: repository.clone(), digest: digest.clone() };
        if !self.has_blob(repository, digest).await? {
            return Err(unknown());
        }
        self.blobs.get(digest).await?.ok_or_else(unknown)
    }

    pub(crate) async fn has_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<bool> {
        let (name, wanted) = (repository.clone(), digest.clone());
        self.shelf(move |shelf| shelf.has_blob(&name, &wanted)).await
    }

    // Uploads

    pub(crate) async fn finish_upload(
        &self,
        repository: &ImageRepository,
        id: UploadId,
        digest: &Digest,
    ) -> Result<Stored> {
        let holding = self.sweeping.hold().await;
        let stored = self.blobs.finish_upload(id, repository.as_str(), digest).await?;
        self.link(&holding, repository, &stored).await?;
        Ok(stored)
    }

    pub(crate) async fn write_blob<S>(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
        body: S,
    ) -> Result<Stored>
    where
        S: futures_util::Stream<Item = io::Result<bytes::Bytes>> + Send,
    {
        // The slow part first: a sweep does not wait for a sender.
        let id = self.blobs.begin_upload(repository.as_str()).await?;
        let written = match self.blobs.append(id, repository.as_str(), Some(0), body).await {
            Ok(_) => self.finish_upload(repository, id, digest).await,
            Err(error) => Err(error.into()),
        };
        if written.is_err() {
            // Nobody knows the id; it may be gone already after a wrong digest.
            let _ = self.blobs.cancel_upload(id, repository.as_str()).await;
        }
        written
    }

    /// Gives `repository` a blob that `from` has. False where `from` has no such blob.
    pub(crate) async fn mount_blob(
        &self,
        repository: &ImageRepository,
        from: &ImageRepository,
        digest: &Digest,
    ) -> Result<bool> {
        let holding = self.sweeping.hold().await;
        match self.blob(from, digest).await {
            Ok(file) => {
                let stored = Stored { digest: digest.clone(), size_bytes: file.size_bytes() };
                self.link(&holding, repository, &stored).await.map(|()| true)
            }
            Err(RegistryError::BlobUnknown { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn link(
        &self,
        holding: &Holding<'_>,
        repository: &ImageRepository,
        blob: &Stored,
    ) -> Result<()> {
        holding.note(&blob.digest);
        let (name, digest) = (repository.clone(), blob.digest.clone());
        let linking = self.shelf(move |shelf| shelf.link_blob(&name, &digest));
        if self.quotas.of(repository).is_none() {
            return linking.await;
        }
        let _changing = self.lock(repository).write().await;
        if self.has_blob(repository, &blob.digest).await? {
            return linking.await;
        }
        if let Some(room) = self.room(repository).await? {
            room.admit(blob.size_bytes)?;
        }
        linking.await?;
        self.grew(repository, blob.size_bytes);
        Ok(())
    }

    /// A client asks whether a blob is there, and will not send it again: it stays for now.
    pub(crate) async fn want_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        let (name, digest) = (repository.clone(), digest.clone());
        self.shelf(move |shelf| shelf.want_blob(&name, &digest)).await
    }

    // Removal

    /// Takes a tag away. The manifest stays.
    pub async fn delete_tag(&self, repository: &ImageRepository, tag: &Tag) -> Result<()> {
        let mut changes = self.lock(repository).write().await;
        *changes += 1;
        if self.is_immutable(tag) && self.tagged(repository, tag).await?.is_some() {
            return Err(RegistryError::TagImmutable { repository: repository.clone(), tag: tag.clone() });
        }
        let (name, gone) = (repository.clone(), tag.clone());
        if self.shelf(move |shelf| shelf.remove_tag(&name, &gone)).await? {
            return Ok(());
        }
        Err(RegistryError::ManifestUnknown { repository: repository.clone(), reference: tag.clone().into() })
    }

    /// Takes a manifest away, with every tag that points to it.
    ///
    /// # Errors
    /// `InUse` while an index of the same repository names it, `TagImmutable` while such a tag points to it.
    pub async fn delete_manifest(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        let mut changes = self.lock(repository).write().await;
        *changes += 1;
        self.usage.forget(repository);
        let (name, gone) = (repository.clone(), digest.clone());
        let immutable = self.immutable_tags.clone();
        self.shelf(move |shelf| {
            let Some(record) = shelf.manifest(&name, &gone)? else {
                let reference = Reference::Digest(gone);
                return Err(RegistryError::ManifestUnknown { repository: name, reference });
            };
            refuse_if_named(shelf, &name, &gone)?;
            let mut tags = Vec::new();
            for tag in shelf.tags(&name)? {
                if shelf.tag(&name, &tag)?.is_some_and(|record| record.digest == gone) {
                    tags.push(tag);
                }
            }
            if let Some(tag) = tags.iter().find(|tag| immutable.iter().any(|pattern| pattern.matches(tag))) {
                return Err(RegistryError::TagImmutable { repository: name, tag: tag.clone() });
            }
            for tag in &tags {
                shelf.remove_tag(&name, tag)?;
            }
            shelf.remove_manifest(&name, &gone)?;
            if let Some(subject) = &record.subject {
                shelf.remove_referrer(&name, subject, &gone)?;
            }
            Ok(())
        })
        .await
    }

    /// Takes a blob away from a repository. Its bytes go with `sweep`, when no repository has it.
    ///
    /// # Errors
    /// `InUse` while a manifest of the same repository names it.
    pub async fn delete_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        let _changing = self.lock(repository).write().await;
        self.usage.forget(repository);
        let (name, gone) = (repository.clone(), digest.clone());
        self.shelf(move |shelf| {
            if !shelf.has_blob(&name, &gone)? {
                return Err(RegistryError::BlobUnknown { repository: name, digest: gone });
            }
            refuse_if_named(shelf, &name, &gone)?;
            shelf.unlink_blob(&name, &gone).map(drop)
        })
        .await
    }

    /// What a tag points to now.
    pub(crate) async fn tagged(&self, repository: &ImageRepository, tag: &Tag) -> Result<Option<Digest>> {
        let (name, tag) = (repository.clone(), tag.clone());
        self.shelf(move |shelf| Ok(shelf.tag(&name, &tag)?.map(|record| record.digest))).await
    }

    pub(crate) fn is_immutable(&self, tag: &Tag) -> bool {
        self.immutable_tags.iter().any(|pattern| pattern.matches(tag))
    }

    // Shared by the files that go on with `impl Registry`

    pub(crate) fn immutable_tags(&self) -> &[TagPattern] {
        &self.immutable_tags
    }

    pub(crate) fn lock(&self, repository: &ImageRepository) -> &RwLock<u64> {
        let mut hasher = DefaultHasher::new();
        repository.hash(&mut hasher);
        &self.locks[hasher.finish() as usize % LOCKS]
    }

    pub(crate) async fn shelf<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shelf = self.shelf.clone();
        let done = tokio::task::spawn_blocking(move || work(&shelf)).await;
        done.map_err(|join| RegistryError::at("the registry's folder".as_ref(), io::Error::other(join)))?
    }
}

pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn refuse_if_named(shelf: &Shelf, repository: &ImageRepository, digest: &Digest) -> Result<()> {
    for by in shelf.manifests(repository)? {
        let names = shelf.manifest(repository, &by)?.is_some_and(|record| record.names.contains(digest));
        if names {
            return Err(RegistryError::InUse { digest: digest.clone(), by });
        }
    }
    Ok(())
}
