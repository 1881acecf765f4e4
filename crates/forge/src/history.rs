use sluice_model::{CommitSha, RepositoryName, Timestamp};

use crate::{Forge, ForgeError, git};

/// What a commit says about itself. Nobody has proved it: it never decides what an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub sha: CommitSha,
    /// The first line of its message.
    pub subject: String,
    pub author_name: String,
    pub author_email: String,
    pub at: Timestamp,
}

impl Forge {
    pub async fn commit(&self, name: &RepositoryName, sha: &CommitSha) -> Result<Commit, ForgeError> {
        let path = self.there(name)?;
        let format = "--format=%an%x00%ae%x00%ct%x00%s";
        let text =
            git::text(&path, &["log", "-1", "--no-show-signature", format, sha.as_str(), "--"]).await?;
        let mut fields = text.trim_end_matches('\n').splitn(4, '\0').map(str::to_owned);
        let mut field = || {
            fields
                .next()
                .ok_or(ForgeError::Unreadable { command: "log", reason: "a field is missing".to_owned() })
        };
        let (author_name, author_email, seconds, subject) = (field()?, field()?, field()?, field()?);
        let at = Timestamp(seconds.parse::<i64>().unwrap_or(0).saturating_mul(1000));
        Ok(Commit { sha: sha.clone(), subject, author_name, author_email, at })
    }

    /// A commit's whole message.
    pub async fn message(&self, name: &RepositoryName, sha: &CommitSha) -> Result<String, ForgeError> {
        let path = self.there(name)?;
        git::text(&path, &["log", "-1", "--no-show-signature", "--format=%B", sha.as_str(), "--"]).await
    }

    /// The commits that `to` has and `from` has not, newest first, at most `limit`; none where one of them is gone.
    pub async fn commits_between(
        &self,
        name: &RepositoryName,
        from: &CommitSha,
        to: &CommitSha,
        limit: usize,
    ) -> Result<Vec<Commit>, ForgeError> {
        let path = self.there(name)?;
        let (range, count) = (format!("{from}..{to}"), format!("--max-count={limit}"));
        let format = "--format=%H%x00%an%x00%ae%x00%ct%x00%s";
        let listed = git::text(&path, &["log", "--no-show-signature", &count, format, &range, "--"]).await;
        let text = match listed {
            Ok(text) => text,
            Err(ForgeError::Git { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let read = |line: &str| {
            let mut fields = line.splitn(5, '\0').map(str::to_owned);
            Some(Commit {
                sha: fields.next()?.parse().ok()?,
                author_name: fields.next()?,
                author_email: fields.next()?,
                at: Timestamp(fields.next()?.parse::<i64>().ok()?.saturating_mul(1000)),
                subject: fields.next()?,
            })
        };
        Ok(text.lines().filter_map(read).collect())
    }

    /// Whether `ancestor` is `sha` or one of its ancestors.
    pub async fn is_ancestor(
        &self,
        name: &RepositoryName,
        ancestor: &CommitSha,
        sha: &CommitSha,
    ) -> Result<bool, ForgeError> {
        let path = self.there(name)?;
        let base = git::text(&path, &["merge-base", ancestor.as_str(), sha.as_str()]).await;
        Ok(base.is_ok_and(|base| base.trim() == ancestor.as_str()))
    }

    /// The paths that differ between two commits; none where `before` is not there any more (a forced push, a
    /// shallow history) or where they are more than the limit.
    pub async fn changed_paths(
        &self,
        name: &RepositoryName,
        before: &CommitSha,
        after: &CommitSha,
    ) -> Result<Option<Vec<String>>, ForgeError> {
        let path = self.there(name)?;
        let arguments =
            ["diff-tree", "-r", "-z", "--name-only", "--no-renames", before.as_str(), after.as_str(), "--"];
        match git::run(&path, &arguments).await {
            Ok(bytes) => Ok(self.paths(&bytes)),
            Err(ForgeError::Git { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn paths(&self, bytes: &[u8]) -> Option<Vec<String>> {
        let paths: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .take(self.limits.changed_paths + 1)
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        (paths.len() <= self.limits.changed_paths).then_some(paths)
    }
}
