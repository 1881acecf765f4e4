use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::{ImageError, within};

/// A layout folder in a tar file, opened in a temporary folder.
pub(crate) struct Archive {
    layout: Layout,
    file: PathBuf,
    // Last, so that it goes after what is in it.
    _folder: Scratch,
}

impl Archive {
    pub async fn open(file: &Path) -> Result<Self, ImageError> {
        let folder = Scratch::new()?;
        let (from, into) = (file.to_owned(), folder.path().to_owned());
        blocking(file, move || unpack(&from, &into)).await?;
        let layout = Layout::open(folder.path().to_owned()).await?;
        Ok(Self { layout, file: file.to_owned(), _folder: folder })
    }

    /// An archive that is there already is added to.
    pub async fn create(file: &Path) -> Result<Self, ImageError> {
        if file.try_exists().map_err(ImageError::at(file))? {
            return Self::open(file).await;
        }
        let folder = Scratch::new()?;
        let layout = Layout::create(folder.path().to_owned()).await?;
        Ok(Self { layout, file: file.to_owned(), _folder: folder })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the tar file: sorted and without times, so that the same images give the same file.
    pub async fn close(self) -> Result<(), ImageError> {
        let (folder, file) = (self.layout.folder().to_owned(), self.file.clone());
        blocking(&self.file, move || pack(&folder, &file)).await
    }
}

/// A folder that goes away when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Result<Self, ImageError> {
        let path = std::env::temp_dir().join(format!("sluice-image-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).map_err(ImageError::at(&path))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a temporary folder could not be removed");
        }
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|join| ImageError::at(path)(std::io::Error::other(join)))?
}

/// Only regular files count in a layout; anything else in the archive is passed over.
fn unpack(file: &Path, into: &Path) -> Result<(), ImageError> {
    let mut archive = tar::Archive::new(File::open(file).map_err(ImageError::at(file))?);
    for entry in archive.entries().map_err(ImageError::at(file))? {
        let mut entry = entry.map_err(ImageError::at(file))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(ImageError::at(file))?.into_owned();
        let target = within::join(into, &path).map_err(ImageError::at(file))?;
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(ImageError::at(folder))?;
        }
        let mut out = File::create(&target).map_err(ImageError::at(&target))?;
        std::io::copy(&mut entry, &mut out).map_err(ImageError::at(&target))?;
    }
    Ok(())
}

fn pack(folder: &Path, file: &Path) -> Result<(), ImageError> {
    let new = file.with_extension(format!("new-{}", uuid::Uuid::now_v7()));
    let written = write(folder, &new).and_then(|()| fs::rename(&new, file).map_err(ImageError::at(file)));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&new);
    }
    written
}

fn write(folder: &Path, new: &Path) -> Result<(), ImageError> {
    let mut names = vec!["index.json".to_owned(), "oci-layout".to_owned()];
    let blobs = folder.join("blobs");
    for algorithm in sorted(&blobs)? {
        for hex in sorted(&blobs.join(&algorithm))? {
            names.push(format!("blobs/{algorithm}/{hex}"));
        }
    }
    let mut archive = tar::Builder::new(File::create_new(new).map_err(ImageError::at(new))?);
    for name in names {
        let path = folder.join(&name);
        let content = File::open(&path).map_err(ImageError::at(&path))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(content.metadata().map_err(ImageError::at(&path))?.len());
        header.set_mode(0o644);
        archive.append_data(&mut header, &name, content).map_err(ImageError::at(new))?;
    }
    let file = archive.into_inner().map_err(ImageError::at(new))?;
    file.sync_all().map_err(ImageError::at(new))
}

fn sorted(folder: &Path) -> Result<Vec<String>, ImageError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(ImageError::at(folder))? {
        let entry = entry.map_err(ImageError::at(folder))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
