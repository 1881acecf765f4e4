use futures_util::{StreamExt, TryStreamExt, stream};

use super::ImageError;
use super::store::{Fetched, Store};
use crate::{Descriptor, Manifest, Reference, media_type};

/// How many blobs are on the way at the same time.
const AT_ONCE: usize = 4;
/// How deep indexes may name indexes.
const DEPTH: usize = 4;

/// What went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    pub manifests: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    pub blobs_present: u64,
}

impl Moved {
    pub fn add(&mut self, other: Self) {
        self.manifests += other.manifests;
        self.blobs += other.blobs;
        self.blob_bytes += other.blob_bytes;
        self.blobs_present += other.blobs_present;
    }
}

/// Copies a manifest and all that it names, contents first, without changing a byte.
pub(crate) async fn manifest(
    from: &Store,
    to: &Store,
    fetched: &Fetched,
    as_reference: &Reference,
    depth: usize,
) -> Result<Moved, ImageError> {
    if depth > DEPTH {
        return Err(ImageError::Unsupported(format!("an index more than {DEPTH} deep")));
    }
    let mut moved = Moved::default();
    match &fetched.manifest {
        Manifest::Image(image) => {
            let all = std::iter::once(&image.config).chain(&image.layers);
            let needed: Vec<&Descriptor> = all.filter(|blob| is_here(blob)).collect();
            moved.add(blobs(from, to, &needed).await?);
        }
        Manifest::Index(index) => {
            for named in &index.manifests {
                let reference = Reference::Digest(named.digest.clone());
                let child = from.manifest(&reference).await?;
                moved.add(Box::pin(manifest(from, to, &child, &reference, depth + 1)).await?);
            }
        }
    }
    to.put_manifest(as_reference, &fetched.media_type, &fetched.digest, fetched.bytes.clone()).await?;
    moved.manifests += 1;
    Ok(moved)
}

/// Layers with their own addresses are fetched there (OCI image-spec 1.1, "Non-Distributable Layers").
fn is_here(blob: &Descriptor) -> bool {
    blob.urls.is_empty() && !media_type::is_foreign_layer(&blob.media_type)
}

pub(crate) async fn blobs(from: &Store, to: &Store, blobs: &[&Descriptor]) -> Result<Moved, ImageError> {
    // The same layer twice in one image is moved once.
    let mut unique: Vec<Descriptor> = Vec::new();
    for blob in blobs {
        if !unique.iter().any(|known| known.digest == blob.digest) {
            unique.push((*blob).clone());
        }
    }
    let moving = stream::iter(unique).map(|descriptor| blob(from, to, descriptor)).buffer_unordered(AT_ONCE);
    let each: Vec<Moved> = moving.try_collect().await?;
    let mut moved = Moved::default();
    each.into_iter().for_each(|one| moved.add(one));
    Ok(moved)
}

async fn blob(from: &Store, to: &Store, descriptor: Descriptor) -> Result<Moved, ImageError> {
    if to.has_blob(&descriptor.digest).await? {
        return Ok(Moved { blobs_present: 1, ..Moved::default() });
    }
    let bytes = from.blob(&descriptor.digest).await?;
    to.put_blob(&descriptor.digest, descriptor.size, bytes).await?;
    Ok(Moved { blobs: 1, blob_bytes: descriptor.size, ..Moved::default() })
}
