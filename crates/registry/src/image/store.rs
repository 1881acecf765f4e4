use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use sluice_blobs::{Algorithm, Hasher};
use sluice_model::Digest;

use super::archive::Archive;
use super::layout::Layout;
use super::remote::Remote;
use super::{ImageError, Location, choose, platforms};
use crate::{
    Descriptor, ImageConfig, ImageManifest, ImageRepository, Manifest, Platform, Reference, Registry,
};

/// A manifest's bytes as they are in a store, already checked against their digest.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
    pub manifest: Manifest,
}

/// One place that holds manifests and blobs, opened.
pub(crate) enum Store {
    Layout(Layout),
    Archive(Archive),
    Remote(Remote),
    /// The registry in this process, for reading.
    Local(Arc<Registry>, ImageRepository),
}

pub(crate) type Bytestream = BoxStream<'static, io::Result<Bytes>>;

impl Store {
    pub async fn open(location: &Location) -> Result<Self, ImageError> {
        Ok(match location {
            Location::Layout { folder, .. } => Self::Layout(Layout::open(folder.clone()).await?),
            Location::Archive { file, .. } => Self::Archive(Archive::open(file).await?),
            Location::Registry { endpoint, repository, .. } => {
                Self::Remote(Remote::new(endpoint.clone(), repository.clone())?)
            }
        })
    }

    /// As `open`, making the folder or the archive where it is not there yet.
    pub async fn create(location: &Location) -> Result<Self, ImageError> {
        Ok(match location {
            Location::Layout { folder, .. } => Self::Layout(Layout::create(folder.clone()).await?),
            Location::Archive { file, .. } => Self::Archive(Archive::create(file).await?),
            Location::Registry { .. } => Self::open(location).await?,
        })
    }

    /// How messages name this place.
    pub fn place(&self) -> String {
        match self {
            Self::Layout(layout) => layout.place(),
            Self::Archive(archive) => archive.layout().place(),
            Self::Remote(remote) => remote.place(),
            Self::Local(_, repository) => repository.to_string(),
        }
    }

    pub async fn manifest(&self, reference: &Reference) -> Result<Fetched, ImageError> {
        let (media_type, bytes) = match self {
            Self::Layout(layout) => layout.manifest(reference).await?,
            Self::Archive(archive) => archive.layout().manifest(reference).await?,
            Self::Remote(remote) => remote.manifest(reference).await?,
            Self::Local(registry, repository) => {
                let stored = registry.manifest(repository, reference).await?;
                (Some(stored.media_type), stored.bytes)
            }
        };
        let algorithm = match reference {
            Reference::Digest(digest) => Algorithm::of(digest),
            Reference::Tag(_) => Algorithm::Sha256,
        };
        let digest = sluice_blobs::digest_of(algorithm, &bytes);
        if let Reference::Digest(wanted) = reference
            && *wanted != digest
        {
            return Err(ImageError::Damaged { place: self.place(), digest: wanted.clone() });
        }
        let (manifest, media_type) = Manifest::parse(&bytes, media_type.as_deref())?;
        Ok(Fetched { digest, media_type, bytes, manifest })
    }

