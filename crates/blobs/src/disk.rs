use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use sluice_model::Digest;

use crate::layout::{AWAY, Layout, UNNAMED, sync_folder};
use crate::upload::Growing;
use crate::{Algorithm, BlobEntry, BlobError, BucketUrl, Stored};

/// The folder of a blob store: every file of it, and the order in which they become durable.
pub(crate) struct Disk {
    pub layout: Layout,
    pub limit_bytes: u64,
}

impl Disk {
    /// Makes the folders, and removes what a crash left half written.
    pub fn prepare(&self) -> Result<(), BlobError> {
        let layout = &self.layout;
        let folders = Algorithm::ALL.map(|algorithm| layout.algorithm(algorithm));
        for folder in folders.iter().chain([&layout.uploads()]) {
            fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
        }
        sync_folder(layout.root()).map_err(|error| BlobError::at(layout.root(), error))?;
        for entry in entries(&layout.uploads())? {
            if entry.file_name().to_string_lossy().starts_with(UNNAMED) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Every blob, in no particular order. Files that are no blobs are passed over.
    pub fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let mut blobs = Vec::new();
        for algorithm in Algorithm::ALL {
            for prefix in entries(&self.layout.algorithm(algorithm))? {
                for entry in entries(&prefix.path())? {
                    blobs.extend(describe(algorithm, &entry)?);
                }
            }
        }
        Ok(blobs)
    }

    /// Sets a blob aside. False where it has gone or changed since it was listed.
    pub fn quarantine(&self, listed: &BlobEntry) -> Result<bool, BlobError> {
        let BlobEntry { is_away: _, digest, size_bytes, modified } = listed;
        let (path, place) = (self.layout.blob(digest), self.layout.quarantined(digest));
        let is_same = match fs::metadata(&path).and_then(|meta| Ok((meta.len(), meta.modified()?))) {
            Ok(now) => now == (*size_bytes, *modified),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(BlobError::at(&path, error)),
        };
        if is_same {
            let folder = place.parent().unwrap_or(self.layout.root());
            fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
            fs::rename(&path, &place).map_err(|error| BlobError::at(&path, error))?;
            sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
        }
        Ok(is_same)
    }

    /// When the file was written that stands for a blob in the bucket; none where there is none.
    pub fn modified_away(&self, digest: &Digest) -> Result<Option<SystemTime>, BlobError> {
        let path = self.layout.away(digest);
        match fs::metadata(&path).and_then(|meta| meta.modified()) {
            Ok(at) => Ok(Some(at)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::at(&path, error)),
        }
    }

    /// Forgets a blob. Whether its bytes were here, and whether they were in the bucket.
    pub fn remove(&self, digest: &Digest) -> Result<(bool, bool), BlobError> {
        let away = self.layout.away(digest);
        let was_away = remove(&away)?;
        if was_away && let Some(folder) = away.parent() {
            // An upload of the same bytes must not find the name of an object that is gone.
            sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
        }
        Ok((remove(&self.layout.blob(digest))?, was_away))
    }

    /// Writes down which bucket the folder's blobs are in; a folder that has some is never opened with another, or
    /// without.
    pub fn remember(&self, bucket: Option<&BucketUrl>) -> Result<(), BlobError> {
        let path = self.layout.bucket();
        let kept = match fs::read_to_string(&path) {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(BlobError::at(&path, error)),
        };
        match (kept, bucket) {
            (None, None) => Ok(()),
            (Some(kept), Some(url)) if kept == url.to_string() => Ok(()),
            (Some(kept), _) => Err(BlobError::OtherBucket { path: self.layout.root().to_owned(), kept }),
            (None, Some(url)) => self.write_whole(&path, &url.to_string()),
        }
    }

    pub fn create_unnamed(&self, expected: Option<&Digest>) -> Result<Growing, BlobError> {
        Growing::create(self.layout.unnamed(), expected.map_or(Algorithm::Sha256, Algorithm::of))
    }

    pub fn check_size(&self, size_bytes: u64) -> Result<(), BlobError> {
        if size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(())
    }

    /// A blob's size in bytes, wherever its bytes are; none where it is not there.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match size_of(&self.layout.blob(digest))? {
            Some(size_bytes) => Ok(Some(size_bytes)),
            None => self.size_away(digest),
        }
    }

    /// What the file that stands for a blob in the bucket says; none where there is none.
    pub fn size_away(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        size_away(&self.layout.away(digest))
    }

    /// Writes down that the bucket has a blob.
    pub fn note_away(&self, blob: &Stored) -> Result<(), BlobError> {
        self.write_whole(&self.layout.away(&blob.digest), &blob.size_bytes.to_string())
    }

    /// Writes a small file that is whole, and flushed together with its name, or not there.
    fn write_whole(&self, target: &Path, text: &str) -> Result<(), BlobError> {
        let new = self.layout.unnamed();
        let written = File::create_new(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| BlobError::at(&new, error))?;
        let folder = target.parent().unwrap_or(self.layout.root());
        self.rename(&new, target, folder)?;
        sync_folder(folder).map_err(|error| BlobError::at(folder, error))
    }

    /// Checks an upload's digest. After a wrong one the upload is gone.
    pub fn seal(&self, file: &mut Growing, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let size_bytes = file.length();
        match file.seal(expected) {
            Ok(digest) => Ok(Stored { digest, size_bytes }),
            Err(error) => {
                if matches!(error, BlobError::DigestMismatch { .. }) {
                    remove(file.path())?;
                }
                Err(error)
            }
        }
    }

    /// Flush, rename, flush the folder: in this order a blob that can be seen is whole, even after a power cut.
    pub fn install(&self, file: &mut Growing, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let Stored { digest, size_bytes } = self.seal(file, expected)?;
        let target = self.layout.blob(&digest);
        let folder = target.parent().unwrap_or(self.layout.root());
        if size_of(&target)? == Some(size_bytes) {
            remove(file.path())?;
        } else {
            self.rename(file.path(), &target, folder)?;
        }
        sync_folder(folder).map_err(|error| BlobError::at(folder, error))?;
        Ok(Stored { digest, size_bytes })
    }

    fn rename(&self, from: &Path, target: &Path, folder: &Path) -> Result<(), BlobError> {
        match fs::rename(from, target) {
            // The first blob with these two digits.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).map_err(|error| BlobError::at(folder, error))?;
                let parent = folder.parent().unwrap_or(self.layout.root());
                sync_folder(parent).map_err(|error| BlobError::at(parent, error))?;
                fs::rename(from, target).map_err(|error| BlobError::at(target, error))
            }
            other => other.map_err(|error| BlobError::at(target, error)),
        }
    }
}

