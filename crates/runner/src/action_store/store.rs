use std::path::{Path, PathBuf};

use sluice_model::CommitSha;
use sluice_plan::RemoteSource;

use super::git;

/// Where other repositories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionSource {
    /// `URL/owner/name.git`
    Url(String),
    /// `FOLDER/owner/name` or `FOLDER/owner/name.git`, bare or with a working tree.
    Mirror(PathBuf),
}

impl Default for ActionSource {
    fn default() -> Self {
        Self::Url("https://github.com".to_owned())
    }
}

/// Repositories that actions and reusable workflows are taken from, each commit kept once it was fetched.
#[derive(Debug, Clone)]
pub struct ActionStore {
    source: ActionSource,
    folder: PathBuf,
}

/// Why an action cannot be had. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ActionStoreError {
    #[error("Unable to resolve `{wanted}`: there is no branch, tag or commit of that name in {address}")]
    NoRef { wanted: RemoteSource, address: String },
    #[error("there is no {} and no {}.git, where --actions-mirror looks for `{wanted}`", path.display(), path.display())]
    NotMirrored { wanted: RemoteSource, path: PathBuf },
    #[error(
        "`{wanted}` cannot be fetched from {address}: {said}. --actions-url names another place, --actions-mirror a folder \
         of repositories"
    )]
    Unreachable { wanted: RemoteSource, address: String, said: String },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
}

impl ActionStore {
    /// Keeps what it fetches below `data_dir/runner/actions`.
    pub fn new(data_dir: &Path, source: ActionSource) -> Self {
        Self { source, folder: data_dir.join("runner/actions") }
    }

    /// The commit that a branch or tag stands for now; a whole commit stands for itself, and nobody is asked.
    pub async fn resolve(&self, source: &RemoteSource) -> Result<CommitSha, ActionStoreError> {
        if let Some(commit) = source.commit() {
            return Ok(commit);
        }
        let address = self.address(source)?;
        let names = names_of(source.git_ref());
        let mut arguments = vec!["ls-remote".to_owned(), "--quiet".to_owned(), address.clone()];
        arguments.extend(names.iter().cloned());
        let listed =
            git::run(None, &arguments).await.map_err(|said| unreachable_at(source, &address, said))?;
        let listed = String::from_utf8_lossy(&listed);
        let commit_of = |name: &String| {
            let line =
                listed.lines().filter_map(|line| line.split_once('\t')).find(|(_, known)| known == name);
            line.and_then(|(commit, _)| commit.parse().ok())
        };
        let no_ref = || ActionStoreError::NoRef { wanted: source.clone(), address: address.clone() };
        names.iter().find_map(commit_of).ok_or_else(no_ref)
    }

    /// Has a commit at hand, so that [`Self::read`] and [`Self::check_out`] find it.
    pub async fn fetch(&self, source: &RemoteSource, commit: &CommitSha) -> Result<(), ActionStoreError> {
        let kept = self.kept(source, commit);
        if kept.join("HEAD").exists() {
            return Ok(());
        }
        let address = self.address(source)?;
        // Made beside its place and moved there whole: another process may fetch the same.
        let made = kept.with_extension(format!("{:016x}", rand::random::<u64>()));
        let fetched = self.fetch_into(&made, &address, source, commit).await;
        let moved = fetched.and_then(|()| match std::fs::rename(&made, &kept) {
            Err(_) if kept.join("HEAD").exists() => Ok(()),
            moved => moved.map_err(|error| ActionStoreError::File { path: kept.clone(), error }),
        });
        let _ = std::fs::remove_dir_all(&made);
        moved
    }

