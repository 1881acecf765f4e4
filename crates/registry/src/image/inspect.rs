use serde::Serialize;
use sluice_model::Digest;

use super::store::Store;
use super::{ImageError, Location};
use crate::{Descriptor, ImageConfig, Manifest, Platform, media_type};

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspected {
    pub name: String,
    pub digest: Digest,
    pub media_type: String,
    /// Of an index: the images in it. Empty for an image.
    pub manifests: Vec<Descriptor>,
    pub layers: Vec<Descriptor>,
    /// Of the image's configuration, which names its layers by content: what engines call the image's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_digest: Option<Digest>,
    /// None for an index without a platform to choose, and for an artifact that is no image.
    pub config: Option<ImageConfig>,
    pub annotations: std::collections::BTreeMap<String, String>,
    /// The configuration and the layers.
    pub size_bytes: u64,
}

/// Reads a manifest and, of an image, its configuration. With a platform, an index is looked into.
pub async fn inspect(of: &Location, platform: Option<&Platform>) -> Result<Inspected, ImageError> {
    let reference = of.reference().ok_or_else(|| ImageError::NoReference(of.to_string()))?;
    let store = Store::open(of).await?;
    let fetched = match platform {
        Some(platform) => store.image(reference, platform).await?.0,
        None => store.manifest(reference).await?,
    };
    let annotations = fetched.manifest.annotations().clone();
    let (manifests, layers, config_digest, config, size_bytes) = match fetched.manifest {
        Manifest::Index(index) => (index.manifests, Vec::new(), None, None, 0),
        Manifest::Image(image) => {
            let size =
                image.layers.iter().fold(image.config.size, |sum, layer| sum.saturating_add(layer.size));
            let config = match is_image_config(&image.config.media_type) {
                true => Some(store.config(&image.config).await?),
                false => None,
            };
            (Vec::new(), image.layers, Some(image.config.digest), config, size)
        }
    };
    Ok(Inspected {
        name: of.to_string(),
        digest: fetched.digest,
        media_type: fetched.media_type,
        manifests,
        layers,
        config_digest,
        config,
        annotations,
        size_bytes,
    })
}

fn is_image_config(text: &str) -> bool {
    text == media_type::OCI_CONFIG || text == "application/vnd.docker.container.image.v1+json"
}
