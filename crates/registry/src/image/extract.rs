use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sluice_blobs::{Algorithm, Hasher};
use sluice_model::Digest;

use super::{ImageError, within};
use crate::Image;

/// What unpacking may use at most: a small layer can hold a very large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024 * 1024 * 1024, entries: 4_000_000 }
    }
}

/// An image that is now a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    pub image: Image,
    pub entries: u64,
    pub bytes: u64,
    /// Devices, pipes and sockets, which a folder on a host does not get.
    pub skipped: Vec<PathBuf>,
}

/// Puts layers on each other in a folder (OCI image-spec 1.1, layer.md, "Applying Changesets").
///
/// Files belong to who runs this; set-user-id, set-group-id and sticky bits, extended attributes and devices are left
/// out. Nothing is written outside of the folder, whatever the layers say.
pub(crate) struct Extractor {
    root: PathBuf,
    limits: Limits,
    pub entries: u64,
    pub bytes: u64,
    pub skipped: Vec<PathBuf>,
    /// Given at the end, so that a folder that must not be written can be filled first.
    folder_modes: BTreeMap<PathBuf, u32>,
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Extractor {
    /// The folder must be empty, or not there.
    pub fn new(root: &Path, limits: Limits) -> Result<Self, ImageError> {
        fs::create_dir_all(root).map_err(ImageError::at(root))?;
        if fs::read_dir(root).map_err(ImageError::at(root))?.next().is_some() {
            let source = io::Error::other("the folder is not empty: an image is unpacked into a new one");
            return Err(ImageError::Io { path: root.to_owned(), source });
        }
        // Links are followed from here on, so that the folder's own path must have none.
        let root = root.canonicalize().map_err(ImageError::at(root))?;
        Ok(Self { root, limits, entries: 0, bytes: 0, skipped: Vec::new(), folder_modes: BTreeMap::new() })
    }

    /// Applies one layer. The digest of its uncompressed bytes must be `diff_id`.
    pub fn apply(&mut self, layer: &Digest, diff_id: &Digest, packed: impl Read) -> Result<(), ImageError> {
        let failed = |reason: String| ImageError::Layer { layer: layer.clone(), reason };
        let plain = decompress(packed).map_err(|error| failed(error.to_string()))?;
        let mut counted = Hashing { inner: plain, hasher: Hasher::new(Algorithm::of(diff_id)) };
        let mut fresh = std::collections::HashSet::new();
        let mut archive = tar::Archive::new(&mut counted);
        for entry in archive.entries().map_err(|error| failed(error.to_string()))? {
            let mut entry = entry.map_err(|error| failed(error.to_string()))?;
            let path = entry.path().map_err(|error| failed(error.to_string()))?.into_owned();
            self.entry(&mut entry, &path, &mut fresh)
                .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        }
        // Whatever is behind the last entry belongs to the digest too.
        let mut rest = counted.by_ref().take(self.limits.bytes.saturating_sub(self.bytes));
        io::copy(&mut rest, &mut io::sink()).map_err(|error| failed(error.to_string()))?;
        match counted.hasher.finish() {
            actual if actual == *diff_id => Ok(()),
            actual => Err(failed(format!("its content has the digest {actual}, not {diff_id}"))),
        }
    }

    /// Gives folders their modes: the deepest first, for one that may not be entered hides what is below.
    pub fn finish(&mut self) -> Result<(), ImageError> {
        for (path, mode) in std::mem::take(&mut self.folder_modes).into_iter().rev() {
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {
                    fs::set_permissions(&path, Permissions::from_mode(mode))
                        .map_err(ImageError::at(&path))?;
                }
                // A later layer took it away.
                _ => {}
            }
        }
        Ok(())
    }

    /// `fresh` has what this layer wrote itself, which its own opaque whiteouts leave alone.
    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        path: &Path,
        fresh: &mut std::collections::HashSet<PathBuf>,
    ) -> io::Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(io::Error::other(format!("the image has more than {} entries", self.limits.entries)));
        }
        let kind = entry.header().entry_type();
        let is_root = path
            .components()
            .all(|part| matches!(part, std::path::Component::CurDir | std::path::Component::RootDir));
        if is_root {
            return Ok(());
        }
        let target = within::join(&self.root, path)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = target.parent().unwrap_or(&self.root).to_owned();
        if name == OPAQUE {
            return clear(&folder, fresh);
        }
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            if gone.is_empty() || gone == "." || gone == ".." {
                return Err(io::Error::other("the whiteout names nothing"));
            }
            return remove(&folder.join(gone));
        }
        self.make_folders(&folder)?;
        let mode = entry.header().mode()? & 0o777;
        match kind {
            tar::EntryType::Directory => {
                if !fs::symlink_metadata(&target).is_ok_and(|meta| meta.is_dir()) {
                    remove(&target)?;
                    fs::create_dir(&target)?;
                }
                fs::set_permissions(&target, Permissions::from_mode(mode | 0o700))?;
                self.folder_modes.insert(target.clone(), mode);
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                remove(&target)?;
                self.file(entry, &target, mode)?;
            }
            tar::EntryType::Symlink => {
                let link = entry.link_name()?.ok_or_else(|| io::Error::other("the link has no target"))?;
                remove(&target)?;
                symlink(&link, &target)?;
            }
            tar::EntryType::Link => {
                let link = entry.link_name()?.ok_or_else(|| io::Error::other("the link has no target"))?;
                let existing = within::join(&self.root, &link)?;
                if existing != target {
                    remove(&target)?;
                    // Of a symbolic link this makes another name of the link itself.
                    fs::hard_link(&existing, &target)?;
                }
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => {
                self.skipped.push(path.to_owned());
            }
            tar::EntryType::XGlobalHeader => {}
            other => {
                return Err(io::Error::other(format!("entries of the type {other:?} are not supported")));
            }
        }
        fresh.insert(target);
        Ok(())
    }

    fn file<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, target: &Path, mode: u32) -> io::Result<()> {
        let left = self.limits.bytes.saturating_sub(self.bytes);
        if entry.size() > left {
            return Err(io::Error::other(format!("the image has more than {} bytes", self.limits.bytes)));
        }
        let mut file = File::create_new(target)?;
        self.bytes += io::copy(&mut entry.by_ref().take(left), &mut file)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        let mtime_s = entry.header().mtime()?;
        // A time that the system cannot express is no reason to fail.
        if let Some(mtime) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(mtime_s)) {
            let _ = file.set_modified(mtime);
        }
        Ok(())
    }

    /// Folders that a layer leaves out above its entries. A file in the way gives way.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root || fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir()) {
            return Ok(());
        }
        self.make_folders(folder.parent().unwrap_or(&self.root))?;
        remove(folder)?;
        fs::create_dir(folder)
    }
}

/// Removes what lower layers put into a folder.
fn clear(folder: &Path, fresh: &std::collections::HashSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if !fresh.iter().any(|kept| kept.starts_with(&path)) {
            remove(&path)?;
        } else if fs::symlink_metadata(&path)?.is_dir() {
            clear(&path, fresh)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A file stands where a folder should be: what was below it is gone.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        Err(error) => Err(error),
    }
}

/// Told by the first bytes, for media types are not always right.
pub(crate) fn decompress<'a>(mut packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = [0; 4];
    let mut count = 0;
    while count < first.len() {
        match packed.read(&mut first[count..])? {
            0 => break,
            more => count += more,
        }
    }
    let whole = io::Cursor::new(first[..count].to_vec()).chain(packed);
    Ok(match first {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
