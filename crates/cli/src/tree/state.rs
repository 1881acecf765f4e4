use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use sluice_forge::Snapshot;

use super::Tree;

/// The snapshot of a working tree for one `sluice run`; its folder goes when it is dropped.
pub struct SnapshotGuard {
    pub snapshot: Snapshot,
    folder: PathBuf,
    /// Held for as long as the folder is in use: the folder of a process that was killed is not locked.
    _lock: File,
}

impl Drop for SnapshotGuard {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next run.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Tree {
    /// Where `sluice run` keeps runs, logs and caches of this repository.
    pub fn state_folder(&self) -> anyhow::Result<PathBuf> {
        let base = match (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME")) {
            (Some(state), _) if !state.is_empty() => PathBuf::from(state),
            (_, Some(home)) => Path::new(&home).join(".local/state"),
            (_, None) => {
                anyhow::bail!("neither XDG_STATE_HOME nor HOME is set: there is no folder to keep runs in")
            }
        };
        let folder = base.join("sluice").join(folder_name(&self.root));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// The tree as it is now, uncommitted changes included. The person's own index, tree and refs are only read.
    pub async fn snapshot(&self) -> anyhow::Result<SnapshotGuard> {
        let snapshots = self.state_folder()?.join("snapshots");
        let (folder, lock) =
            own_folder(&snapshots).with_context(|| format!("cannot use {}", snapshots.display()))?;
        let taken = sluice_forge::snapshot(&self.root, &folder.join("repository.git")).await;
        match taken {
            Ok(snapshot) => Ok(SnapshotGuard { snapshot, folder, _lock: lock }),
            Err(error) => {
                // The error of the snapshot is the one to tell; the next run sweeps what stays.
                let _ = std::fs::remove_dir_all(&folder);
                Err(error.into())
            }
        }
    }
}

/// A new folder for this process, locked; those of processes that were killed go first.
fn own_folder(snapshots: &Path) -> std::io::Result<(PathBuf, File)> {
    std::fs::create_dir_all(snapshots)?;
    let all = File::create(snapshots.join("lock"))?;
    // No other process is between making its folder and locking it.
    flock(&all, FlockOperation::LockExclusive)?;
    for entry in std::fs::read_dir(snapshots)? {
        let path = entry?.path();
        if path.is_dir() && !is_in_use(&path) {
            std::fs::remove_dir_all(&path)?;
        }
    }
    let folder = snapshots.join(std::process::id().to_string());
    std::fs::create_dir(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
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
    fn the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays() {
        let snapshots = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = snapshots.path().join(name);
            std::fs::create_dir_all(folder.join("repository.git/objects")).unwrap();
            File::create(folder.join("lock")).unwrap()
        };
        make("killed");
        let living = make("living");
        flock(&living, FlockOperation::LockExclusive).unwrap();
        let (own, _lock) = own_folder(snapshots.path()).unwrap();
        assert!(own.is_dir());
        assert!(snapshots.path().join("living").is_dir());
        assert!(!snapshots.path().join("killed").exists());
    }
}
