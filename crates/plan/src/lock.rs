use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sluice_model::CommitSha;
use sluice_source::{Diagnostic, Location};

use crate::ActionReference;

/// `owner/name@ref`: a repository that actions or workflows are taken from, at a branch, a tag or a commit.
///
/// Owner and name are the same in any case, as forges have it. All three are safe in an address, in a path and as an
/// argument of git.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemoteSource {
    owner: String,
    name: String,
    git_ref: String,
    /// What two are compared by.
    folded: String,
}

impl PartialEq for RemoteSource {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for RemoteSource {}

impl PartialOrd for RemoteSource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RemoteSource {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

/// Why a text names no repository at a ref.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{seen}` is no repository at a ref: expected owner/name@ref, the ref a branch, a tag or a whole commit"
)]
pub struct NoRemoteSource {
    seen: String,
}

impl RemoteSource {
    pub fn new(owner: &str, name: &str, git_ref: &str) -> Result<Self, NoRemoteSource> {
        let half = |half: &str| {
            (1..=100).contains(&half.len())
                && half.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
                && !matches!(half, "." | "..")
                && !half.starts_with('-')
        };
        // What `git check-ref-format` refuses, as far as it would mean something else in a command or a path.
        let is_ref = (1..=250).contains(&git_ref.len())
            && !git_ref.starts_with(['-', '/'])
            && !git_ref.contains("..")
            && !git_ref.contains("@{")
            && !git_ref.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c));
        if half(owner) && half(name) && is_ref {
            let (owner, name, git_ref) = (owner.to_owned(), name.to_owned(), git_ref.to_owned());
            let folded = format!("{}/{}@{git_ref}", owner.to_ascii_lowercase(), name.to_ascii_lowercase());
            return Ok(Self { owner, name, git_ref, folded });
        }
        Err(NoRemoteSource { seen: format!("{owner}/{name}@{git_ref}").chars().take(400).collect() })
    }

    /// None where the action is of the workspace, or an image.
    pub fn of_action(action: &ActionReference) -> Option<Result<Self, NoRemoteSource>> {
        match action {
            ActionReference::Repository { owner, name, git_ref, .. } => Some(Self::new(owner, name, git_ref)),
            ActionReference::Local { .. } | ActionReference::Docker { .. } => None,
        }
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn git_ref(&self) -> &str {
        &self.git_ref
    }

    /// The commit, where the ref is a whole one: nobody can move it.
    pub fn commit(&self) -> Option<CommitSha> {
        self.git_ref.to_ascii_lowercase().parse().ok()
    }
}

impl FromStr for RemoteSource {
    type Err = NoRemoteSource;

    fn from_str(text: &str) -> Result<Self, NoRemoteSource> {
        let parts = text.split_once('@').and_then(|(path, git_ref)| {
            let (owner, name) = path.split_once('/')?;
            Some((owner, name, git_ref))
        });
        let (owner, name, git_ref) =
            parts.ok_or_else(|| NoRemoteSource { seen: text.chars().take(400).collect() })?;
        Self::new(owner, name, git_ref)
    }
}

impl TryFrom<String> for RemoteSource {
    type Error = NoRemoteSource;
    fn try_from(text: String) -> Result<Self, NoRemoteSource> {
        text.parse()
    }
}

impl From<RemoteSource> for String {
    fn from(source: RemoteSource) -> String {
        source.to_string()
    }
}

impl fmt::Display for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.owner, self.name, self.git_ref)
    }
}

/// `sluice.lock`: which commit each branch and tag stands for that actions and reusable workflows are taken from.
///
/// A line an entry, `owner/name@ref COMMIT`; what follows a `#` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionLock(BTreeMap<RemoteSource, CommitSha>);

impl ActionLock {
    /// Its name, at the repository's root.
    pub const FILE: &'static str = "sluice.lock";

    /// The first line that is no entry is told.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let mut lock = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let entry = text.split('#').next().unwrap_or_default();
            let words: Vec<&str> = entry.split_whitespace().collect();
            let wrong = |message: String| {
                let at = Location { path: Self::FILE.to_owned(), line, column: 1 };
                let help = "`sluice lock` writes the file anew";
                Diagnostic::error("lock/entry", at, 0, message).with_help(help)
            };
            match words.as_slice() {
                [] => {}
                [source, commit] => {
                    let source: RemoteSource = source.parse().map_err(|error| wrong(format!("{error}")))?;
                    let commit = commit.parse().map_err(|error| wrong(format!("{error}")))?;
                    if lock.0.insert(source.clone(), commit).is_some() {
                        return Err(wrong(format!("`{source}` has an entry already")));
                    }
                }
                _ => return Err(wrong("an entry is `owner/name@ref COMMIT`".to_owned())),
            }
        }
        Ok(lock)
    }

    pub fn get(&self, source: &RemoteSource) -> Option<&CommitSha> {
        self.0.get(source)
    }

    pub fn insert(&mut self, source: RemoteSource, commit: CommitSha) {
        self.0.insert(source, commit);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&RemoteSource, &CommitSha)> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The file's text, which [`ActionLock::parse`] reads back.
impl fmt::Display for ActionLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The commits that actions and reusable workflows of other repositories are taken from."
        )?;
        writeln!(f, "# Written by `sluice lock`; keep it in the repository.")?;
        self.0.iter().try_for_each(|(source, commit)| writeln!(f, "{source} {commit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    #[test]
    fn the_file_is_read_back_as_it_was_written() {
        let mut lock = ActionLock::default();
        for source in ["Acme/Greet@v1", "acme/.github@feature/x"] {
            lock.insert(source.parse().unwrap(), COMMIT.parse().unwrap());
        }
        let text = lock.to_string();
        assert!(
            text.ends_with(&format!("acme/.github@feature/x {COMMIT}\nAcme/Greet@v1 {COMMIT}\n")),
            "{text}"
        );
        assert_eq!(ActionLock::parse(&text).unwrap(), lock);
        assert_eq!(lock.get(&"ACME/GREET@v1".parse().unwrap()).map(CommitSha::as_str), Some(COMMIT));
        assert!(lock.get(&"acme/greet@V1".parse().unwrap()).is_none());
    }

    #[test]
    fn a_line_that_is_no_entry_is_told_with_its_place() {
        for (text, part) in [
            ("\nacme/greet@v1\n", "sluice.lock:2:1: error[lock/entry]: an entry is"),
            ("acme/greet@v1 abc", "expected 40 or 64"),
            ("acme/greet 0123", "`acme/greet` is no repository at a ref"),
            (
                &format!("a/b@c {COMMIT}\nA/b@c {COMMIT} # twice"),
                "sluice.lock:2:1: error[lock/entry]: `A/b@c` has an entry",
            ),
        ] {
            let error = ActionLock::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_could_mean_something_else_to_git_or_a_path_is_refused() {
        for wrong in [
            "../b@c", "a/..@c", "a/b@../c", "a/b@-x", "a/b@/x", "a/b@x y", "a/b@x:y", "-a/b@c", "a/b", "a@b",
            "a/b@",
        ] {
            assert!(wrong.parse::<RemoteSource>().is_err(), "{wrong}");
        }
        assert_eq!(
            format!("a/b@{COMMIT}").parse::<RemoteSource>().unwrap().commit().unwrap().as_str(),
            COMMIT
        );
        assert!("a/b@v1".parse::<RemoteSource>().unwrap().commit().is_none());
    }
}
