use bytes::Bytes;
use sluice_model::Digest;

use crate::shelf::Push;
use crate::{
    Descriptor, ImageConfig, ImageManifest, ImageRepository, Manifest, Platform, Reference, Registry,
    RegistryError,
};

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
    /// Who pushed it, the last at the end.
    pub pushes: Vec<Push>,
}

/// One image: of a reference to an index, the one for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest of the image's own manifest.
    pub digest: Digest,
    pub manifest: ImageManifest,
    pub config: ImageConfig,
}

/// The most that is read of an image's configuration.
pub(crate) const CONFIG_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

impl Registry {
    /// The manifest that a tag or a digest names in a repository.
    ///
    /// # Errors
    /// `ManifestUnknown` where there is none.
    pub async fn manifest(
        &self,
        repository: &ImageRepository,
        reference: &Reference,
    ) -> Result<StoredManifest, RegistryError> {
        let (name, wanted, store) = (repository.clone(), reference.clone(), self.blobs.clone());
        let found = self.shelf(move |shelf| {
            let digest = match wanted {
                Reference::Digest(digest) => Some(digest),
                Reference::Tag(tag) => shelf.tag(&name, &tag)?.map(|record| record.digest),
            };
            let Some(digest) = digest else { return Ok(None) };
            let Some(record) = shelf.manifest(&name, &digest)? else { return Ok(None) };
            let path = store.path(&digest);
            let bytes = match std::fs::read(&path) {
                // Removed since its record was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                other => other.map_err(|error| RegistryError::at(&path, error))?,
            };
            let (media_type, pushes) = (record.media_type, record.pushes);
            Ok(Some(StoredManifest { digest, media_type, bytes: bytes.into(), pushes }))
        });
        found.await?.ok_or_else(|| RegistryError::ManifestUnknown {
            repository: repository.clone(),
            reference: reference.clone(),
        })
    }

    /// The image that a reference names, with its configuration. Of an index, the one that runs on `platform`.
    pub async fn image(
        &self,
        repository: &ImageRepository,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Image, RegistryError> {
        let mut stored = self.manifest(repository, reference).await?;
        let mut parsed = Manifest::parse(&stored.bytes, Some(&stored.media_type))?.0;
        if let Manifest::Index(index) = &parsed {
            let chosen = crate::image::choose(&index.manifests, platform).ok_or_else(|| {
                RegistryError::NoSuchPlatform {
                    repository: repository.clone(),
                    reference: reference.clone(),
                    wanted: platform.to_string(),
                    present: crate::image::platforms(&index.manifests),
                }
            })?;
            stored = self.manifest(repository, &Reference::Digest(chosen.digest.clone())).await?;
            parsed = Manifest::parse(&stored.bytes, Some(&stored.media_type))?.0;
        }
        let Manifest::Image(manifest) = parsed else {
            return Err(crate::ManifestError::Malformed(
                "an index within an index is not followed".to_owned(),
            )
            .into());
        };
        let config = self.config(repository, &manifest.config).await?;
        Ok(Image { digest: stored.digest, manifest, config })
    }

    async fn config(
        &self,
        repository: &ImageRepository,
        descriptor: &Descriptor,
    ) -> Result<ImageConfig, RegistryError> {
        let digest = &descriptor.digest;
        let file = self.blob(repository, digest).await?;
        let invalid = |reason: String| RegistryError::ConfigInvalid { digest: digest.clone(), reason };
        let bytes = file.read_all(CONFIG_LIMIT_BYTES).await.map_err(|error| invalid(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))
    }
}
