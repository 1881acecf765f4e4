//! Checks a repository out for a job.

mod other;
mod submodules;
mod target;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use sluice_model::{CommitSha, Trigger};
use sluice_wire::{JobOrder, SourceTree};
use tokio::process::Command;

use crate::depot::{Depot, DepotError};
use crate::place::Place;

pub use other::Other;
pub use target::Existing;

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
    /// What becomes of files that are there already.
    pub existing: Existing,
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
    #[error("the files that are in {target} already cannot be removed: {said}")]
    NotEmptied { target: String, said: String },
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
    let mut lines = Vec::new();
    match direct.is_some() {
        true => lines
            .extend(target::prepare(&git, &place.layout.workspace.outside, &origin, wanted.existing).await?),
        false => target::prepare_inside(place, &wanted.target, wanted.existing).await?,
    }
    if !folder.join(".git").exists() {
        git.run(&["init", "-q"]).await?;
        git.run(&["remote", "add", "origin", &origin]).await?;
    } else {
        // Another repository may have been checked out there before.
        git.run(&["remote", "set-url", "origin", &origin]).await?;
    }
    prepare_files(&git, wanted).await?;
    lines.push(match &wanted.other {
        Some(other) => other::fetch(&git, other, wanted).await?,
        None => fetch(&git, order, wanted).await?,
    });
    if wanted.submodules != Submodules::None {
        lines.extend(submodules::check_out(&git, order, wanted).await?);
    }
    let head = git.read(&["rev-parse", "HEAD"]).await?;
    let commit = head
        .trim()
        .parse()
        .map_err(|_| CheckoutError::Git { command: "rev-parse".to_owned(), said: head })?;
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
    let Some(head) = Head::of(other_ref, trigger) else {
        let (name, token) = (trigger.repository.to_string(), None);
        let own = Other { name, address, token, is_clone: snapshot.is_some() };
        return other::fetch(git, &own, wanted).await;
    };
    let depth = wanted.depth.map(|depth| format!("--depth={depth}"));
    let mut arguments = vec!["fetch", "-q", "--no-recurse-submodules", "--force"];
    arguments.extend(depth.as_deref());
    arguments.push(if wanted.tags { "--tags" } else { "--no-tags" });
    arguments.push(&address);
    if wanted.depth.is_none() && snapshot.is_some() {
        // What a person's clone knows of the other branches of its origin, for its own are few.
        let known = ["+refs/remotes/origin/*:refs/remotes/origin/*", "^refs/remotes/origin/HEAD"];
        git.run(&[&arguments[..], &known].concat()).await?;
    }
    let commit = snapshot.map_or(trigger.sha.as_str(), String::as_str);
    arguments.push(commit);
    // A shallow snapshot comes without its parent, where HEAD is to be.
    arguments.extend(snapshot.map(|_| trigger.sha.as_str()));
    arguments.extend(wanted.depth.is_none().then_some("+refs/heads/*:refs/remotes/origin/*"));
    git.run(&arguments).await?;
    head.place(git, trigger.sha.as_str(), commit).await?;
    Ok(format!("Checked out {} at {}", other_ref.unwrap_or(trigger.ref_name()), trigger.sha))
}

/// Where HEAD of a checkout of the trigger's own commit is.
enum Head {
    /// A branch, checked out under its name, which follows that of `origin`.
    Branch(String),
    /// A tag or a pull request, with HEAD detached there.
    Ref(String),
    /// No ref at all.
    Commit,
}

impl Head {
    /// None where the ref that is asked for is another one than the trigger's.
    fn of(asked: Option<&str>, trigger: &Trigger) -> Option<Self> {
        let branch = |name: &str| Self::Branch(name.to_owned());
        let short = asked.map(|asked| asked.strip_prefix("refs/heads/").unwrap_or(asked));
        if asked == Some(trigger.sha.as_str()) {
            return Some(Self::Commit);
        }
        if let (Some(short), Some(head)) = (short, &trigger.head_ref)
            && short == head
        {
            return Some(branch(short));
        }
        if asked.is_some_and(|asked| asked != trigger.git_ref && asked != trigger.ref_name()) {
            return None;
        }
        Some(match (trigger.branch(), trigger.git_ref.strip_prefix("refs/pull/")) {
            (Some(name), _) => branch(name),
            (None, Some(pull)) => Self::Ref(format!("refs/remotes/pull/{pull}")),
            (None, None) if trigger.tag().is_some() => Self::Ref(trigger.git_ref.clone()),
            (None, None) => Self::Commit,
        })
    }

    /// Puts HEAD at the trigger's commit `sha`, and the files of `commit` beside it: the changes of a working tree are what
    /// differs from the commit, as they are for who made them.
    async fn place(&self, git: &Git<'_>, sha: &str, commit: &str) -> Result<(), CheckoutError> {
        let at = match self {
            Self::Branch(name) => format!("refs/remotes/origin/{name}"),
            Self::Ref(name) => name.clone(),
            Self::Commit => "HEAD".to_owned(),
        };
        let point = |to: &str| ["update-ref", &at, to].map(str::to_owned);
        let run = async |arguments: &[String]| {
            git.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
        };
        match self {
            Self::Commit => git.run(&["checkout", "-q", "--force", "--detach", commit]).await?,
            Self::Branch(name) => {
                run(&point(commit)).await?;
                git.run(&["checkout", "-q", "--force", "-B", name, &at]).await?;
            }
            Self::Ref(_) => {
                run(&point(commit)).await?;
                git.run(&["checkout", "-q", "--force", "--detach", &at]).await?;
            }
        }
        if commit == sha {
            return Ok(());
        }
        git.run(&["reset", "-q", sha]).await?;
        match self {
            Self::Commit => Ok(()),
            Self::Branch(_) => run(&point(sha)).await,
            Self::Ref(_) => {
                run(&point(sha)).await?;
                // Told anew, so that `git status` names it.
                git.run(&["checkout", "-q", "--detach", &at]).await
            }
        }
    }
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
