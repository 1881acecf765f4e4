use std::collections::{BTreeMap, BTreeSet};

use sluice_model::{Digest, Timestamp};

use crate::attest::{self, BUNDLE, CYCLONEDX, PROVENANCE, PublicKey};
use crate::shelf::{Shelf, TagRecord};
use crate::{
    Descriptor, ImageConfig, ImageRepository, Manifest, Pusher, Reference, Registry, RegistryError, Tag,
};

/// What a repository holds, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Every blob and manifest once.
    pub size_bytes: u64,
    /// Of these, what no other repository holds.
    pub own_bytes: u64,
    /// The tags that were set last, the newest first.
    pub tags: Vec<TagOverview>,
    /// How many more there are.
    pub more: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagOverview {
    pub tag: Tag,
    pub digest: Digest,
    pub set: Timestamp,
    pub by: Pusher,
    /// `linux/amd64`; none where the image does not say.
    pub platforms: Vec<String>,
    /// Of the configuration and the layers; of an index, those of all its images.
    pub size_bytes: u64,
    /// From the bottom; none for an index.
    pub layers: Vec<Descriptor>,
    /// The predicate types of the statements about it that a trusted key has signed.
    pub statements: BTreeSet<String>,
}

impl TagOverview {
    pub fn has_provenance(&self) -> bool {
        self.statements.contains(PROVENANCE)
    }

    pub fn has_bill_of_materials(&self) -> bool {
        self.statements.contains(CYCLONEDX)
    }
}

impl Registry {
    /// What a repository holds, with its newest tags, at most `most`. Only what one of the keys has signed counts.
    pub async fn overview(
        &self,
        repository: &ImageRepository,
        most: usize,
        keys: &[PublicKey],
    ) -> Result<Overview, RegistryError> {
        let (name, blobs) = (repository.clone(), self.blobs.clone());
        let (size_bytes, own_bytes, mut tags) = self
            .shelf(move |shelf| {
                let size = |digest: &Digest| blobs.size_here(digest).unwrap_or(0);
                let (all, own) = sizes(shelf, &name, size)?;
                let mut tags = Vec::new();
                for tag in shelf.tags(&name)? {
                    tags.extend(shelf.tag(&name, &tag)?.map(|record| (tag, record)));
                }
                Ok((all, own, tags))
            })
            .await?;
        tags.sort_by(|(a, first), (b, second)| second.at.cmp(&first.at).then_with(|| a.cmp(b)));
        let more = tags.len().saturating_sub(most) as u64;
        tags.truncate(most);
        let mut shown = Vec::new();
        for (tag, record) in tags {
            match self.tag_overview(repository, tag, record, keys).await {
                Ok(tag) => shown.push(tag),
                // Removed since the tags were read.
                Err(RegistryError::ManifestUnknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Overview { size_bytes, own_bytes, tags: shown, more })
    }

    async fn tag_overview(
        &self,
        repository: &ImageRepository,
        tag: Tag,
        record: TagRecord,
        keys: &[PublicKey],
    ) -> Result<TagOverview, RegistryError> {
        let TagRecord { digest, by, at: set } = record;
        let About { platforms, size_bytes, layers } = self.about(repository, &digest).await?;
        let mut statements = BTreeSet::new();
        for referrer in self.referrers(repository, &digest).await? {
            if referrer.artifact_type.as_deref() == Some(BUNDLE) {
                statements.extend(self.signed(repository, &digest, &referrer.digest, keys).await?);
            }
        }
        Ok(TagOverview { tag, digest, set, by, platforms, size_bytes, layers, statements })
    }

    /// The predicate type of a statement about `digest`; none where no key has signed it.
    async fn signed(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
        referrer: &Digest,
        keys: &[PublicKey],
    ) -> Result<Option<String>, RegistryError> {
        let stored = self.manifest(repository, &Reference::Digest(referrer.clone())).await?;
        let manifest = Manifest::parse(&stored.bytes, Some(&stored.media_type))?.0;
        let Some(layer) = manifest.blobs().nth(1) else { return Ok(None) };
        let file = self.blob(repository, &layer.digest).await?;
        let Ok(bundle) = file.read_all(attest::LIMIT_BYTES).await else { return Ok(None) };
        Ok(attest::read(&bundle, keys, digest).ok().map(|(_, found)| found.predicate_type))
    }

    async fn about(&self, repository: &ImageRepository, digest: &Digest) -> Result<About, RegistryError> {
        let stored = self.manifest(repository, &Reference::Digest(digest.clone())).await?;
        match Manifest::parse(&stored.bytes, Some(&stored.media_type))?.0 {
            Manifest::Image(image) => {
                let size_bytes =
                    image.layers.iter().map(|layer| layer.size).fold(image.config.size, u64::saturating_add);
                // An artifact's configuration says nothing of a platform.
                let platforms = match self.config_of(repository, &image.config).await {
                    Some(config) => vec![config.platform.to_string()],
                    None => Vec::new(),
                };
                Ok(About { platforms, size_bytes, layers: image.layers })
            }
            Manifest::Index(index) => {
                let mut about = About::default();
                for inner in index.manifests {
                    about.platforms.extend(inner.platform.as_ref().map(ToString::to_string));
                    let stored = self.manifest(repository, &Reference::Digest(inner.digest)).await?;
                    if let Manifest::Image(image) =
                        Manifest::parse(&stored.bytes, Some(&stored.media_type))?.0
                    {
                        let sizes = image.layers.iter().map(|layer| layer.size).chain([image.config.size]);
                        about.size_bytes = sizes.fold(about.size_bytes, u64::saturating_add);
                    }
                }
                Ok(about)
            }
        }
    }

    async fn config_of(&self, repository: &ImageRepository, config: &Descriptor) -> Option<ImageConfig> {
        let file = self.blob(repository, &config.digest).await.ok()?;
        let bytes = file.read_all(crate::pull::CONFIG_LIMIT_BYTES).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[derive(Default)]
struct About {
    platforms: Vec<String>,
    size_bytes: u64,
    layers: Vec<Descriptor>,
}

/// The bytes of all that a repository holds, and of what it alone does.
fn sizes(
    shelf: &Shelf,
    repository: &ImageRepository,
    size: impl Fn(&Digest) -> u64,
) -> Result<(u64, u64), RegistryError> {
    let mut here: BTreeMap<Digest, u32> = BTreeMap::new();
    for digest in shelf.blobs(repository)?.into_iter().chain(shelf.manifests(repository)?) {
        *here.entry(digest).or_default() += 1;
    }
    let holders = shelf.holders()?;
    let (mut all, mut own) = (0, 0);
    for (digest, times) in here {
        let bytes = size(&digest);
        all += bytes;
        if holders.get(&digest).is_none_or(|count| *count <= times) {
            own += bytes;
        }
    }
    Ok((all, own))
}
