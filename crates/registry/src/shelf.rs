use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_blobs::Algorithm;
use sluice_model::{Digest, Timestamp};

use crate::{Descriptor, ImageRepository, Pusher, RegistryError, Tag};

/// What repositories hold, in small files of their own. Every function blocks.
///
/// ```text
/// <repository>/_blobs/sha256/<hex>                      empty: this repository has the blob; its time: last wanted
/// <repository>/_manifests/sha256/<hex>                  a ManifestRecord; the bytes are a blob
/// <repository>/_tags/<tag>                              a TagRecord
/// <repository>/_referrers/sha256/<hex>/sha256-<hex>     a Descriptor of a manifest whose subject is the first
/// _new/<id>                                             a file on its way to its place
/// ```
///
/// No component of a repository's name begins with `_`. Each file is written beside, flushed, renamed, and its
/// folder flushed, so that after a crash it is there whole or not at all.
pub(crate) struct Shelf {
    root: PathBuf,
}

/// What is known of a manifest beside its bytes. Stored as JSON: fields may be added, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub media_type: String,
    pub size_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// What it names and needs: blobs of an image, manifests of an index.
    pub names: Vec<Digest>,
    /// Who pushed it, the last at the end; the oldest are forgotten past `PUSHES_KEPT`.
    pub pushes: Vec<Push>,
}

/// How old the note on a blob that clients ask for may get.
const WANTED_EVERY_MS: i64 = 10 * 60 * 1000;

/// How many pushes of the same manifest are remembered.
pub(crate) const PUSHES_KEPT: usize = 64;

/// One push of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub by: Pusher,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub digest: Digest,
    pub by: Pusher,
    pub at: Timestamp,
}

type Result<T> = std::result::Result<T, RegistryError>;

impl Shelf {
    /// Opens or makes the folder, and removes what a crash left on its way.
    pub fn open(root: PathBuf) -> Result<Self> {
        let new = root.join("_new");
        fs::create_dir_all(&new).map_err(|error| RegistryError::at(&new, error))?;
        for name in names(&new)? {
            remove(&new.join(name))?;
        }
        Ok(Self { root })
    }

    pub fn knows(&self, repository: &ImageRepository) -> Result<bool> {
        Ok(exists(&self.folder(repository, "_manifests"))? || exists(&self.folder(repository, "_blobs"))?)
    }

    /// Every repository that holds a manifest, in lexical order.
    pub fn repositories(&self) -> Result<Vec<ImageRepository>> {
        self.repositories_where(|repository| Ok(!self.manifests(repository)?.is_empty()))
    }

    /// Every repository that holds anything, in lexical order.
    pub fn known(&self) -> Result<Vec<ImageRepository>> {
        self.repositories_where(|repository| self.knows(repository))
    }

    fn repositories_where(
        &self,
        is_wanted: impl Fn(&ImageRepository) -> Result<bool>,
    ) -> Result<Vec<ImageRepository>> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(prefix) = open.pop() {
            let folder = self.root.join(&prefix);
            for component in names(&folder)?.into_iter().filter(|name| !name.starts_with('_')) {
                let name = if prefix.is_empty() { component } else { format!("{prefix}/{component}") };
                if let Ok(repository) = name.parse::<ImageRepository>()
                    && is_wanted(&repository)?
                {
                    found.push(repository);
                }
                open.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    // Blobs

    pub fn link_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        let path = self.blob(repository, digest);
        let folder = parent(&path);
        make_folder(folder)?;
        let linked = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|link| link.set_modified(SystemTime::now()));
        linked.map_err(|error| RegistryError::at(&path, error))?;
        sync_folder(folder)
    }

    /// When the repository got a blob, or a client last asked whether it is there; none where it has none.
    pub fn blob_wanted(&self, repository: &ImageRepository, digest: &Digest) -> Result<Option<Timestamp>> {
        modified(&self.blob(repository, digest))
    }

