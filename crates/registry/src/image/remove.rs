use super::store::Store;
use super::{ImageError, Location};

/// Takes a tag, or a manifest with its tags, away from a registry, a layout folder or an archive. The blobs of a folder
/// stay, for other images may share them.
pub async fn remove(image: &Location) -> Result<(), ImageError> {
    let reference = image.reference().ok_or_else(|| ImageError::NoReference(image.to_string()))?;
    let store = Store::open(image).await?;
    let layout = match &store {
        Store::Remote(remote) => return remote.delete_manifest(reference).await,
        Store::Layout(layout) => layout,
        Store::Archive(archive) => archive.layout(),
        Store::Local(_, repository) => {
            return Err(ImageError::Unsupported(format!(
                "removing from {repository} other than over the network"
            )));
        }
    };
    if layout.unlist(reference).await? == 0 {
        return Err(ImageError::NotFound { place: store.place(), reference: reference.to_string() });
    }
    store.close().await
}
