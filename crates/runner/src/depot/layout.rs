use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sluice_model::{InstanceId, RepositoryName, RunId};

use super::links::Links;
use super::zip::unzip;
use super::{ArchiveReader, ArchiveWriter, FolderWriter, Walk, check_key};
use crate::place::Place;
use crate::session::{Session, SessionError};

/// The most files that one workspace layer, artifact or cache holds.
pub(super) const ENTRIES_LIMIT: u64 = 500_000;
/// The most bytes that one workspace layer, artifact or cache holds before compression.
pub const BYTES_LIMIT: u64 = 16 << 30;
/// The longest key of a cache; GitHub's limit.
pub(super) const KEY_LIMIT: usize = 512;

/// The folder of one run's workspaces and artifacts and of its repository's caches, as one job uses it.
#[derive(Debug, Clone)]
pub struct Depot {
    pub(super) run_folder: PathBuf,
    caches: PathBuf,
    /// What digests of secrets in the names of caches are made with.
    pub(super) salt: PathBuf,
    /// What tests of the repository took, by job.
    pub(super) tests: PathBuf,
    pub(super) run: RunId,
    pub(super) instance: InstanceId,
    pub(super) attempt: u32,
}

/// How much was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    pub files: u64,
    pub size_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Refused(String),
}

impl Depot {
    pub fn new(
        root: &Path,
        run: RunId,
        repository: &RepositoryName,
        instance: &InstanceId,
        attempt: u32,
    ) -> Self {
        Self {
            run_folder: Self::folder_of_run(root, run),
            salt: root.join("salt"),
            caches: root.join("caches").join(repository.owner()).join(repository.name()),
            tests: root.join("tests").join(repository.owner()).join(repository.name()),
            run,
            instance: instance.clone(),
            attempt,
        }
    }

    pub fn folder_of_run(root: &Path, run: RunId) -> PathBuf {
        root.join("runs").join(run.to_string())
    }

    /// The folder of one of a run's artifacts; it may not be there.
    pub fn artifact_of_run(root: &Path, run: RunId, name: &str) -> PathBuf {
        Self::folder_of_run(root, run).join("artifacts").join(safe_name(name))
    }

    /// Stores files for people, and for other jobs of the run, below `artifacts/<name>/`.
    pub async fn store_artifact(
        &self,
        session: &Session,
        name: &str,
        root: &str,
        patterns: &[String],
    ) -> Result<Stored, DepotError> {
        let target = self.artifact(name);
        let part = target.with_extension(format!("part-{:016x}", rand::random::<u64>()));
        let mut writer = FolderWriter::new(part.clone());
        let mut links = Links::below(root);
        let packed = session.pack(root, patterns, |piece| {
            links.meet(&piece);
            writer.take(piece)
        });
        let packed = match packed.await {
            Ok(()) => links.follow(session, &mut writer).await.map_err(DepotError::Refused),
            Err(error) => Err(error.into()),
        };
        let stored = writer.finish();
        if packed.is_err() || stored.files == 0 {
            let _ = std::fs::remove_dir_all(&part);
            packed?;
            return Ok(stored);
        }
        merge(&part, &target).map_err(|error| DepotError::File { path: target, error })?;
        Ok(stored)
    }

    /// The same of another run of the repository.
    pub fn of_run(&self, run: RunId) -> Self {
        let runs = self.run_folder.parent().map(Path::to_owned).unwrap_or_default();
        Self { run_folder: runs.join(run.to_string()), run, ..self.clone() }
    }

    /// The caches of these paths alone, as they are written: GitHub knows a cache by its key and its paths.
    pub fn with_caches_of(&self, paths: &[&str]) -> Self {
        let version = crate::github::hex(&Sha256::digest(paths.join("|")));
        Self { caches: self.caches.join(format!("paths-{}", &version[..32])), ..self.clone() }
    }

