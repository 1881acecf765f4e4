use anyhow::bail;
use sluice_model::CommitSha;
use sluice_pipelines::{Files, Pipelines};
use sluice_plan::{ActionLock, RemoteSource};
use sluice_runner::ActionStore;

/// Reusable workflows of other repositories, fetched where a workflow calls them.
pub struct Calls<'a> {
    pub store: &'a ActionStore,
    pub lock: Option<&'a ActionLock>,
    /// What the lock does not know is refused, and not taken at what it stands for now.
    pub strict: bool,
}

/// What came of fetching.
#[derive(Default)]
pub struct Fetched {
    /// The commits of those that were named by a branch or a tag.
    pub taken: Vec<(RemoteSource, CommitSha)>,
    /// Calls, as `uses` names them, whose text could not be had. Whether that counts depends on what of them runs.
    pub missed: Vec<(String, anyhow::Error)>,
}

/// Workflows call each other no deeper (GitHub's own limit), so that there are no more rounds of files to fetch.
const ROUNDS: usize = 10;
/// So many files are fetched at most; one workflow of GitHub's calls no more.
const FILES_LIMIT: usize = 200;

impl Calls<'_> {
    /// Puts the text of every workflow that is called into `files`, by how `uses` names it.
    pub async fn fetch(&self, files: &mut Files) -> anyhow::Result<Fetched> {
        let mut fetched = Fetched::default();
        let mut count = 0;
        for _ in 0..ROUNDS {
            let mut missing = Pipelines::new(files).missing_calls();
            missing.retain(|call| !fetched.missed.iter().any(|(missed, _)| missed == call));
            if missing.is_empty() {
                break;
            }
            for call in missing {
                count += 1;
                if count > FILES_LIMIT {
                    bail!("more than {FILES_LIMIT} reusable workflows of other repositories are called");
                }
                match self.text_of(&call).await {
                    Ok((source, commit, text)) => {
                        files.insert(call, text);
                        let is_known = fetched.taken.iter().any(|(known, _)| *known == source);
                        if source.commit().is_none() && !is_known {
                            fetched.taken.push((source, commit));
                        }
                    }
                    Err(error) => fetched.missed.push((call, error)),
                }
            }
        }
        Ok(fetched)
    }

    async fn text_of(&self, call: &str) -> anyhow::Result<(RemoteSource, CommitSha, String)> {
        let (source, path) = parts(call)?;
        let commit = self.commit_of(&source).await?;
        self.store.fetch(&source, &commit).await?;
        let Some(bytes) = self.store.read(&source, &commit, &path).await else {
            bail!("`{call}`: there is no such workflow at {commit}");
        };
        let text = sluice_source::decode(&path, &bytes).map(str::to_owned);
        Ok((source, commit, text.map_err(|error| anyhow::anyhow!("{error}"))?))
    }

    async fn commit_of(&self, source: &RemoteSource) -> anyhow::Result<CommitSha> {
        if let Some(commit) = source.commit() {
            return Ok(commit);
        }
        match self.lock {
            Some(lock) => match lock.get(source) {
                Some(commit) => Ok(commit.clone()),
                None if self.strict => bail!(
                    "`{source}` is not in {}: `sluice lock` adds the commit that it stands for now",
                    ActionLock::FILE
                ),
                None => Ok(self.store.resolve(source).await?),
            },
            None => Ok(self.store.resolve(source).await?),
        }
    }
}

/// `owner/name/path@ref`: the repository at the ref, and the path in it.
fn parts(call: &str) -> anyhow::Result<(RemoteSource, String)> {
    let found = call.find(".yml@").map(|at| at + 4).or_else(|| call.find(".yaml@").map(|at| at + 5));
    let split = found.and_then(|at| {
        let (path, git_ref) = (&call[..at], &call[at + 1..]);
        let mut halves = path.splitn(3, '/');
        Some((halves.next()?, halves.next()?, halves.next()?, git_ref))
    });
    let Some((owner, name, path, git_ref)) = split else {
        bail!("`{call}` is no workflow of a repository: expected owner/name/.github/workflows/file.yml@ref");
    };
    Ok((RemoteSource::new(owner, name, git_ref)?, path.to_owned()))
}