    /// Writes down that a client asked for a blob that is there. Now and then is enough.
    pub fn want_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        want(&self.blob(repository, digest))
    }

    /// In the order of their digests.
    pub fn blobs(&self, repository: &ImageRepository) -> Result<Vec<Digest>> {
        digests(&self.folder(repository, "_blobs"))
    }

    pub fn unlink_blobs(&self, repository: &ImageRepository, blobs: &[Digest]) -> Result<()> {
        remove_all(blobs.iter().map(|digest| self.blob(repository, digest)))
    }

    pub fn has_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<bool> {
        exists(&self.blob(repository, digest))
    }

    pub fn unlink_blob(&self, repository: &ImageRepository, digest: &Digest) -> Result<bool> {
        remove_durably(&self.blob(repository, digest))
    }

    /// Every blob that any repository has, manifests among them, and how often.
    pub fn holders(&self) -> Result<HashMap<Digest, u32>> {
        let mut holders = HashMap::new();
        let mut open = vec![self.root.clone()];
        while let Some(folder) = open.pop() {
            for name in names(&folder)? {
                match name.as_str() {
                    "_blobs" | "_manifests" => {
                        for digest in digests(&folder.join(name))? {
                            *holders.entry(digest).or_default() += 1;
                        }
                    }
                    other if other.starts_with('_') => {}
                    _ => open.push(folder.join(name)),
                }
            }
        }
        Ok(holders)
    }

    // Manifests

    pub fn write_manifest(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
        record: &ManifestRecord,
    ) -> Result<()> {
        self.write(&self.manifest_path(repository, digest), record)
    }

    pub fn manifest(&self, repository: &ImageRepository, digest: &Digest) -> Result<Option<ManifestRecord>> {
        read(&self.manifest_path(repository, digest))
    }

    /// When the record was written, or a client last asked for the manifest of a mirror.
    pub fn manifest_wanted(
        &self,
        repository: &ImageRepository,
        digest: &Digest,
    ) -> Result<Option<Timestamp>> {
        modified(&self.manifest_path(repository, digest))
    }

    /// Writes down that a client asked for a manifest of a mirror. Now and then is enough.
    pub fn want_manifest(&self, repository: &ImageRepository, digest: &Digest) -> Result<()> {
        want(&self.manifest_path(repository, digest))
    }

    pub fn manifests(&self, repository: &ImageRepository) -> Result<Vec<Digest>> {
        digests(&self.folder(repository, "_manifests"))
    }

    pub fn remove_manifest(&self, repository: &ImageRepository, digest: &Digest) -> Result<bool> {
        remove_durably(&self.manifest_path(repository, digest))
    }

    // Tags

    pub fn write_tag(&self, repository: &ImageRepository, tag: &Tag, record: &TagRecord) -> Result<()> {
        self.write(&self.tag_path(repository, tag), record)
    }

    pub fn tag(&self, repository: &ImageRepository, tag: &Tag) -> Result<Option<TagRecord>> {
        read(&self.tag_path(repository, tag))
    }

    /// In lexical order, which is "case-insensitive alphanumeric" (OCI distribution-spec 1.1, "Listing Tags").
    pub fn tags(&self, repository: &ImageRepository) -> Result<Vec<Tag>> {
        let found = names(&self.folder(repository, "_tags"))?;
        let mut tags: Vec<Tag> = found.into_iter().filter_map(|name| name.parse().ok()).collect();
        tags.sort_by_cached_key(tag_order);
        Ok(tags)
    }

    pub fn remove_tag(&self, repository: &ImageRepository, tag: &Tag) -> Result<bool> {
        remove_durably(&self.tag_path(repository, tag))
    }

    pub fn remove_tags(&self, repository: &ImageRepository, tags: &[Tag]) -> Result<()> {
        remove_all(tags.iter().map(|tag| self.tag_path(repository, tag)))
    }

    // Referrers

    pub fn write_referrer(
        &self,
        repository: &ImageRepository,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<()> {
        self.write(&self.referrer_path(repository, subject, &referrer.digest), referrer)
    }

    /// In the order of their digests. A referrer whose manifest is gone is passed over.
    pub fn referrers(&self, repository: &ImageRepository, subject: &Digest) -> Result<Vec<Descriptor>> {
        let folder = self.referrers_folder(repository, subject);
        let mut found = Vec::new();
        for name in names(&folder)? {
            let descriptor: Option<Descriptor> = read(&folder.join(name))?;
            let Some(descriptor) = descriptor else { continue };
            if exists(&self.manifest_path(repository, &descriptor.digest))? {
                found.push(descriptor);
            }
        }
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(found)
    }

    pub fn remove_referrer(
        &self,
        repository: &ImageRepository,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<bool> {
        remove_durably(&self.referrer_path(repository, subject, referrer))
    }

    // Paths: every part is of a checked form, so that none can leave the folder.

    fn folder(&self, repository: &ImageRepository, kind: &str) -> PathBuf {
        self.root.join(repository.as_str()).join(kind)
    }

    fn blob(&self, repository: &ImageRepository, digest: &Digest) -> PathBuf {
        self.folder(repository, "_blobs").join(digest.algorithm()).join(digest.hex())
    }

    fn manifest_path(&self, repository: &ImageRepository, digest: &Digest) -> PathBuf {
        self.folder(repository, "_manifests").join(digest.algorithm()).join(digest.hex())
    }

    fn tag_path(&self, repository: &ImageRepository, tag: &Tag) -> PathBuf {
        self.folder(repository, "_tags").join(tag.as_str())
    }

    fn referrers_folder(&self, repository: &ImageRepository, subject: &Digest) -> PathBuf {
        self.folder(repository, "_referrers").join(subject.algorithm()).join(subject.hex())
    }

    fn referrer_path(&self, repository: &ImageRepository, subject: &Digest, referrer: &Digest) -> PathBuf {
        let name = format!("{}-{}", referrer.algorithm(), referrer.hex());
        self.referrers_folder(repository, subject).join(name)
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(value).map_err(|error| RegistryError::at(path, error.into()))?;
        let new = self.root.join("_new").join(uuid::Uuid::now_v7().to_string());
        let written = write_and_rename(&new, path, &text);
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&new);
        }
        written
    }
}

