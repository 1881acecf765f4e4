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
    /// A commit on top of `head` that holds the tree, uncommitted and new files included, ignored ones not.
    pub commit: CommitSha,
    pub head: CommitSha,
    /// `refs/heads/master`; none where HEAD is detached.
    pub branch: Option<String>,
    /// Whether the tree differs from `head`.
    pub is_changed: bool,
    /// The first line of `head`'s message.
    pub subject: String,
    /// The address of `origin`, where there is one.
    pub origin: Option<String>,
}

/// Takes a snapshot of the working tree that `path` is in, as a bare repository at `into`, which must not be there yet.
///
/// The person's index, tree, refs and objects are only read: new objects go to `into`.
pub async fn snapshot(path: &Path, into: &Path) -> Result<Snapshot, ForgeError> {
    let root = PathBuf::from(
        person(path, &["rev-parse", "--show-toplevel"], &[])
            .await
            .map_err(|_| ForgeError::NotARepository { path: path.display().to_string() })?,
    );
    let ask = |arguments: &'static [&'static str]| {
        let root = root.clone();
        async move { person(&root, arguments, &[]).await }
    };
    let head = ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        .await
        .map_err(|_| ForgeError::NoCommit { path: root.display().to_string() })?;
    let common = root.join(ask(&["rev-parse", "--git-common-dir"]).await?);
    let own = root.join(ask(&["rev-parse", "--git-dir"]).await?);
    borrow(&common, &own, into).await?;
    copy_refs(&root, into).await?;

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
        person(&root, &["read-tree", &head], &env).await?;
    }
    person(&root, &["add", "--all", "--", "."], &env).await?;
    let tree = person(&root, &["write-tree"], &env).await?;
    let head_tree = person(&root, &["rev-parse", &format!("{head}^{{tree}}")], &env).await?;
    let message = "The working tree as it was when the run began";
    let commit = git::text(
        into,
        &[
            "-c",
            "user.name=sluice",
            "-c",
            "user.email=sluice@localhost",
            "commit-tree",
            &tree,
            "-p",
            &head,
            "-m",
            message,
        ],
    )
    .await?;
    git::run(into, &["update-ref", "refs/sluice/snapshot", commit.trim()]).await?;

    Ok(Snapshot {
        repository: into.to_owned(),
        commit: sha(&commit)?,
        is_changed: tree != head_tree,
        branch: ask(&["symbolic-ref", "--quiet", "HEAD"]).await.ok(),
        subject: ask(&["log", "-1", "--format=%s"]).await?,
        origin: ask(&["config", "--get", "remote.origin.url"]).await.ok(),
        head: sha(&head)?,
        root,
    })
}

/// An empty bare repository that finds the person's objects, and knows what the person ignores.
async fn borrow(common: &Path, own: &Path, into: &Path) -> Result<(), ForgeError> {
    git::run(into, &["init", "--quiet", "--bare", "--template="]).await?;
    let info = into.join("info");
    std::fs::create_dir_all(&info)?;
    std::fs::create_dir_all(into.join("objects/info"))?;
    let objects = common.join("objects").canonicalize()?;
    std::fs::write(into.join("objects/info/alternates"), format!("{}\n", objects.display()))?;
    // The index is copied for its times, so that only what changed is read again.
    let copies = [
        (common.join("info/exclude"), info.join("exclude")),
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

async fn copy_refs(root: &Path, into: &Path) -> Result<(), ForgeError> {
    let format = "--format=%(objectname) %(refname)";
    let refs = person(root, &["for-each-ref", format, "refs/heads", "refs/tags"], &[]).await?;
    let mut packed = String::from("# pack-refs with: sorted \n");
    packed.extend(refs.lines().flat_map(|line| [line, "\n"]));
    std::fs::write(into.join("packed-refs"), packed)?;
    let branch = person(root, &["symbolic-ref", "--quiet", "HEAD"], &[]).await;
    if let Ok(branch) = branch {
        git::run(into, &["symbolic-ref", "HEAD", &branch]).await?;
    }
    Ok(())
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
