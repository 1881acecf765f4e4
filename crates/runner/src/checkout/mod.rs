//! Checks a repository out for a job.

mod other;
mod submodules;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use sluice_model::{CommitSha, Trigger};
use sluice_wire::{JobOrder, SourceTree};
use tokio::process::Command;

use crate::depot::{Depot, DepotError};
use crate::place::Place;

pub use other::Other;

/// What to check out, and where to.
#[derive(Debug, Clone, Default)]
pub struct Checkout {
    /// As steps call it.
    pub target: String,
    /// None: the repository that the trigger is of.
    pub other: Option<Other>,
    /// None: all history.
    pub depth: Option<u32>,
    /// A branch, tag or commit instead of the trigger's.
    pub git_ref: Option<String>,
    pub tags: bool,
    pub submodules: Submodules,
    /// None: every file.
    pub sparse: Option<Sparse>,
    /// Files that git-lfs keeps come as themselves, not as pointers.
    pub lfs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Submodules {
    #[default]
    None,
    OneLevel,
    AllLevels,
}

/// Which files are wanted, as `git sparse-checkout` takes them.
#[derive(Debug, Clone)]
pub struct Sparse {
    pub patterns: Vec<String>,
    /// The patterns are folders.
    pub cone: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error("`git {command}` failed: {said}")]
    Git { command: String, said: String },
    #[error("git could not be started: {0}. Install git on the machine that runs jobs")]
    NoGit(std::io::Error),
    #[error("there is no branch and no tag `{wanted}` in {repository}")]
    NoRef { wanted: String, repository: String },
    #[error("`lfs: true` needs git-lfs on the machine that runs jobs: install the package git-lfs")]
    NoLfs,
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Depot(#[from] DepotError),
}

/// Checks the commit out, and leaves branch and remote as the service does.
///
/// Git runs on this machine, for an image need not have it. For a container it runs in a folder that steps cannot
/// reach (a hook or a link that a step left would lead it out of the container), and the result is sent in.
///
/// Gives the commit, and what the log says of it, a line a fact.
pub async fn checkout(
    place: &Place,
    order: &JobOrder,
    wanted: &Checkout,
) -> Result<(CommitSha, Vec<String>), CheckoutError> {
    let private = place.layout.folder.join(format!("checkout-{:016x}", rand::random::<u64>()));
    let direct = (!place.is_container).then(|| PathBuf::from(&wanted.target));
    let folder = direct.clone().unwrap_or_else(|| private.clone());
    std::fs::create_dir_all(&folder).map_err(|error| CheckoutError::File { path: folder.clone(), error })?;
    let origin = wanted.other.as_ref().map_or_else(|| origin(order), |other| other.address.clone());
    let git = Git {
        folder: &folder,
        config: configuration(place)?,
        authorization: match &wanted.other {
            Some(other) => other.authorization(),
            None => authorization(&order.source),
        },
        may_read_disk: false,
    };
    if !folder.join(".git").exists() {
        git.run(&["init", "-q"]).await?;
        git.run(&["remote", "add", "origin", &origin]).await?;
    } else {
        // Another repository may have been checked out there before.
        git.run(&["remote", "set-url", "origin", &origin]).await?;
    }
    prepare_files(&git, wanted).await?;
    let mut lines = vec![match &wanted.other {
        Some(other) => other::fetch(&git, other, wanted).await?,
        None => fetch(&git, order, wanted).await?,
    }];
    if wanted.submodules != Submodules::None {
        lines.extend(submodules::check_out(&git, order, wanted).await?);
    }
    let commit = match &wanted.other {
        Some(_) => {
            let head = git.read(&["rev-parse", "HEAD"]).await?;
            head.trim()
                .parse()
                .map_err(|_| CheckoutError::Git { command: "rev-parse".to_owned(), said: head })?
        }
        None => order.trigger.sha.clone(),
    };
    if direct.is_none() {
        Depot::transfer(place, &private, &wanted.target).await?;
        let _ = tokio::fs::remove_dir_all(&private).await;
    }
    Ok((commit, lines))
}

async fn fetch(git: &Git<'_>, order: &JobOrder, wanted: &Checkout) -> Result<String, CheckoutError> {
    let trigger = &order.trigger;
    let address = address(&order.source);
    let snapshot = match &order.source {
        SourceTree::WorkingTree { snapshot, .. } => Some(snapshot),
        SourceTree::Bare { .. } | SourceTree::Remote { .. } => None,
    };
    let other_ref = wanted.git_ref.as_deref().filter(|git_ref| !git_ref.is_empty());
    let is_triggers = other_ref.is_none_or(|git_ref| names_trigger(git_ref, trigger));
    let depth = wanted.depth.map(|depth| format!("--depth={depth}"));
    let mut arguments = vec!["fetch", "-q", "--no-recurse-submodules", "--force"];
    arguments.extend(depth.as_deref());
    arguments.push(if wanted.tags { "--tags" } else { "--no-tags" });
    arguments.push(&address);
    if is_triggers {
        let commit = snapshot.map_or(trigger.sha.as_str(), String::as_str);
        let all = wanted.depth.is_none().then_some("+refs/heads/*:refs/remotes/origin/*");
        let mut with_all = arguments.clone();
        with_all.push(commit);
        // A shallow snapshot comes without its parent, where HEAD is to be.
        with_all.extend(snapshot.map(|_| trigger.sha.as_str()));
        with_all.extend(all);
        git.run(&with_all).await?;
        place_head(git, trigger, commit).await?;
        if snapshot.is_some() {
            // The changes of the working tree are what differs from the commit, as they are for who made them.
            git.run(&["reset", "-q", trigger.sha.as_str()]).await?;
        }
        return Ok(format!("Checked out {} at {}", trigger.ref_name(), trigger.sha));
    }
    let other = other_ref.unwrap_or_default();
    let fetched = format!("+{other}:refs/sluice/checkout");
    arguments.push(&fetched);
    git.run(&arguments).await?;
    git.run(&["checkout", "-q", "--force", "--detach", "refs/sluice/checkout"]).await?;
    Ok(format!("Checked out {other}"))
}

/// Which files the checkout makes, and what becomes of those that git-lfs keeps.
async fn prepare_files(git: &Git<'_>, wanted: &Checkout) -> Result<(), CheckoutError> {
    if let Some(Sparse { patterns, cone }) = &wanted.sparse {
        let mut arguments = vec!["sparse-checkout", "set", if *cone { "--cone" } else { "--no-cone" }];
        arguments.extend(patterns.iter().map(String::as_str));
        git.run(&arguments).await?;
    }
    if wanted.lfs {
        // Without the hooks, which none of git's commands here may run.
        git.run(&["lfs", "install", "--local", "--skip-repo"]).await.map_err(|error| match error {
            CheckoutError::Git { said, .. } if said.contains("not a git command") => CheckoutError::NoLfs,
            error => error,
        })?;
    }
    Ok(())
}

/// Both services leave a branch checked out under its name, and a tag or a pull request with HEAD detached.
async fn place_head(git: &Git<'_>, trigger: &Trigger, commit: &str) -> Result<(), CheckoutError> {
    match trigger.branch() {
        Some(branch) => {
            git.run(&["update-ref", &format!("refs/remotes/origin/{branch}"), trigger.sha.as_str()]).await?;
            git.run(&["checkout", "-q", "--force", "--no-track", "-B", branch, commit]).await
        }
        None => {
            if let Some(tag) = trigger.tag() {
                git.run(&["update-ref", &format!("refs/tags/{tag}"), trigger.sha.as_str()]).await?;
            }
            git.run(&["checkout", "-q", "--force", "--detach", commit]).await
        }
    }
}

fn names_trigger(git_ref: &str, trigger: &Trigger) -> bool {
    git_ref == trigger.sha.as_str() || git_ref == trigger.git_ref || git_ref == trigger.ref_name()
}

/// What `origin` is: an address that means something to the steps, where there is one.
pub fn origin(order: &JobOrder) -> String {
    match &order.server {
        Some(server) => format!("{}/{}.git", server.url.trim_end_matches('/'), order.trigger.repository),
        None => address(&order.source),
    }
}

fn address(source: &SourceTree) -> String {
    match source {
        SourceTree::Bare { path } | SourceTree::WorkingTree { path, .. } => {
            format!("file://{}", path.display())
        }
        SourceTree::Remote { url, .. } => url.clone(),
    }
}

/// A configuration of its own: neither the user's nor the machine's has a say, and any folder's owner is accepted.
fn configuration(place: &Place) -> Result<PathBuf, CheckoutError> {
    let path = place.layout.folder.join("gitconfig");
    let content = "[safe]\n\tdirectory = *\n[protocol]\n\tversion = 2\n[uploadpack]\n\tallowAnySHA1InWant = true\n\
                   [advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main\n[core]\n\thooksPath = /dev/null\n";
    std::fs::write(&path, content).map_err(|error| CheckoutError::File { path: path.clone(), error })?;
    Ok(path)
}

/// Shown to the server that the repository comes from, and to no other that a submodule may name.
#[derive(Clone)]
struct Authorization {
    /// `http.<scheme>://<host>/.extraHeader`
    key: String,
    header: String,
}

impl Authorization {
    /// None for an address that no token is shown to, such as a folder.
    fn of(address: &str, token: &str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://").filter(|(scheme, _)| scheme.starts_with("http"))?;
        let host = rest.split('/').next()?;
        let pair = format!("x-access-token:{token}");
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        let header = format!("Authorization: Basic {pair}");
        Some(Self { key: format!("http.{scheme}://{host}/.extraHeader"), header })
    }
}

fn authorization(source: &SourceTree) -> Option<Authorization> {
    let SourceTree::Remote { url, token } = source else { return None };
    Authorization::of(url, token.expose())
}

/// Git in one folder.
#[derive(Clone)]
struct Git<'a> {
    folder: &'a Path,
    config: PathBuf,
    authorization: Option<Authorization>,
    /// Submodules may come from an address on this machine's disk.
    may_read_disk: bool,
}

impl Git<'_> {
    async fn run(&self, arguments: &[&str]) -> Result<(), CheckoutError> {
        self.read(arguments).await.map(drop)
    }

    /// What it prints.
    async fn read(&self, arguments: &[&str]) -> Result<String, CheckoutError> {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(self.folder)
            .args(self.may_read_disk.then_some(["-c", "protocol.file.allow=always"]).into_iter().flatten())
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(Authorization { key, header }) = &self.authorization {
            // By the environment, for arguments are seen by every process of the machine.
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", key)
                .env("GIT_CONFIG_VALUE_0", header);
        }
        let output = command.output().await.map_err(CheckoutError::NoGit)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(CheckoutError::Git { command: arguments.first().copied().unwrap_or_default().to_owned(), said })
    }
}