fn describe(algorithm: Algorithm, entry: &fs::DirEntry) -> Result<Option<BlobEntry>, BlobError> {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let away = name.strip_suffix(AWAY);
    let Ok(digest) = format!("{}:{}", algorithm.as_str(), away.unwrap_or(&name)).parse() else {
        return Ok(None);
    };
    match entry.metadata() {
        Ok(meta) => {
            let modified = meta.modified().map_err(|error| BlobError::at(&entry.path(), error))?;
            let size_bytes = match away {
                Some(_) => size_away(&entry.path())?.unwrap_or(0),
                None => meta.len(),
            };
            Ok(Some(BlobEntry { digest, size_bytes, modified, is_away: away.is_some() }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(&entry.path(), error)),
    }
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, BlobError> {
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    read.map_err(|error| BlobError::at(folder, error))
}

fn size_of(path: &Path) -> Result<Option<u64>, BlobError> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

/// What the file that stands for a blob in the bucket says.
fn size_away(path: &Path) -> Result<Option<u64>, BlobError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let size = text.parse().map_err(|error| BlobError::at(path, io::Error::other(error)))?;
            Ok(Some(size))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::at(path, error)),
    }
}

pub(crate) fn remove(path: &Path) -> Result<bool, BlobError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::at(path, error)),
    }
}
