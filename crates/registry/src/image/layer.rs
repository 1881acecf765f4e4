use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sluice_blobs::{Algorithm, Hasher};
use sluice_model::Digest;

use super::ImageError;

/// Something to put into an image: a file, or a folder with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub from: PathBuf,
    /// The absolute path in the image: of the file itself, or of the folder that gets what is in `from`.
    pub to: String,
}

/// A layer in a file of its own.
pub(crate) struct Layer {
    pub file: PathBuf,
    /// Of the compressed bytes.
    pub digest: Digest,
    pub size_bytes: u64,
    /// Of the uncompressed bytes.
    pub diff_id: Digest,
}

/// What stands at one path of the layer.
enum Entry {
    Folder,
    File(PathBuf),
    Link(PathBuf),
}

/// Writes a layer that depends only on names, contents, links and execute bits: sorted, owned by root, one time for
/// all, modes 755 and 644. Blocks.
pub(crate) fn write(contents: &[Content], mtime_s: u64, file: &Path) -> Result<Layer, ImageError> {
    let mut entries = BTreeMap::new();
    for content in contents {
        collect(content, &mut entries)?;
    }
    let out = File::create_new(file).map_err(ImageError::at(file))?;
    let compressed = Hashing::new(BufWriter::with_capacity(256 * 1024, out));
    // Neither a name nor a time goes into the gzip header.
    let gzip = GzBuilder::new().mtime(0).write(compressed, Compression::default());
    let mut tar = tar::Builder::new(Hashing::new(gzip));
    for (path, entry) in &entries {
        append(&mut tar, path, entry, mtime_s)?;
    }
    let plain = tar.into_inner().map_err(ImageError::at(file))?;
    let diff_id = plain.hasher.finish();
    let compressed = plain.inner.finish().map_err(ImageError::at(file))?;
    let (digest, size_bytes) = (compressed.hasher.finish(), compressed.length);
    compressed.inner.into_inner().map_err(|error| ImageError::at(file)(error.into_error()))?;
    Ok(Layer { file: file.to_owned(), digest, size_bytes, diff_id })
}

fn collect(content: &Content, entries: &mut BTreeMap<String, Entry>) -> Result<(), ImageError> {
    let target = target(&content.to)?;
    let meta = fs::metadata(&content.from).map_err(ImageError::at(&content.from))?;
    for (at, _) in target.match_indices('/') {
        entries.entry(target[..at].to_owned()).or_insert(Entry::Folder);
    }
    if meta.is_dir() {
        if !target.is_empty() {
            entries.insert(target.clone(), Entry::Folder);
        }
        return walk(&content.from, &target, entries);
    }
    if target.is_empty() {
        let reason = "a file needs a name in the image";
        return Err(ImageError::Io { path: content.from.clone(), source: io::Error::other(reason) });
    }
    entries.insert(target, Entry::File(content.from.clone()));
    Ok(())
}

fn walk(folder: &Path, target: &str, entries: &mut BTreeMap<String, Entry>) -> Result<(), ImageError> {
    for entry in fs::read_dir(folder).map_err(ImageError::at(folder))? {
        let entry = entry.map_err(ImageError::at(folder))?;
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| ImageError::Io {
            path: path.clone(),
            source: io::Error::other("the name is not UTF-8"),
        })?;
        let inside = if target.is_empty() { name } else { format!("{target}/{name}") };
        let kind = entry.file_type().map_err(ImageError::at(&path))?;
        if kind.is_dir() {
            entries.insert(inside.clone(), Entry::Folder);
            walk(&path, &inside, entries)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&path).map_err(ImageError::at(&path))?;
            entries.insert(inside, Entry::Link(link));
        } else if kind.is_file() {
            entries.insert(inside, Entry::File(path));
        } else {
            let source = io::Error::other("only files, folders and symbolic links go into an image");
            return Err(ImageError::Io { path, source });
        }
    }
    Ok(())
}

/// The path in the layer: without a slash at its ends, and without `..`.
fn target(to: &str) -> Result<String, ImageError> {
    let mut parts = Vec::new();
    for component in Path::new(to).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let source = io::Error::other("a path in an image has no `..`");
                return Err(ImageError::Io { path: to.into(), source });
            }
        }
    }
    Ok(parts.join("/"))
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    entry: &Entry,
    mtime_s: u64,
) -> Result<(), ImageError> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(mtime_s);
    header.set_uid(0);
    header.set_gid(0);
    match entry {
        Entry::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            tar.append_data(&mut header, format!("{path}/"), io::empty())
                .map_err(ImageError::at(path.as_ref()))
        }
        Entry::Link(link) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, path, link).map_err(ImageError::at(path.as_ref()))
        }
        Entry::File(from) => {
            let file = File::open(from).map_err(ImageError::at(from))?;
            let meta = file.metadata().map_err(ImageError::at(from))?;
            let is_executable = meta.permissions().mode() & 0o111 != 0;
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(if is_executable { 0o755 } else { 0o644 });
            header.set_size(meta.len());
            // A file that grows meanwhile is cut, and one that shrinks is an error: the header is written first.
            let exactly = Exactly { file, left: meta.len() };
            tar.append_data(&mut header, path, exactly).map_err(ImageError::at(from))
        }
    }
}

struct Exactly {
    file: File,
    left: u64,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..wanted])?;
        self.left -= count as u64;
        match count {
            0 => Err(io::Error::other("the file became shorter while it was read")),
            _ => Ok(count),
        }
    }
}

struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(Algorithm::Sha256), length: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
