use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sluice_model::CommitSha;
use tokio::process::Command;

use crate::{ForgeError, git};

/// A working tree as it was at one moment, in a repository of its own that borrows the objects of the person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The bare repository that holds `commit`, and every branch and tag of the person's.
    pub repository: PathBuf,
    /// The working tree's root.
    pub root: PathBuf,
    /// A commit that holds the tree, uncommitted and new files included, ignored ones not: one on top of `head`, or
    /// `head` where nothing differs.
    pub commit: CommitSha,
    pub head: CommitSha,
    /// `refs/heads/master`; none where HEAD is detached.
    pub branch: Option<String>,
    /// Whether the tree differs from `head`.
    pub is_changed: bool,
}

/// Takes a snapshot of the working tree that `path` is in, as a bare repository at `into`, which must not be there yet.
///
/// The person's index, tree, refs and objects are only read: new objects go to `into`. A process of git takes longer
/// than all that it does here, so what one can tell is asked of one, and what can be asked beside something else is.
pub async fn snapshot(path: &Path, into: &Path) -> Result<Snapshot, ForgeError> {
    let Place { root, common, own, head, head_tree, branch } = place(path).await?;
    let refs = person(&root, &REFS, &[]);
    borrow(&common, &own, into)?;
    let (refs, tree) = tokio::join!(refs, write_tree(&root, &head, into));
    let tree = tree?;
    let is_changed = tree != head_tree;
    let commit = if is_changed { commit(&tree, &head, into).await? } else { head.clone() };
    keep_refs(into, branch.as_deref(), &refs?, &commit)?;
    Ok(Snapshot {
        repository: into.to_owned(),
        commit: sha(&commit)?,
        is_changed,
        branch,
        head: sha(&head)?,
        root,
    })
}

/// Every branch and tag, as `packed-refs` has them.
const REFS: [&str; 4] = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];

/// Where a working tree and its repository are, and what is checked out.
struct Place {
    root: PathBuf,
    /// The repository's own folder, shared by all its working trees.
    common: PathBuf,
    /// This working tree's folder in it.
    own: PathBuf,
    head: String,
    head_tree: String,
    branch: Option<String>,
}

async fn place(path: &Path) -> Result<Place, ForgeError> {
    let folders = ["rev-parse", "--show-toplevel", "--git-common-dir", "--git-dir"];
    let head = ["HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
    let with_head = [&folders[..], &head].concat();
    let said = match person(path, &with_head, &[]).await {
        Ok(said) => said,
        Err(_) if person(path, &folders, &[]).await.is_ok() => {
            return Err(ForgeError::NoCommit { path: path.display().to_string() });
        }
        Err(_) => return Err(ForgeError::NotARepository { path: path.display().to_string() }),
    };
    match said.lines().collect::<Vec<_>>().as_slice() {
        [root, common, own, head, head_tree, branch] => Ok(Place {
            root: PathBuf::from(root),
            common: path.join(common),
            own: path.join(own),
            head: (*head).to_owned(),
            head_tree: (*head_tree).to_owned(),
            // A detached HEAD has no other name than its own.
            branch: Some((*branch).to_owned()).filter(|name| name != "HEAD"),
        }),
        _ => Err(ForgeError::Unreadable { command: "rev-parse", reason: said }),
    }
}

/// Writes the tree as it is into `into`.
async fn write_tree(root: &Path, head: &str, into: &Path) -> Result<String, ForgeError> {
    let index = into.join("index");
    let index_text = index.to_string_lossy().into_owned();
    let into_text = into.to_string_lossy().into_owned();
    let root_text = root.to_string_lossy().into_owned();
    let env = [
        ("GIT_DIR", into_text.as_str()),
        ("GIT_WORK_TREE", root_text.as_str()),
        ("GIT_INDEX_FILE", index_text.as_str()),
    ];
    if !index.exists() {
        person(root, &["read-tree", head], &env).await?;
    }
    person(root, &["add", "--all", "--", "."], &env).await?;
    person(root, &["write-tree"], &env).await
}

/// A commit of the tree in `into`.
async fn commit(tree: &str, head: &str, into: &Path) -> Result<String, ForgeError> {
    let message = "The working tree as it was when the run began";
    let identity = ["-c", "user.name=sluice", "-c", "user.email=sluice@localhost"];
    let arguments = [&identity[..], &["commit-tree", tree, "-p", head, "-m", message]].concat();
    Ok(git::text(into, &arguments).await?.trim().to_owned())
}

/// An empty bare repository that finds the person's objects, submodules and git-lfs files, and knows what the person
/// ignores.
fn borrow(common: &Path, own: &Path, into: &Path) -> std::io::Result<()> {
    // As `git init --bare` makes one.
    for folder in ["info", "objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/sluice"] {
        std::fs::create_dir_all(into.join(folder))?;
    }
    std::fs::write(into.join("HEAD"), "ref: refs/heads/main\n")?;
    std::fs::write(
        into.join("config"),
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n",
    )?;
    let objects = common.join("objects").canonicalize()?;
    std::fs::write(into.join("objects/info/alternates"), format!("{}\n", objects.display()))?;
    // A linked working tree may have submodules of its own; git-lfs keeps its files once for all.
    for (from, name) in [(own, "modules"), (common, "modules"), (common, "lfs")] {
        let (from, link) = (from.join(name), into.join(name));
        if from.is_dir() && !link.exists() {
            std::os::unix::fs::symlink(from.canonicalize()?, link)?;
        }
    }
    // The index is copied for its times, so that only what changed is read again.
    let copies = [
        (common.join("info/exclude"), into.join("info/exclude")),
        (common.join("shallow"), into.join("shallow")),
        (own.join("index"), into.join("index")),
    ];
    for (from, to) in copies {
        if from.is_file() {
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// The person's branches and tags, which of them is checked out, and a ref for the snapshot, so that it is kept.
fn keep_refs(into: &Path, branch: Option<&str>, refs: &str, commit: &str) -> std::io::Result<()> {
    let mut packed = String::from("# pack-refs with: sorted \n");
    packed.extend(refs.lines().flat_map(|line| [line, "\n"]));
    std::fs::write(into.join("packed-refs"), packed)?;
    if let Some(branch) = branch {
        std::fs::write(into.join("HEAD"), format!("ref: {branch}\n"))?;
    }
    std::fs::write(into.join("refs/sluice/snapshot"), format!("{commit}\n"))
}

/// Git as the person runs it, with their configuration (what they ignore, how lines end), but no hook.
async fn person<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    env: &[(&str, &str)],
) -> Result<String, ForgeError> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    // A hook that calls `sluice run` sets these, and they would lead to another repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").envs(env.iter().copied());
    let output = command.output().await.map_err(ForgeError::Spawn)?;
    if !output.status.success() {
        let command = arguments.first().map(|a| a.as_ref().to_string_lossy().into_owned());
        return Err(ForgeError::Git {
            command: command.unwrap_or_default(),
            message: git::first_lines(&output.stderr),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn sha(text: &str) -> Result<CommitSha, ForgeError> {
    text.trim()
        .parse()
        .map_err(|error| ForgeError::Unreadable { command: "rev-parse", reason: format!("{error}") })
}