    /// The image that a reference names: of an index, the one for a platform.
    pub async fn image(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<(Fetched, ImageManifest), ImageError> {
        let mut fetched = self.manifest(reference).await?;
        if let Manifest::Index(index) = &fetched.manifest {
            let chosen = choose(&index.manifests, platform).ok_or_else(|| ImageError::NoSuchPlatform {
                place: format!("{}{}", self.place(), reference.suffix()),
                wanted: platform.to_string(),
                present: platforms(&index.manifests),
            })?;
            fetched = self.manifest(&Reference::Digest(chosen.digest.clone())).await?;
        }
        match fetched.manifest.clone() {
            Manifest::Image(image) => Ok((fetched, image)),
            Manifest::Index(_) => Err(ImageError::Unsupported("an index within an index".to_owned())),
        }
    }

    pub async fn config(&self, descriptor: &Descriptor) -> Result<ImageConfig, ImageError> {
        let bytes = self.small_blob(descriptor, crate::pull::CONFIG_LIMIT_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|error| ImageError::Config {
            digest: descriptor.digest.clone(),
            reason: error.to_string(),
        })
    }

    /// A blob in memory, checked.
    pub async fn small_blob(&self, descriptor: &Descriptor, limit_bytes: u64) -> Result<Bytes, ImageError> {
        let too_large = || ImageError::TooLarge {
            what: format!("the blob {}", descriptor.digest),
            limit: format!("{limit_bytes} bytes"),
        };
        if descriptor.size > limit_bytes {
            return Err(too_large());
        }
        let mut stream = self.blob(&descriptor.digest).await?;
        let mut bytes = bytes::BytesMut::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| self.damaged(&descriptor.digest))?;
            if (bytes.len() + piece.len()) as u64 > limit_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// A blob's bytes. The stream ends with an error when they do not have the digest.
    pub async fn blob(&self, digest: &Digest) -> Result<Bytestream, ImageError> {
        let bytes: Bytestream = match self {
            Self::Layout(layout) => layout.blob(digest).await?,
            Self::Archive(archive) => archive.layout().blob(digest).await?,
            Self::Remote(remote) => remote.blob(digest).await?,
            Self::Local(registry, repository) => {
                let file = registry.blob(repository, digest).await?;
                file.stream(0..file.size_bytes()).boxed()
            }
        };
        Ok(verified(bytes, digest.clone()))
    }

    /// What says that it is about a manifest. A layout folder tells nothing of it.
    pub async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, ImageError> {
        match self {
            Self::Remote(remote) => remote.referrers(digest).await,
            Self::Local(registry, repository) => Ok(registry.referrers(repository, digest).await?),
            Self::Layout(_) | Self::Archive(_) => Err(ImageError::Unsupported(
                "finding statements in a layout folder or an archive: verify the image where it was pushed to".to_owned(),
            )),
        }
    }

    pub fn damaged(&self, digest: &Digest) -> ImageError {
        ImageError::Damaged { place: self.place(), digest: digest.clone() }
    }

    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        match self {
            Self::Layout(layout) => layout.has_blob(digest).await,
            Self::Archive(archive) => archive.layout().has_blob(digest).await,
            Self::Remote(remote) => remote.has_blob(digest).await,
            Self::Local(registry, repository) => match registry.blob(repository, digest).await {
                Ok(_) => Ok(true),
                Err(crate::RegistryError::BlobUnknown { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            },
        }
    }

    pub async fn put_blob(&self, digest: &Digest, size: u64, bytes: Bytestream) -> Result<(), ImageError> {
        match self {
            Self::Layout(layout) => layout.put_blob(digest, bytes).await,
            Self::Archive(archive) => archive.layout().put_blob(digest, bytes).await,
            Self::Remote(remote) => remote.put_blob(digest, size, bytes).await,
            Self::Local(_, repository) => Err(read_only(repository)),
        }
    }

    /// Writes a manifest, under a tag or only under its digest.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<(), ImageError> {
        match self {
            Self::Layout(layout) => layout.put_manifest(reference, media_type, digest, bytes).await,
            Self::Archive(archive) => {
                archive.layout().put_manifest(reference, media_type, digest, bytes).await
            }
            Self::Remote(remote) => remote.put_manifest(reference, media_type, bytes).await,
            Self::Local(_, repository) => Err(read_only(repository)),
        }
    }

    /// Ends writing: an archive becomes a file only now.
    pub async fn close(self) -> Result<(), ImageError> {
        match self {
            Self::Archive(archive) => archive.close().await,
            Self::Layout(_) | Self::Remote(_) | Self::Local(..) => Ok(()),
        }
    }
}

fn read_only(repository: &ImageRepository) -> ImageError {
    ImageError::Unsupported(format!("writing to {repository} other than over the network"))
}

/// Passes bytes on and, at their end, compares their digest.
fn verified(bytes: Bytestream, digest: Digest) -> Bytestream {
    let hasher = Hasher::new(Algorithm::of(&digest));
    let checked = futures_util::stream::try_unfold(Some((bytes, hasher)), move |state| {
        let digest = digest.clone();
        async move {
            let Some((mut bytes, mut hasher)) = state else { return Ok(None) };
            match bytes.try_next().await? {
                Some(piece) => {
                    hasher.update(&piece);
                    Ok(Some((piece, Some((bytes, hasher)))))
                }
                None if hasher.finish() == digest => Ok(None),
                None => Err(io::Error::other(format!("the bytes do not have the digest {digest}"))),
            }
        }
    });
    checked.boxed()
}
