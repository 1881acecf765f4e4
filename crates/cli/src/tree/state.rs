use std::path::{Path, PathBuf};

use anyhow::Context;
use sluice_forge::Snapshot;

use super::Tree;

/// The snapshot of a working tree for one `sluice run`; its folder goes when it is dropped.
pub struct SnapshotGuard {
    pub snapshot: Snapshot,
    folder: PathBuf,
}

impl Drop for SnapshotGuard {
    fn drop(&mut self) {
        // What cannot be removed now is swept with the state folder.
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
        std::fs::create_dir_all(&snapshots)
            .with_context(|| format!("cannot make {}", snapshots.display()))?;
        let folder = snapshots.join(std::process::id().to_string());
        if folder.exists() {
            // Of an earlier process that was killed and had the same number.
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let snapshot = sluice_forge::snapshot(&self.root, &folder).await?;
        Ok(SnapshotGuard { snapshot, folder })
    }
}

/// A folder a repository, with a name that a person recognises and that no other path has.
fn folder_name(root: &Path) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{name}-{:016x}", hasher.finish())
}
