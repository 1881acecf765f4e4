use sluice_model::{CommitSha, RepositoryName};

use crate::{Forge, ForgeError, git};

impl Forge {
    /// A file's bytes at a commit; none where the commit has no such file, or has a folder or a link there.
    pub async fn file(
        &self,
        name: &RepositoryName,
        sha: &CommitSha,
        path: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        let repository = self.there(name)?;
        let listed = git::run(&repository, &["ls-tree", "-z", "-l", sha.as_str(), "--", path]).await?;
        let Some(entry) = entries(&listed).into_iter().find(|entry| entry.path == path) else {
            return Ok(None);
        };
        if entry.size_bytes > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            return Err(ForgeError::FileTooLarge { path: path.to_owned(), sha: sha.to_string(), limit });
        }
        git::run(&repository, &["cat-file", "blob", &entry.id]).await.map(Some)
    }

    /// The paths of the regular files below a folder of a commit, in git's order; empty where there is no such folder.
    pub async fn files_under(
        &self,
        name: &RepositoryName,
        sha: &CommitSha,
        folder: &str,
    ) -> Result<Vec<String>, ForgeError> {
        let repository = self.there(name)?;
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let arguments = ["ls-tree", "-r", "-z", "-l", sha.as_str(), "--", &folder];
        Ok(entries(&git::run(&repository, &arguments).await?).into_iter().map(|entry| entry.path).collect())
    }
}

struct Entry {
    id: String,
    size_bytes: u64,
    path: String,
}

/// Regular files out of `git ls-tree -z -l`: `<mode> <type> <id> <size>\t<path>\0`.
fn entries(listed: &[u8]) -> Vec<Entry> {
    let read = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let (head, path) = line.split_once('\t')?;
        let mut words = head.split_ascii_whitespace();
        let (mode, _, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_regular = matches!(mode, "100644" | "100755" | "100664");
        let size_bytes = size.parse().ok()?;
        is_regular.then(|| Entry { id: id.to_owned(), size_bytes, path: path.to_owned() })
    };
    listed.split(|byte| *byte == 0).filter_map(read).collect()
}