/// What tags are sorted by.
pub(crate) fn tag_order(tag: &Tag) -> (String, String) {
    (tag.as_str().to_ascii_lowercase(), tag.as_str().to_owned())
}

fn write_and_rename(new: &Path, path: &Path, text: &[u8]) -> Result<()> {
    let written = File::create_new(new).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    written.map_err(|error| RegistryError::at(new, error))?;
    let folder = parent(path);
    make_folder(folder)?;
    fs::rename(new, path).map_err(|error| RegistryError::at(path, error))?;
    sync_folder(folder)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Makes a folder and those above it, each flushed into the one above.
fn make_folder(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(parent(folder)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(parent(folder))?;
            make_folder(folder)
        }
        Err(error) => Err(RegistryError::at(folder, error)),
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| RegistryError::at(folder, error))
}

/// Removes what is there of some files, and flushes each of their folders once.
fn remove_all(paths: impl Iterator<Item = PathBuf>) -> Result<()> {
    let mut folders = BTreeSet::new();
    for path in paths {
        remove(&path)?;
        folders.insert(parent(&path).to_owned());
    }
    folders.iter().try_for_each(|folder| match sync_folder(folder) {
        Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn modified(path: &Path) -> Result<Option<Timestamp>> {
    match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(at) => Ok(Some(timestamp(at))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::at(path, error)),
    }
}

/// Makes a file that is there newer, where it is due.
fn want(path: &Path) -> Result<()> {
    let now = SystemTime::now();
    let is_due = |wanted: Timestamp| timestamp(now).since_ms(wanted) >= WANTED_EVERY_MS;
    if !modified(path)?.is_some_and(is_due) {
        return Ok(());
    }
    match OpenOptions::new().append(true).open(path).and_then(|file| file.set_modified(now)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RegistryError::at(path, error)),
        _ => Ok(()),
    }
}

fn remove_durably(path: &Path) -> Result<bool> {
    let removed = remove(path)?;
    if removed {
        sync_folder(parent(path))?;
    }
    Ok(removed)
}

fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RegistryError::at(path, error)),
    }
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| RegistryError::at(path, error))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => {
            let value = serde_json::from_slice(&text);
            value.map(Some).map_err(|error| RegistryError::at(path, error.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::at(path, error)),
    }
}

/// The names in a folder; none where it is not there.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(RegistryError::at(folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| RegistryError::at(folder, error))?;
        found.extend(entry.file_name().into_string());
    }
    Ok(found)
}

/// The digests of a folder `<algorithm>/<hex>`.
fn digests(folder: &Path) -> Result<Vec<Digest>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        let names = names(&folder.join(algorithm.as_str()))?;
        found.extend(names.iter().filter_map(|hex| format!("{}:{hex}", algorithm.as_str()).parse().ok()));
    }
    found.sort();
    Ok(found)
}