    async fn fetch_into(
        &self,
        folder: &Path,
        address: &str,
        source: &RemoteSource,
        commit: &CommitSha,
    ) -> Result<(), ActionStoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| ActionStoreError::File { path: folder.to_owned(), error })?;
        let run = async |arguments: &[&str]| git::run(Some(folder), arguments).await;
        let failed = |said| unreachable_at(source, address, said);
        run(&["init", "-q", "--bare", "."]).await.map_err(failed)?;
        // A folder's own git serves any commit of it; forges serve those that a branch or tag reaches.
        let serve = "--upload-pack=git -c safe.directory=* -c uploadpack.allowAnySHA1InWant=true upload-pack";
        let is_folder = matches!(self.source, ActionSource::Mirror(_));
        let mut fetch = vec!["fetch", "-q", "--depth=1", "--no-tags"];
        fetch.extend(is_folder.then_some(serve));
        fetch.push(address);
        let by_commit = run(&[fetch.as_slice(), &[commit.as_str()]].concat()).await;
        if let Err(said) = by_commit {
            // A server that gives no commit by its id may give the branch or tag, if that still is this commit.
            let mut found = false;
            for name in names_of(source.git_ref()).iter().filter(|name| !name.ends_with("^{}")) {
                found |= run(&[fetch.as_slice(), &[name]].concat()).await.is_ok()
                    && run(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).await.is_ok();
            }
            if !found {
                return Err(failed(format!("the commit {commit} is not to be had: {said}")));
            }
        }
        Ok(())
    }

    /// A file of a commit that was fetched; none where the commit has no such file.
    pub async fn read(&self, source: &RemoteSource, commit: &CommitSha, path: &str) -> Option<Vec<u8>> {
        let path = path.trim_matches('/');
        let object = format!("{commit}:{path}");
        git::run(Some(&self.kept(source, commit)), &["cat-file", "blob", &object]).await.ok()
    }

    /// Puts the files of a commit that was fetched into `target`.
    pub async fn check_out(
        &self,
        source: &RemoteSource,
        commit: &CommitSha,
        target: &Path,
    ) -> Result<(), ActionStoreError> {
        let file = |error| ActionStoreError::File { path: target.to_owned(), error };
        std::fs::create_dir_all(target).map_err(file)?;
        let kept = self.kept(source, commit);
        let archive = git::run(Some(&kept), &["archive", "--format=tar", commit.as_str()]).await;
        let archive = archive.map_err(|said| unreachable_at(source, &kept.display().to_string(), said))?;
        let unpacked = tar::Archive::new(archive.as_slice()).unpack(target);
        unpacked.map_err(file)
    }

    fn kept(&self, source: &RemoteSource, commit: &CommitSha) -> PathBuf {
        let (owner, name) = (source.owner().to_ascii_lowercase(), source.name().to_ascii_lowercase());
        self.folder.join(owner).join(name).join(commit.as_str())
    }

    /// What git fetches the repository from; of a mirror, a folder that is there.
    pub fn address(&self, source: &RemoteSource) -> Result<String, ActionStoreError> {
        let (owner, name) = (source.owner(), source.name());
        match &self.source {
            ActionSource::Url(url) => Ok(format!("{}/{owner}/{name}.git", url.trim_end_matches('/'))),
            ActionSource::Mirror(folder) => {
                let path = folder.join(owner).join(name);
                let owners = below(folder, owner);
                let mut found = owners
                    .iter()
                    .flat_map(|owner| [below(owner, name), below(owner, &format!("{name}.git"))].concat());
                let found = found.next();
                let found = found.and_then(|path| path.canonicalize().ok());
                let found = found.ok_or(ActionStoreError::NotMirrored { wanted: source.clone(), path })?;
                Ok(format!("file://{}", found.display()))
            }
        }
    }
}

/// The folders of this name, in any case: forges do not tell names apart by it.
fn below(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_named = |path: &PathBuf| path.file_name().is_some_and(|file| file.eq_ignore_ascii_case(name));
    entries.map(|entry| entry.path()).filter(|path| is_named(path) && path.is_dir()).collect()
}

/// The names that a ref may have in a repository, in the order in which git itself looks. A tag that is an object of its
/// own stands for the commit below it.
fn names_of(git_ref: &str) -> Vec<String> {
    if git_ref.starts_with("refs/") {
        return vec![format!("{git_ref}^{{}}"), git_ref.to_owned()];
    }
    vec![format!("refs/tags/{git_ref}^{{}}"), format!("refs/tags/{git_ref}"), format!("refs/heads/{git_ref}")]
}

fn unreachable_at(source: &RemoteSource, address: &str, said: String) -> ActionStoreError {
    ActionStoreError::Unreachable { wanted: source.clone(), address: address.to_owned(), said }
}