    /// A number that JavaScript can hold, the same for an artifact in every job of the run.
    pub fn artifact_id(&self, name: &str) -> u64 {
        let digest = Sha256::digest(format!("{}\0{name}", self.run));
        digest.iter().take(6).fold(1, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    /// Whether an artifact is there that was stored before this attempt began, which may store it again.
    pub fn has_earlier_artifact(&self, name: &str, began: std::time::SystemTime) -> bool {
        let stored = std::fs::metadata(self.artifact(name)).and_then(|seen| seen.modified());
        self.attempt > 1 && stored.is_ok_and(|stored| stored < began)
    }

    /// The folder of an artifact; it may not be there.
    pub fn artifact(&self, name: &str) -> PathBuf {
        self.run_folder.join("artifacts").join(safe_name(name))
    }

    /// The names of the run's artifacts, in order.
    pub fn artifacts(&self) -> Result<Vec<String>, DepotError> {
        let mut found = names(&self.run_folder.join("artifacts"))?;
        found.retain(|name| !name.contains(".part-"));
        Ok(found.iter().map(|name| plain_name(name)).collect())
    }

    /// Stores the files of a zip as an artifact, which must not be there yet.
    pub fn store_zipped_artifact(&self, name: &str, archive: &Path) -> Result<Stored, DepotError> {
        self.store_new_artifact(name, |part| {
            let mut writer = FolderWriter::new(part.to_owned());
            unzip(archive, &mut writer).map(|()| writer.finish())
        })
    }

    /// Stores one file as an artifact, which must not be there yet.
    pub fn store_file_artifact(
        &self,
        name: &str,
        file: &Path,
        size_bytes: u64,
    ) -> Result<Stored, DepotError> {
        self.store_new_artifact(name, |part| {
            let moved = std::fs::create_dir_all(part)
                .and_then(|()| std::fs::rename(file, part.join(safe_name(name))));
            moved.map(|()| Stored { files: 1, size_bytes }).map_err(|error| error.to_string())
        })
    }

    /// Stores the files of other artifacts as one, which must not be there yet: together, or each in a folder of its name.
    pub fn store_merged_artifact(
        &self,
        name: &str,
        merged: &[String],
        is_apart: bool,
    ) -> Result<Stored, DepotError> {
        self.store_new_artifact(name, |part| {
            let mut all = Stored::default();
            for one in merged {
                let target = if is_apart { part.join(safe_name(one)) } else { part.to_owned() };
                let mut writer = FolderWriter::new(target);
                let mut walk = Walk::new(&self.artifact(one)).map_err(|error| error.to_string())?;
                while let Some(piece) = walk.next()? {
                    writer.take(piece)?;
                }
                let stored = writer.finish();
                all.files += stored.files;
                all.size_bytes += stored.size_bytes;
            }
            Ok(all)
        })
    }

    fn store_new_artifact(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<Stored, String>,
    ) -> Result<Stored, DepotError> {
        let target = self.artifact(name);
        let part = target.with_extension(format!("part-{:016x}", rand::random::<u64>()));
        let failed = |error| DepotError::File { path: target.clone(), error };
        std::fs::create_dir_all(&part).map_err(failed)?;
        let stored = fill(&part);
        // A folder is renamed onto nothing, or onto an empty one.
        let kept = stored.map_err(DepotError::Refused).and_then(|stored| {
            std::fs::rename(&part, &target).map(|()| stored).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                    DepotError::Refused(format!("there is an artifact named {name} already"))
                }
                _ => failed(error),
            })
        });
        if kept.is_err() {
            let _ = std::fs::remove_dir_all(&part);
        }
        kept
    }

    /// Removes an artifact; false where there is none.
    pub fn remove_artifact(&self, name: &str) -> Result<bool, DepotError> {
        let folder = self.artifact(name);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DepotError::File { path: folder, error }),
        }
    }

    pub(super) fn caches(&self) -> &Path {
        &self.caches
    }

    /// Puts an artifact's files below `at`.
    pub async fn fetch_artifact(&self, session: &Session, name: &str, at: &str) -> Result<bool, DepotError> {
        let folder = self.artifact(name);
        if !folder.is_dir() {
            return Ok(false);
        }
        let mut walk =
            Walk::new(&folder).map_err(|error| DepotError::File { path: folder.clone(), error })?;
        session.unpack(at, || walk.next()).await?;
        Ok(true)
    }

    /// Whether a cache of exactly this key is there. Caches never change.
    pub fn has_cache(&self, key: &str) -> bool {
        self.cache_file(key).is_file()
    }

    /// Saves paths under a key. Each keeps its name below the place's root, so that it goes back to where it was.
    pub async fn save_cache(
        &self,
        place: &Place,
        key: &str,
        paths: &[String],
    ) -> Result<Option<Stored>, DepotError> {
        check_key(key)?;
        if self.has_cache(key) {
            return Ok(None);
        }
        let target = self.cache_file(key);
        let root = place.root();
        let below = |path: &String| match path.trim_start_matches('!').strip_prefix(&root) {
            Some(below) => {
                let sign = if path.starts_with('!') { "!" } else { "" };
                Ok(format!("{sign}{}", below.trim_start_matches('/')))
            }
            None => Err(DepotError::Refused(format!(
                "{path} is not below {root}, and a cache holds nothing else"
            ))),
        };
        let patterns = paths.iter().map(below).collect::<Result<Vec<_>, _>>()?;
        let stored = self.pack(&place.session, &root, &patterns, &target).await?;
        // Last, for a cache is there when its key is.
        let write = std::fs::write(target.with_extension("key"), key);
        write.map_err(|error| DepotError::File { path: target, error })?;
        Ok(Some(stored))
    }

    /// The key of the cache to restore: exactly the first of `keys`, else the newest that begins with one of them, in
    /// their order.
    pub fn find_cache(&self, keys: &[String]) -> Result<Option<String>, DepotError> {
        let known = self.known_caches()?;
        for key in keys {
            if let Some((_, exact)) = known.iter().find(|(_, known)| known == key) {
                return Ok(Some(exact.clone()));
            }
            if let Some((_, newest)) = known.iter().rev().find(|(_, known)| known.starts_with(key.as_str())) {
                return Ok(Some(newest.clone()));
            }
        }
        Ok(None)
    }

    /// The keys of all caches with their times, the oldest first.
    fn known_caches(&self) -> Result<Vec<(std::time::SystemTime, String)>, DepotError> {
        let mut known: Vec<(std::time::SystemTime, String)> = Vec::new();
        for name in names(&self.caches)? {
            let path = self.caches.join(&name);
            if path.extension().is_some_and(|extension| extension == "key") {
                let text = std::fs::read_to_string(&path);
                let key = text.map_err(|error| DepotError::File { path: path.clone(), error })?;
                let modified = std::fs::metadata(&path).and_then(|seen| seen.modified());
                known.push((modified.unwrap_or(std::time::UNIX_EPOCH), key));
            }
        }
        known.sort();
        Ok(known)
    }

    /// The key of the newest cache whose key begins with `prefix`.
    pub fn newest_cache(&self, prefix: &str) -> Result<Option<String>, DepotError> {
        let known = self.known_caches()?;
        Ok(known.into_iter().rev().map(|(_, key)| key).find(|key| key.starts_with(prefix)))
    }

    /// Puts a cache's files back to where they were.
    pub async fn restore_cache(&self, place: &Place, key: &str) -> Result<(), DepotError> {
        self.unpack(&place.session, &self.cache_file(key), &place.root()).await
    }

    fn cache_file(&self, key: &str) -> PathBuf {
        self.caches.join(format!("{}.cache", crate::github::hex(&Sha256::digest(key.as_bytes()))))
    }

    pub(super) async fn pack(
        &self,
        session: &Session,
        root: &str,
        patterns: &[String],
        target: &Path,
    ) -> Result<Stored, DepotError> {
        let failed = |error| DepotError::File { path: target.to_owned(), error };
        let mut writer = ArchiveWriter::create(target).map_err(failed)?;
        session.pack(root, patterns, |piece| writer.take(piece)).await?;
        writer.finish().map_err(failed)
    }

    pub(super) async fn unpack(&self, session: &Session, archive: &Path, at: &str) -> Result<(), DepotError> {
        let opened = ArchiveReader::open(archive);
        let mut reader = opened.map_err(|error| DepotError::File { path: archive.to_owned(), error })?;
        Ok(session.unpack(at, || reader.next()).await?)
    }

    /// Puts a private folder of the runner into the place.
    pub async fn transfer(place: &Place, from: &Path, to: &str) -> Result<(), DepotError> {
        let walked = Walk::new(from);
        let mut walk = walked.map_err(|error| DepotError::File { path: from.to_owned(), error })?;
        Ok(place.session.unpack(to, || walk.next()).await?)
    }
}

