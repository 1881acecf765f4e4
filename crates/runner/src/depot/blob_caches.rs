use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sluice_model::Trigger;

use super::layout::KEY_LIMIT;
use super::{Depot, DepotError};
use crate::github::hex;

/// A cache that an action's own toolkit packed: bytes that mean something to it alone, known by a key and a version (its
/// word for the paths and the way of packing).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobCache {
    pub key: String,
    pub version: String,
    /// The ref whose job saved it.
    pub git_ref: String,
    pub size_bytes: u64,
}

impl Depot {
    /// Whether this ref has a cache of exactly this key and version already. Caches never change.
    pub fn has_blob_cache(&self, git_ref: &str, key: &str, version: &str) -> bool {
        self.facts_of(git_ref, key, version).is_file()
    }

    /// Takes a whole file as a cache.
    pub fn store_blob_cache(&self, cache: &BlobCache, file: &Path) -> Result<(), DepotError> {
        check_key(&cache.key)?;
        if self.has_blob_cache(&cache.git_ref, &cache.key, &cache.version) {
            return Err(DepotError::Refused(format!("there is a cache of the key {} already", cache.key)));
        }
        let facts = self.facts_of(&cache.git_ref, &cache.key, &cache.version);
        let store = || -> io::Result<()> {
            std::fs::create_dir_all(self.blob_caches())?;
            std::fs::rename(file, facts.with_extension("blob"))?;
            // Last, for a cache is there when its facts are.
            let part = facts.with_extension(format!("part-{:016x}", rand::random::<u64>()));
            std::fs::write(&part, serde_json::to_vec(cache)?)?;
            std::fs::rename(part, &facts)
        };
        store().map_err(|error| DepotError::File { path: facts.clone(), error })
    }

    /// The cache to restore and its file: exactly the first of `keys`, else the newest that begins with one of them, in
    /// their order; the reader's own ref before others.
    pub fn find_blob_cache(
        &self,
        reader: &Trigger,
        keys: &[String],
        version: &str,
    ) -> Result<Option<(BlobCache, PathBuf)>, DepotError> {
        let mut known: Vec<(SystemTime, BlobCache, PathBuf)> = Vec::new();
        for name in super::layout::names(&self.blob_caches())? {
            let path = self.blob_caches().join(name);
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // One that was removed meanwhile is none.
            let Ok(text) = std::fs::read(&path) else { continue };
            let Ok(cache) = serde_json::from_slice::<BlobCache>(&text) else { continue };
            let blob = path.with_extension("blob");
            if cache.version == version && may_read(reader, &cache.git_ref) {
                let saved = std::fs::metadata(&blob).and_then(|seen| seen.modified());
                known.push((saved.unwrap_or(SystemTime::UNIX_EPOCH), cache, blob));
            }
        }
        known.sort_by_key(|(saved, cache, _)| (cache.git_ref == reader.git_ref, *saved));
        for key in keys {
            let newest = || known.iter().rev();
            let found = newest()
                .find(|(_, cache, _)| cache.key == *key)
                .or_else(|| newest().find(|(_, cache, _)| cache.key.starts_with(key.as_str())));
            if let Some((_, cache, blob)) = found {
                return Ok(Some((cache.clone(), blob.clone())));
            }
        }
        Ok(None)
    }

    fn blob_caches(&self) -> PathBuf {
        self.caches().join("blobs")
    }

    fn facts_of(&self, git_ref: &str, key: &str, version: &str) -> PathBuf {
        let name = hex(&Sha256::digest(format!("{git_ref}\0{version}\0{key}")));
        self.blob_caches().join(format!("{name}.json"))
    }
}

/// Keys are 1 to 512 bytes long, as at GitHub.
pub fn check_key(key: &str) -> Result<(), DepotError> {
    match key.len() {
        1..=KEY_LIMIT => Ok(()),
        length => {
            Err(DepotError::Refused(format!("a cache key is 1 to {KEY_LIMIT} bytes long, not {length}")))
        }
    }
}

/// Whether a job may be given what a job of another ref saved: of its own ref and of branches only, so that what a pull
/// request saves never reaches the branch that it is for.
fn may_read(reader: &Trigger, saved_by: &str) -> bool {
    saved_by == reader.git_ref || saved_by.starts_with("refs/heads/")
}

#[cfg(test)]
mod tests {
    use sluice_model::{Event, RunId, UserName};

    use super::*;

    fn trigger(git_ref: &str) -> Trigger {
        Trigger {
            event: Event::Push,
            action: None,
            repository: "acme/store".parse().unwrap(),
            git_ref: git_ref.to_owned(),
            sha: "0123456789012345678901234567890123456789".parse().unwrap(),
            before: None,
            actor: UserName::new("ada"),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            image_chain: Vec::new(),
            inputs: Default::default(),
            payload: String::new(),
            subject: String::new(),
        }
    }

    #[test]
    fn caches_are_found_by_key_prefix_and_version_within_what_a_ref_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let depot = |repository: &str| {
            let repository = repository.parse().unwrap();
            Depot::new(folder.path(), RunId(1), &repository, &"build".parse().unwrap(), 1)
        };
        let store = |key: &str, version: &str, git_ref: &str| {
            let file = folder.path().join("file");
            std::fs::write(&file, key).unwrap();
            let cache = BlobCache {
                key: key.to_owned(),
                version: version.to_owned(),
                git_ref: git_ref.to_owned(),
                size_bytes: key.len() as u64,
            };
            depot("acme/store").store_blob_cache(&cache, &file)
        };
        store("deps-1", "v", "refs/heads/main").unwrap();
        store("deps-2", "v", "refs/pull/1/merge").unwrap();
        store("deps-3", "v", "refs/tags/t").unwrap();
        store("deps-4", "other", "refs/heads/main").unwrap();
        let find = |repository: &str, git_ref: &str, keys: &[&str], version: &str| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let found = depot(repository).find_blob_cache(&trigger(git_ref), &keys, version).unwrap();
            found.map(|(cache, file)| {
                assert_eq!(std::fs::read_to_string(file).unwrap(), cache.key);
                cache.key
            })
        };
        let found = |key: &str| Some(key.to_owned());
        assert_eq!(find("acme/store", "refs/heads/main", &["deps-1"], "v"), found("deps-1"));
        assert_eq!(find("acme/store", "refs/heads/main", &["deps-9", "deps-"], "v"), found("deps-1"));
        assert_eq!(find("acme/store", "refs/heads/other", &["deps-"], "v"), found("deps-1"));
        assert_eq!(find("acme/store", "refs/pull/1/merge", &["deps-"], "v"), found("deps-2"));
        assert_eq!(find("acme/store", "refs/pull/1/merge", &["deps-1"], "v"), found("deps-1"));
        assert_eq!(find("acme/store", "refs/pull/2/merge", &["deps-2"], "v"), None);
        assert_eq!(find("acme/store", "refs/heads/main", &["deps-3"], "v"), None);
        assert_eq!(find("acme/store", "refs/heads/main", &["deps-4"], "v"), None);
        assert_eq!(find("acme/other", "refs/heads/main", &["deps-1"], "v"), None);
        assert!(store("deps-1", "v", "refs/heads/main").unwrap_err().to_string().contains("already"));
        assert!(store("", "v", "refs/heads/main").unwrap_err().to_string().contains("1 to 512"));
        assert!(store(&"k".repeat(513), "v", "refs/heads/main").is_err());
    }
}
