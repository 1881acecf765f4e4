use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sluice_model::{Digest, InvalidName};
use uuid::Uuid;

use crate::layout::UNNAMED;
use crate::{Algorithm, BlobError, Hasher};

/// Names one resumable upload. It cannot be guessed, and survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

impl UploadId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // Only the form that `Display` writes: an id has one spelling, and so one file.
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().to_string() == text => Ok(Self(uuid)),
            _ => Err(InvalidName {
                kind: "upload",
                seen: text.chars().take(80).collect(),
                expected: "expected the UUID of the Location header",
            }),
        }
    }
}

/// A growing file and the digest of what it holds.
pub(crate) struct Growing {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    length: u64,
}

impl Growing {
    pub fn create(path: PathBuf, algorithm: Algorithm) -> Result<Self, BlobError> {
        let file = OpenOptions::new().create_new(true).append(true).read(true).open(&path);
        let file = file.map_err(|error| BlobError::at(&path, error))?;
        Ok(Self { path, file, hasher: Hasher::new(algorithm), length: 0 })
    }

    /// Opens what an earlier process left, and reads it once to know its digest so far.
    pub fn reopen(path: PathBuf, algorithm: Algorithm) -> Result<Option<Self>, BlobError> {
        match OpenOptions::new().append(true).read(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::at(&path, error)),
            Ok(file) => {
                let (hasher, length) = hash_file(&path, algorithm)?;
                Ok(Some(Self { path, file, hasher, length }))
            }
        }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends all of `chunks`. After an error the file is cut back to what the digest covers.
    pub fn append(&mut self, chunks: &[Bytes]) -> Result<(), BlobError> {
        let before = self.length;
        if let Err(error) = write_all_vectored(&mut self.file, chunks) {
            let _ = self.file.set_len(before);
            return Err(BlobError::at(&self.path, error));
        }
        for chunk in chunks {
            self.hasher.update(chunk);
            self.length += chunk.len() as u64;
        }
        Ok(())
    }

    /// Checks the digest and flushes the bytes to the disk. The file is not in its place yet.
    pub fn seal(&self, expected: Option<&Digest>) -> Result<Digest, BlobError> {
        let algorithm = expected.map_or(self.hasher.algorithm(), Algorithm::of);
        let actual = if algorithm == self.hasher.algorithm() {
            self.hasher.clone().finish()
        } else {
            hash_file(&self.path, algorithm)?.0.finish()
        };
        if let Some(expected) = expected
            && *expected != actual
        {
            return Err(BlobError::DigestMismatch { expected: expected.clone(), actual });
        }
        self.file.sync_all().map_err(|error| BlobError::at(&self.path, error))?;
        Ok(actual)
    }
}

/// A file that is dropped before it was put into its place, and that no one can find again, is removed.
impl Drop for Growing {
    fn drop(&mut self) {
        let unnamed = self.path().file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNNAMED));
        if unnamed {
            // It is gone already where it became a blob.
            let _ = std::fs::remove_file(self.path());
        }
    }
}

fn hash_file(path: &Path, algorithm: Algorithm) -> Result<(Hasher, u64), BlobError> {
    let mut file = File::open(path).map_err(|error| BlobError::at(path, error))?;
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher, length)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BlobError::at(path, error)),
        }
    }
}

fn write_all_vectored(file: &mut File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut rest = &mut slices[..];
    // Drops leading empty slices, so that a write of nothing is told from a full device.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many uploads may keep their file open between requests.
const KEPT_OPEN: usize = 256;

/// The uploads that this process has open, each with one writer at a time.
#[derive(Default)]
pub(crate) struct OpenUploads(Mutex<HashMap<UploadId, Arc<tokio::sync::Mutex<Option<Growing>>>>>);

impl OpenUploads {
    /// The place of one upload; empty until its file was opened by this process.
    pub fn slot(&self, id: UploadId) -> Arc<tokio::sync::Mutex<Option<Growing>>> {
        let mut uploads = self.lock();
        if uploads.len() >= KEPT_OPEN {
            // Those that nobody is writing to are opened, and read, again when they go on.
            uploads.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        uploads.entry(id).or_default().clone()
    }

    /// Closes an upload's file before its removal. False while a request has it.
    pub fn close_idle(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(id) = name.get(..36).and_then(|id| id.parse::<UploadId>().ok()) else { return true };
        let mut uploads = self.lock();
        let is_free = uploads.get(&id).is_none_or(|slot| Arc::strong_count(slot) == 1);
        if is_free {
            uploads.remove(&id);
        }
        is_free
    }

    pub fn forget(&self, id: UploadId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UploadId, Arc<tokio::sync::Mutex<Option<Growing>>>>> {
        // The map is whole at every moment, whoever panicked while holding it.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_by_name() {
        // The kernel's own full device: every write to it fails as on a full disk.
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).read(true).open(&path).unwrap();
        let mut growing = Growing { path, file, hasher: Hasher::new(Algorithm::Sha256), length: 0 };
        let refused = growing.append(&[Bytes::from_static(b"bytes")]);
        assert!(matches!(refused, Err(BlobError::DiskFull { .. })), "{refused:?}");
        assert_eq!(growing.length(), 0);
    }

    #[test]
    fn an_upload_has_one_spelling() {
        let id = UploadId::new();
        assert_eq!(id.to_string().parse::<UploadId>().unwrap(), id);
        let upper = id.to_string().to_uppercase();
        for wrong in ["", "new-x", "../../etc", &upper, &id.to_string().replace('-', "")] {
            assert!(wrong.parse::<UploadId>().is_err(), "{wrong} was taken");
        }
    }
}
