use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_server::local::Source;

use super::Tree;

/// How many snapshots are kept, so that their runs can be run again.
const KEPT: usize = 20;
/// How the runs of a snapshot were started. Written last: a snapshot without it is none.
const STARTED: &str = "started.json";

/// Where runs, logs, snapshots and caches of the repository at `root` are kept.
pub fn state_folder(root: &Path) -> anyhow::Result<PathBuf> {
    let base = match (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME")) {
        (Some(state), _) if !state.is_empty() => PathBuf::from(state),
        (_, Some(home)) => Path::new(&home).join(".local/state"),
        (_, None) => {
            bail!("neither XDG_STATE_HOME nor HOME is set: there is no folder to keep runs in")
        }
    };
    let folder = base.join("sluice").join(folder_name(root));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A snapshot of a working tree that is in use. It outlives its use, until newer ones take its place.
pub struct Snapshot {
    pub source: Source,
    /// Held for as long as the snapshot is in use.
    _lock: File,
}

impl Snapshot {
    /// The tree as it is now, uncommitted changes included. The person's own index, tree and refs are only read.
    ///
    /// `started` is what [`Snapshot::again`] gives back.
    pub async fn take(tree: &Tree, state: &Path, started: &impl Serialize) -> anyhow::Result<Self> {
        let all = state.join("snapshots");
        let (folder, lock) = own_folder(&all).with_context(|| format!("cannot use {}", all.display()))?;
        let repository = folder.join("repository.git");
        let taken = sluice_forge::snapshot(&tree.root, &repository).await;
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                // The error of the snapshot is the one to tell; a later run sweeps what stays.
                let _ = std::fs::remove_dir_all(&folder);
                return Err(error.into());
            }
        };
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = Source { id, repository, commit: taken.commit, is_changed: taken.is_changed };
        let text = serde_json::to_string(&(&source, started))?;
        std::fs::write(folder.join(STARTED), text)
            .with_context(|| format!("cannot write in {}", folder.display()))?;
        Ok(Self { source, _lock: lock })
    }

    /// An earlier snapshot, and how its runs were started. None: it is not kept any more.
    pub fn again<T: DeserializeOwned>(state: &Path, id: &str) -> anyhow::Result<Option<(Self, T)>> {
        let folder = state.join("snapshots").join(id);
        let Ok(lock) = File::open(folder.join("lock")) else { return Ok(None) };
        flock(&lock, FlockOperation::LockShared)?;
        let Ok(text) = std::fs::read_to_string(folder.join(STARTED)) else { return Ok(None) };
        let (source, started) =
            serde_json::from_str(&text).with_context(|| format!("{}/{STARTED}", folder.display()))?;
        Ok(Some((Self { source, _lock: lock }, started)))
    }
}

/// A new folder for this process, locked; those that are too old, or that a killed process never filled, go first.
fn own_folder(all: &Path) -> std::io::Result<(PathBuf, File)> {
    std::fs::create_dir_all(all)?;
    let gate = File::create(all.join("lock"))?;
    // No other process is between making its folder and locking it.
    flock(&gate, FlockOperation::LockExclusive)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(all)? {
        let path = entry?.path();
        if path.is_dir() {
            names.push(path);
        }
    }
    // The names begin with the time: the newest come first.
    names.sort_by(|a, b| b.cmp(a));
    for (position, path) in names.iter().enumerate() {
        let is_wanted = position + 1 < KEPT && path.join(STARTED).exists();
        if !is_wanted && !is_in_use(path) {
            std::fs::remove_dir_all(path)?;
        }
    }
    let folder = all.join(uuid::Uuid::now_v7().simple().to_string());
    std::fs::create_dir(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    flock(&lock, FlockOperation::LockShared)?;
    Ok((folder, lock))
}

fn is_in_use(folder: &Path) -> bool {
    File::open(folder.join("lock"))
        .is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// A folder a repository, with a name that a person recognises and that no other path has.
fn folder_name(root: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{name}-{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshots_stay_and_those_in_use_and_what_a_kill_left_goes() {
        let all = tempfile::tempdir().unwrap();
        let make = |name: &str, is_whole: bool| {
            let folder = all.path().join(name);
            std::fs::create_dir_all(folder.join("repository.git/objects")).unwrap();
            if is_whole {
                std::fs::write(folder.join(STARTED), "").unwrap();
            }
            File::create(folder.join("lock")).unwrap()
        };
        make("1-killed", false);
        let living = make("1-living", false);
        flock(&living, FlockOperation::LockShared).unwrap();
        for number in 0..KEPT {
            make(&format!("2-{number:02}"), true);
        }
        let (own, _lock) = own_folder(all.path()).unwrap();
        assert!(own.is_dir());
        let there = |name: &str| all.path().join(name).is_dir();
        assert!(there("1-living") && there("2-01") && there("2-19"));
        assert!(!there("1-killed") && !there("2-00"));
    }
}
