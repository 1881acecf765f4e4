use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sluice_blobs::{Algorithm, Hasher};
use sluice_model::Digest;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::ImageError;
use super::store::Bytestream;
use crate::{Descriptor, ImageIndex, Manifest, Reference, Tag, media_type};

/// An OCI layout folder (OCI image-spec 1.1, image-layout.md).
pub(crate) struct Layout {
    folder: PathBuf,
    /// One writer of `index.json` at a time.
    indexing: tokio::sync::Mutex<()>,
}

/// The annotation that carries a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The largest `index.json` that is read.
const INDEX_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

impl Layout {
    pub async fn open(folder: PathBuf) -> Result<Self, ImageError> {
        let marker = folder.join("oci-layout");
        let wrong = |reason: String| ImageError::Layout { place: folder.display().to_string(), reason };
        let text = tokio::fs::read(&marker)
            .await
            .map_err(|error| wrong(format!("its file `oci-layout` cannot be read ({error})")))?;
        let marker: Marker = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("its file `oci-layout` is not valid ({error})")))?;
        if marker.image_layout_version != "1.0.0" {
            let version = marker.image_layout_version;
            return Err(wrong(format!("its version is `{version}`, expected `1.0.0`")));
        }
        Ok(Self { folder, indexing: tokio::sync::Mutex::default() })
    }

    /// Opens the folder, or makes an empty one. A folder with other content is left alone.
    pub async fn create(folder: PathBuf) -> Result<Self, ImageError> {
        let is_new = match fs::read_dir(&folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(ImageError::at(&folder)(error)),
        };
        if is_new {
            let blobs = folder.join("blobs/sha256");
            fs::create_dir_all(&blobs).map_err(ImageError::at(&blobs))?;
            write_json(&folder.join("index.json"), &empty_index())?;
            let marker = Marker { image_layout_version: "1.0.0".to_owned() };
            write_json(&folder.join("oci-layout"), &marker)?;
        }
        Self::open(folder).await
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// What `index.json` lists.
    pub fn index(&self) -> Result<ImageIndex, ImageError> {
        let path = self.folder.join("index.json");
        let size = fs::metadata(&path).map_err(ImageError::at(&path))?.len();
        if size > INDEX_LIMIT_BYTES {
            let limit = format!("{INDEX_LIMIT_BYTES} bytes");
            return Err(ImageError::TooLarge { what: path.display().to_string(), limit });
        }
        let text = fs::read(&path).map_err(ImageError::at(&path))?;
        let wrong = |error: serde_json::Error| ImageError::Layout {
            place: self.place(),
            reason: format!("its file `index.json` is not valid ({error})"),
        };
        serde_json::from_slice(&text).map_err(wrong)
    }

    pub async fn manifest(&self, reference: &Reference) -> Result<(Option<String>, Bytes), ImageError> {
        let not_found = || ImageError::NotFound { place: self.place(), reference: reference.to_string() };
        let listed = self.index()?.manifests.into_iter().find(|manifest| match reference {
            Reference::Tag(tag) => tag_of(manifest).as_ref() == Some(tag),
            Reference::Digest(digest) => manifest.digest == *digest,
        });
        let (digest, media_type) = match (listed, reference) {
            (Some(listed), _) => (listed.digest, Some(listed.media_type)),
            // A manifest that only an index names is not listed.
            (None, Reference::Digest(digest)) => (digest.clone(), None),
            (None, Reference::Tag(_)) => return Err(not_found()),
        };
        let path = self.path(&digest);
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_found()),
            Err(error) => return Err(ImageError::at(&path)(error)),
            Ok(meta) if meta.len() > Manifest::MAX_BYTES as u64 => {
                let limit = format!("{} bytes", Manifest::MAX_BYTES);
                return Err(ImageError::TooLarge { what: format!("the manifest {digest}"), limit });
            }
            Ok(_) => {}
        }
        let bytes = fs::read(&path).map_err(ImageError::at(&path))?;
        if sluice_blobs::digest_of(Algorithm::of(&digest), &bytes) != digest {
            return Err(ImageError::Damaged { place: self.place(), digest });
        }
        Ok((media_type, bytes.into()))
    }

    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        let path = self.path(digest);
        path.try_exists().map_err(ImageError::at(&path))
    }

    pub async fn blob(&self, digest: &Digest) -> Result<Bytestream, ImageError> {
        let path = self.path(digest);
        match tokio::fs::File::open(&path).await {
            Ok(file) => Ok(ReaderStream::with_capacity(file, 256 * 1024).boxed()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(ImageError::NotFound { place: self.place(), reference: digest.to_string() })
            }
            Err(error) => Err(ImageError::at(&path)(error)),
        }
    }

    pub async fn put_blob(&self, digest: &Digest, mut bytes: Bytestream) -> Result<(), ImageError> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.folder);
        tokio::fs::create_dir_all(folder).await.map_err(ImageError::at(folder))?;
        let new = Unfinished(folder.join(format!(".new-{}", uuid::Uuid::now_v7())));
        let mut file = tokio::fs::File::create_new(&new.0).await.map_err(ImageError::at(&new.0))?;
        let mut hasher = Hasher::new(Algorithm::of(digest));
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(ImageError::at(&path))?;
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(ImageError::at(&new.0))?;
        }
        if hasher.finish() != *digest {
            return Err(ImageError::Damaged { place: "the source".to_owned(), digest: digest.clone() });
        }
        file.sync_all().await.map_err(ImageError::at(&new.0))?;
        tokio::fs::rename(&new.0, &path).await.map_err(ImageError::at(&path))
    }

    /// A tag is listed in `index.json`, taken away from what had it before. A push by digest is not listed, for
    /// it is a part of what follows.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<(), ImageError> {
        let size = bytes.len() as u64;
        self.put_blob(digest, futures_util::stream::iter([Ok(bytes)]).boxed()).await?;
        let Reference::Tag(tag) = reference else { return Ok(()) };
        let mut listed = Descriptor::new(media_type, digest.clone(), size);
        listed.annotations.insert(REF_NAME.to_owned(), tag.to_string());
        let _indexing = self.indexing.lock().await;
        let mut index = self.index()?;
        index.manifests.retain(|other| tag_of(other).as_ref() != Some(tag));
        index.manifests.push(listed);
        write_json(&self.folder.join("index.json"), &index)
    }

    /// Takes entries out of `index.json`, and gives their number. Blobs stay, for others may share them.
    pub async fn unlist(&self, reference: &Reference) -> Result<usize, ImageError> {
        let _indexing = self.indexing.lock().await;
        let mut index = self.index()?;
        let before = index.manifests.len();
        index.manifests.retain(|listed| match reference {
            Reference::Tag(tag) => tag_of(listed).as_ref() != Some(tag),
            Reference::Digest(digest) => listed.digest != *digest,
        });
        let removed = before - index.manifests.len();
        if removed > 0 {
            write_json(&self.folder.join("index.json"), &index)?;
        }
        Ok(removed)
    }
}

/// The tag of an entry of `index.json`; none where it has no name, or one that is no tag.
pub(crate) fn tag_of(listed: &Descriptor) -> Option<Tag> {
    listed.annotations.get(REF_NAME)?.parse().ok()
}

fn empty_index() -> ImageIndex {
    ImageIndex {
        schema_version: 2,
        media_type: Some(media_type::OCI_INDEX.to_owned()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: Default::default(),
    }
}

/// Removes a file that did not reach its place.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone already where it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ImageError> {
    let text = serde_json::to_vec(value).map_err(|error| ImageError::at(path)(error.into()))?;
    let new = Unfinished(path.with_extension(format!("new-{}", uuid::Uuid::now_v7())));
    let written = fs::File::create_new(&new.0).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.map_err(ImageError::at(&new.0))?;
    fs::rename(&new.0, path).map_err(ImageError::at(path))
}
