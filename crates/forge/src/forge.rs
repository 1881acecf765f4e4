use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_model::RepositoryName;
use tokio::sync::Semaphore;

use crate::{ForgeError, git};

/// What a stranger may make the forge carry.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest push, in bytes of its pack.
    pub push_bytes: u64,
    /// How many git processes serve requests at once; the others wait.
    pub processes: usize,
    /// The largest file that is read out of a commit, in bytes.
    pub file_bytes: u64,
    /// How many changed paths are listed; of a push that has more they count as unknown.
    pub changed_paths: usize,
    /// How long a client may neither send nor take a byte, in seconds.
    pub idle_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { push_bytes: 2 << 30, processes: 32, file_bytes: 4 << 20, changed_paths: 3000, idle_s: 300 }
    }
}

/// The bare repositories of one server, as `<root>/<owner>/<name>.git`. A clone is the same forge.
#[derive(Debug, Clone)]
pub struct Forge {
    pub(crate) root: PathBuf,
    pub(crate) limits: Arc<Limits>,
    pub(crate) processes: Arc<Semaphore>,
}

impl Forge {
    /// A forge in a folder, which is made where it is not there.
    pub fn open(root: impl Into<PathBuf>, limits: Limits) -> Result<Self, ForgeError> {
        let root = root.into();
        std::fs::create_dir_all(&root)?;
        let root = root.canonicalize()?;
        Ok(Self { root, processes: Arc::new(Semaphore::new(limits.processes)), limits: Arc::new(limits) })
    }

    /// Where a repository is, or would be. The name's form keeps it inside the forge's folder.
    pub fn path(&self, name: &RepositoryName) -> PathBuf {
        self.root.join(name.owner()).join(format!("{}.git", name.name()))
    }

    pub fn exists(&self, name: &RepositoryName) -> bool {
        self.path(name).join("HEAD").is_file()
    }

    /// Makes an empty repository, unless it is there. Two that come at once make one.
    pub async fn create(&self, name: &RepositoryName) -> Result<(), ForgeError> {
        if self.exists(name) {
            return Ok(());
        }
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        // Made beside and renamed, so that one that is half made is never seen.
        let half = path.with_extension(format!("git.{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&half);
        let arguments = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
        git::run(&half, &arguments).await?;
        match std::fs::rename(&half, &path) {
            Ok(()) => Ok(()),
            Err(_) if self.exists(name) => Ok(std::fs::remove_dir_all(&half)?),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn there(&self, name: &RepositoryName) -> Result<PathBuf, ForgeError> {
        if self.exists(name) { Ok(self.path(name)) } else { Err(ForgeError::NoRepository(name.clone())) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
}
