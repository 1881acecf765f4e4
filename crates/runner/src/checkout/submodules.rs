use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use sluice_wire::{JobOrder, SourceTree};

use super::{Checkout, CheckoutError, Git, Submodules};

/// So many repositories may stand in each other.
const LEVELS: usize = 16;

/// Checks the submodules of what has just been checked out out, at the commits that it names.
///
/// Those that the user's own clone has come out of it, without a network; the others from the address that
/// `.gitmodules` gives. An address on this machine's disk is followed only where the repository is the user's own, for a
/// server's repositories are not each other's.
pub(super) async fn check_out(
    git: &Git<'_>,
    order: &JobOrder,
    wanted: &Checkout,
) -> Result<Vec<String>, CheckoutError> {
    let own = match &order.source {
        SourceTree::WorkingTree { path, .. } if wanted.other.is_none() => Some(git_folder(path)),
        SourceTree::WorkingTree { .. } | SourceTree::Bare { .. } | SourceTree::Remote { .. } => None,
    };
    let reader = Git { may_read_disk: own.is_some(), ..git.clone() };
    let lines = Walk { wanted }.level(reader, own, 0).await?;
    // What steps see are the addresses of `.gitmodules`, wherever the commits came from.
    git.run(&["submodule", "sync", "--quiet", "--recursive"]).await?;
    Ok(lines)
}

struct Walk<'a> {
    wanted: &'a Checkout,
}

struct Submodule {
    name: String,
    path: String,
}

impl Walk<'_> {
    /// The submodules of one repository, and of each those within. `own` is the git folder of the user's clone of it.
    fn level<'a>(
        &'a self,
        git: Git<'a>,
        own: Option<PathBuf>,
        depth: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, CheckoutError>> {
        Box::pin(async move {
            let mut lines = Vec::new();
            if depth == LEVELS || !git.folder.join(".gitmodules").is_file() {
                return Ok(lines);
            }
            git.run(&["submodule", "init", "--quiet"]).await?;
            for submodule in self.listed(&git).await? {
                let own = own.as_ref().map(|own| own.join("modules").join(&submodule.name));
                let own = own.filter(|own| own.join("HEAD").is_file());
                self.update(&git, &submodule, own.as_deref()).await?;
                lines.push(format!("Checked out the submodule {}", submodule.path));
                if self.wanted.submodules == Submodules::AllLevels {
                    let folder = git.folder.join(&submodule.path);
                    let inner = Git { folder: &folder, ..git.clone() };
                    lines.extend(self.level(inner, own, depth + 1).await?);
                }
            }
            Ok(lines)
        })
    }

    /// Name and path of each submodule that the commit has. Git itself refuses names and paths that climb.
    async fn listed(&self, git: &Git<'_>) -> Result<Vec<Submodule>, CheckoutError> {
        let said =
            git.read(&["config", "--null", "--file", ".gitmodules", "--get-regexp", r"\.path$"]).await?;
        let entries = said.split('\0').filter_map(|entry| entry.split_once('\n'));
        let submodule = |(key, path): (&str, &str)| {
            let name = key.strip_prefix("submodule.")?.strip_suffix(".path")?;
            Some(Submodule { name: name.to_owned(), path: path.to_owned() })
        };
        let mut found: Vec<Submodule> = entries.filter_map(submodule).collect();
        let tracked = git.read(&["ls-files", "--stage", "-z"]).await?;
        let is_commit = |path: &str| {
            tracked.split('\0').any(|line| {
                line.starts_with("160000 ") && line.split_once('\t').is_some_and(|(_, name)| name == path)
            })
        };
        found.retain(|submodule| is_commit(&submodule.path));
        Ok(found)
    }

    async fn update(
        &self,
        git: &Git<'_>,
        submodule: &Submodule,
        own: Option<&Path>,
    ) -> Result<(), CheckoutError> {
        if let Some(own) = own {
            let key = format!("submodule.{}.url", submodule.name);
            git.run(&["config", &key, &format!("file://{}", own.display())]).await?;
        }
        let depth = self.wanted.depth.map(|depth| format!("--depth={depth}"));
        let mut arguments = vec!["submodule", "update", "--quiet", "--force"];
        arguments.extend(depth.as_deref());
        arguments.extend(["--", &submodule.path]);
        git.run(&arguments).await
    }
}

/// Of a repository with a working tree the folder within it; a snapshot is one itself, and has the submodules of the
/// user's clone.
fn git_folder(repository: &Path) -> PathBuf {
    let dot_git = repository.join(".git");
    if dot_git.is_dir() { dot_git } else { repository.to_owned() }
}
