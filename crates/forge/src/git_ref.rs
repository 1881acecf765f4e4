use sluice_model::{CommitSha, RepositoryName};

use crate::{Forge, ForgeError, git};

/// A branch or a tag, and the commit that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRef {
    /// `refs/heads/master`, `refs/tags/version1`
    pub name: String,
    pub sha: CommitSha,
}

impl Forge {
    /// All branches and tags. A tag that leads to no commit is left out, for nothing can run on it.
    pub async fn refs(&self, name: &RepositoryName) -> Result<Vec<GitRef>, ForgeError> {
        let path = self.there(name)?;
        // The second and third are empty but for an annotated tag.
        let format = "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)";
        let text = git::text(&path, &["for-each-ref", format, "refs/heads", "refs/tags"]).await?;
        Ok(text.lines().filter_map(read).collect())
    }

    /// The branch that `HEAD` names: where policy is read from. None while there is no such branch.
    pub async fn default_branch(&self, name: &RepositoryName) -> Result<Option<GitRef>, ForgeError> {
        let path = self.there(name)?;
        let head = git::text(&path, &["symbolic-ref", "HEAD"]).await?;
        Ok(self.refs(name).await?.into_iter().find(|git_ref| git_ref.name == head.trim()))
    }

    /// Points `HEAD` to a branch that is there, where it names none: `main`, then `master`, then the first.
    ///
    /// Git names a branch in `HEAD` before anything is pushed, so the first push may be to another one.
    pub async fn settle_default_branch(&self, name: &RepositoryName) -> Result<(), ForgeError> {
        if self.default_branch(name).await?.is_some() {
            return Ok(());
        }
        let refs = self.refs(name).await?;
        let mut branches = refs.iter().map(|git_ref| git_ref.name.as_str());
        let named = |wanted: &str| refs.iter().map(|r| r.name.as_str()).find(|name| *name == wanted);
        let branch = named("refs/heads/main")
            .or_else(|| named("refs/heads/master"))
            .or_else(|| branches.find(|name| name.starts_with("refs/heads/")));
        if let Some(branch) = branch {
            git::run(&self.path(name), &["symbolic-ref", "HEAD", branch]).await?;
        }
        Ok(())
    }
}

fn read(line: &str) -> Option<GitRef> {
    let mut words = line.split(' ');
    let (name, kind, sha) = (words.next()?, words.next()?, words.next()?);
    let (inner_kind, inner_sha) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let sha = match (kind, inner_kind) {
        ("commit", _) => sha,
        ("tag", "commit") => inner_sha,
        _ => return None,
    };
    Some(GitRef { name: name.to_owned(), sha: sha.parse().ok()? })
}
