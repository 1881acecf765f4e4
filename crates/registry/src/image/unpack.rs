use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::archive::{Scratch, blocking};
use super::extract::{Extractor, Limits, Unpacked};
use super::store::Store;
use super::{ImageError, Location};
use crate::{Descriptor, Image, ImageRepository, Platform, Reference, Registry};

/// Unpacks an image into a new or empty folder. Of an index, the one for `platform`. See `Unpacked` for what is left
/// out; every layer is checked against both of its digests.
///
/// When this fails, the folder may hold a part of the image.
pub async fn unpack(
    image: &Location,
    platform: &Platform,
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, ImageError> {
    let reference = image.reference().ok_or_else(|| ImageError::NoReference(image.to_string()))?;
    let store = Store::open(image).await?;
    from_store(&store, reference, platform, into, limits).await
}

impl Registry {
    /// As `image::unpack`, out of this registry.
    pub async fn unpack(
        self: &Arc<Self>,
        repository: &ImageRepository,
        reference: &Reference,
        platform: &Platform,
        into: &Path,
        limits: Limits,
    ) -> Result<Unpacked, ImageError> {
        let store = Store::Local(self.clone(), repository.clone());
        from_store(&store, reference, platform, into, limits).await
    }
}

async fn from_store(
    store: &Store,
    reference: &Reference,
    platform: &Platform,
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, ImageError> {
    let (fetched, manifest) = store.image(reference, platform).await?;
    let config = store.config(&manifest.config).await?;
    let diff_ids = config.rootfs.diff_ids.clone();
    if diff_ids.len() != manifest.layers.len() {
        let reason = format!("it lists {} layers, its manifest {}", diff_ids.len(), manifest.layers.len());
        return Err(ImageError::Config { digest: manifest.config.digest, reason });
    }
    let scratch = Scratch::new()?;
    let (root, layers) = (into.to_owned(), manifest.layers.clone());
    let mut extractor = blocking(into, move || Extractor::new(&root, limits)).await?;
    for (layer, diff_id) in layers.into_iter().zip(diff_ids) {
        let file = scratch.path().join("layer");
        fetch(store, &layer, &file).await?;
        extractor = blocking(into, move || {
            let packed = File::open(&file).map_err(ImageError::at(&file))?;
            extractor.apply(
                &layer.digest,
                &diff_id,
                std::io::BufReader::with_capacity(256 * 1024, packed),
            )?;
            Ok(extractor)
        })
        .await?;
    }
    let extractor = blocking(into, move || extractor.finish().map(|()| extractor)).await?;
    let image = Image { digest: fetched.digest, manifest, config };
    Ok(Unpacked { image, entries: extractor.entries, bytes: extractor.bytes, skipped: extractor.skipped })
}

/// A layer in a file, so that nothing of it is unpacked before its digest is known to be right.
async fn fetch(store: &Store, layer: &Descriptor, file: &Path) -> Result<(), ImageError> {
    let mut bytes = store.blob(&layer.digest).await?;
    let mut out = tokio::fs::File::create(file).await.map_err(ImageError::at(file))?;
    while let Some(piece) = bytes.next().await {
        let piece = piece
            .map_err(|error| ImageError::Layer { layer: layer.digest.clone(), reason: error.to_string() })?;
        out.write_all(&piece).await.map_err(ImageError::at(file))?;
    }
    out.flush().await.map_err(ImageError::at(file))
}
