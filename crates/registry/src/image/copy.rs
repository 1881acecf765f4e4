use sluice_model::Digest;

use super::store::Store;
use super::{ImageError, Location, transfer};
use crate::{Platform, Reference};

/// How an image is copied.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// Of an index, only the image for this platform; none copies the index and every image in it.
    pub platform: Option<Platform>,
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The same in both places.
    pub digest: Digest,
    pub manifests: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Blobs that the target had already.
    pub blobs_present: u64,
}

/// Copies an image between registries, layout folders and archives. No byte changes, so that digests and signatures
/// stay good. Without a reference, the target gets the source's.
pub async fn copy(from: &Location, to: &Location, options: &CopyOptions) -> Result<Copied, ImageError> {
    let reference = from.reference().ok_or_else(|| ImageError::NoReference(from.to_string()))?;
    let source = Store::open(from).await?;
    let fetched = match &options.platform {
        Some(platform) => source.image(reference, platform).await?.0,
        None => source.manifest(reference).await?,
    };
    let target = Store::create(to).await?;
    let as_reference = match to.reference().unwrap_or(reference) {
        Reference::Tag(tag) => Reference::Tag(tag.clone()),
        Reference::Digest(wanted) if *wanted == fetched.digest => Reference::Digest(wanted.clone()),
        Reference::Digest(wanted) if to.reference().is_some() => {
            return Err(ImageError::Damaged { place: from.to_string(), digest: wanted.clone() });
        }
        // One image out of the index that the source's digest names.
        Reference::Digest(_) => Reference::Digest(fetched.digest.clone()),
    };
    let moved = transfer::manifest(&source, &target, &fetched, &as_reference, 0).await?;
    target.close().await?;
    Ok(Copied {
        digest: fetched.digest,
        manifests: moved.manifests,
        blobs: moved.blobs,
        blob_bytes: moved.blob_bytes,
        blobs_present: moved.blobs_present,
    })
}
