use std::collections::BTreeMap;

use bytes::Bytes;
use sluice_blobs::{Algorithm, digest_of};
use sluice_model::Digest;

use super::BUNDLE;
use crate::{
    Descriptor, ImageManifest, ImageRepository, Pusher, Reference, Registry, RegistryError, media_type,
};

/// What is in an artifact that needs no configuration (OCI image-spec 1.1, manifest.md, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const CONTENT: &str = "dev.sigstore.bundle.content";
pub(super) const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
const CREATED: &str = "org.opencontainers.image.created";

/// A statement that is about an image and lies beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Of its manifest.
    pub digest: Digest,
    /// False where the very same one was there already.
    pub is_new: bool,
}

impl Registry {
    /// Attaches a sealed statement to a manifest, as cosign does (Cosign Bundle Specification). `created` is RFC 3339;
    /// the same input gives the same digest, so that a repeat changes nothing.
    pub async fn attach(
        &self,
        repository: &ImageRepository,
        subject: &Digest,
        bundle: Vec<u8>,
        predicate_type: &str,
        created: &str,
        by: Pusher,
    ) -> Result<Attached, RegistryError> {
        let about = self.manifest(repository, &Reference::Digest(subject.clone())).await?;
        let about = Descriptor::new(&about.media_type, subject.clone(), about.bytes.len() as u64);
        let config = self.store_small(repository, EMPTY_TYPE, Bytes::from_static(EMPTY)).await?;
        let layer = self.store_small(repository, BUNDLE, bundle.into()).await?;
        let annotations = [(CREATED, created), (CONTENT, "dsse-envelope"), (PREDICATE_TYPE, predicate_type)];
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: Some(BUNDLE.to_owned()),
            config,
            layers: vec![layer],
            subject: Some(about),
            annotations: BTreeMap::from(annotations.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        };
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| RegistryError::at("a manifest".as_ref(), error.into()))?;
        let digest = digest_of(Algorithm::Sha256, &text);
        let reference = Reference::Digest(digest.clone());
        match self.manifest(repository, &reference).await {
            Ok(_) => return Ok(Attached { digest, is_new: false }),
            Err(RegistryError::ManifestUnknown { .. }) => {}
            Err(error) => return Err(error),
        }
        self.push_manifest(repository, &reference, None, text.into(), by).await?;
        Ok(Attached { digest, is_new: true })
    }

    async fn store_small(
        &self,
        repository: &ImageRepository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, RegistryError> {
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let size = bytes.len() as u64;
        let body = futures_util::stream::iter([Ok(bytes)]);
        self.write_blob(repository, &digest, body).await?;
        Ok(Descriptor::new(media_type, digest, size))
    }
}