/// Names in a folder, in order; none where there is no folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, DepotError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DepotError::File { path: folder.to_owned(), error }),
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Moves the files of `from` into `to`, which may be there already; a file of the same name is replaced.
fn merge(from: &Path, to: &Path) -> io::Result<()> {
    if !to.exists() {
        return std::fs::rename(from, to);
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() && target.is_dir() {
            true => merge(&entry.path(), &target)?,
            false => std::fs::rename(entry.path(), &target)?,
        }
    }
    std::fs::remove_dir_all(from)
}

/// A name as one component of a path: a job's may hold `/`.
pub(super) fn safe_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b' ' | b'+' | b'@' | b'-' => {
                safe.push(char::from(byte))
            }
            b'.' if !safe.is_empty() => safe.push('.'),
            other => safe.push_str(&format!("%{other:02X}")),
        }
    }
    safe
}

/// The name that a component stands for.
fn plain_name(safe: &str) -> String {
    let mut plain = Vec::with_capacity(safe.len());
    let mut rest = safe.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[2..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Entry, EntryKind};
    use crate::session::Packed;

    #[test]
    fn names_are_one_component() {
        assert_eq!(safe_name("call/inner.3"), "call%2Finner.3");
        assert_eq!(safe_name(".."), "%2E.");
        assert_eq!(safe_name("a b-c_d"), "a b-c_d");
        for name in ["call/inner.3", "..", "100% caf\u{e9}", ".x", "a%2Fb"] {
            assert_eq!(plain_name(&safe_name(name)), name);
        }
    }

    #[test]
    fn an_artifact_stays_in_its_folder_and_within_its_limits() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let kind = EntryKind::File { size: 0 };
            Packed::Entry(Entry { path: path.into(), mode: 0o644, modified: 0, kind })
        };
        let mut writer = FolderWriter::new(folder.path().join("in"));
        assert!(writer.take(file("../out")).unwrap_err().contains("climbs out"));
        assert!(writer.take(file("/etc/out")).unwrap_err().contains("climbs out"));
        let over = Stored { files: ENTRIES_LIMIT + 1, size_bytes: 0 };
        assert!(over.check().unwrap_err().contains("files"));
        let over = Stored { files: 0, size_bytes: BYTES_LIMIT + 1 };
        assert!(over.check().unwrap_err().contains("GiB"));
    }

    #[test]
    fn an_archive_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.layer");
        drop(ArchiveWriter::create(&target).unwrap());
        assert_eq!(names(folder.path()).unwrap(), [""; 0]);
        let mut writer = ArchiveWriter::create(&target).unwrap();
        writer.take(Packed::Data(b"x".to_vec())).unwrap();
        assert!(!target.exists());
        writer.finish().unwrap();
        assert_eq!(names(folder.path()).unwrap(), ["a.layer"]);
        std::fs::write(&target, "no archive").unwrap();
        let opened = ArchiveReader::open(&target).map(|mut reader| reader.next().is_err());
        assert!(opened.unwrap_or(true));
    }
}
