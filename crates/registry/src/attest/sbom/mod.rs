//! A bill of materials of an image, read out of its layers: CycloneDX 1.6.

mod cyclonedx;
mod files;
mod packages;

pub use cyclonedx::{Bom, Component, bom};
pub use packages::{Ecosystem, Package};

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use sluice_model::Digest;

use files::Files;

use crate::image::{ImageError, store::Store};
use crate::{ImageRepository, Manifest, Reference, Registry};

impl Registry {
    /// The bill of materials of an image; none for an index, whose images have one each.
    ///
    /// Packages of Debian (`dpkg`), Alpine (`apk`) and npm are found. Layers are always listed.
    pub async fn bill_of_materials(
        self: &Arc<Self>,
        repository: &ImageRepository,
        digest: &Digest,
    ) -> Result<Option<Bom>, ImageError> {
        let store = Store::Local(self.clone(), repository.clone());
        let fetched = store.manifest(&Reference::Digest(digest.clone())).await?;
        let Manifest::Image(image) = fetched.manifest else { return Ok(None) };
        let mut files = Files::default();
        for layer in &image.layers {
            let file = self.blob(repository, &layer.digest).await?;
            let place = PathBuf::from(layer.digest.as_str());
            let packed = file.open().await.map_err(ImageError::at(&place))?;
            let digest = layer.digest.clone();
            files = crate::image::archive::blocking(&place, move || {
                files
                    .apply(BufReader::with_capacity(256 * 1024, packed))
                    .map_err(|error| ImageError::Layer { layer: digest, reason: error.to_string() })?;
                Ok(files)
            })
            .await?;
        }
        let layers: Vec<Digest> = image.layers.into_iter().map(|layer| layer.digest).collect();
        Ok(Some(bom(repository.as_str(), digest, &layers, &files.packages(), files.is_cut())))
    }
}
