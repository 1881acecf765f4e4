use serde::Serialize;
use sluice_model::Digest;

use super::store::Store;
use super::{Endpoint, ImageError, Location, layout, remote};
use crate::{ImageRepository, Reference, Tag};

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub tag: Option<Tag>,
    /// What the tag points to.
    pub digest: Digest,
    pub media_type: String,
}

/// The images of a repository, a layout folder or an archive. A reference in `place` is not looked at.
pub async fn list(place: &Location) -> Result<Vec<Listed>, ImageError> {
    let store = Store::open(place).await?;
    let index = match &store {
        Store::Layout(layout) => layout.index()?,
        Store::Archive(archive) => archive.layout().index()?,
        Store::Remote(_) | Store::Local(..) => return tagged(&store).await,
    };
    let listed = index.manifests.into_iter().map(|entry| Listed {
        tag: layout::tag_of(&entry),
        digest: entry.digest,
        media_type: entry.media_type,
    });
    Ok(listed.collect())
}

/// The repositories of a registry, where it tells.
pub async fn repositories(of: &Endpoint) -> Result<Vec<ImageRepository>, ImageError> {
    remote::catalog(of).await
}

async fn tagged(store: &Store) -> Result<Vec<Listed>, ImageError> {
    let tags = match store {
        Store::Remote(remote) => remote.tags().await?,
        Store::Local(registry, repository) => registry.tags(repository).await?,
        Store::Layout(_) | Store::Archive(_) => Vec::new(),
    };
    let mut found = Vec::new();
    for tag in tags {
        let fetched = match store.manifest(&Reference::Tag(tag.clone())).await {
            Ok(fetched) => fetched,
            // Taken away since the tags were listed.
            Err(ImageError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        found.push(Listed { tag: Some(tag), digest: fetched.digest, media_type: fetched.media_type });
    }
    Ok(found)
}
