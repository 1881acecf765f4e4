//! Short names of a job's sockets. An address of a socket has 107 characters at most, and the folders of a job may have more.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where they are, on every machine: a sweep looks there, whatever its own TMPDIR.
const FOLDER: &str = "/tmp";
/// What is younger may be in the making.
const YOUNGEST_ABANDONED: Duration = Duration::from_secs(60);

/// The names of one job's sockets on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortNames {
    stem: String,
}

impl ShortNames {
    /// `process` is the runner's, `folder` the job's among its own.
    pub fn of(process: &str, folder: &Path) -> Self {
        let job = folder.file_name().unwrap_or_default().to_string_lossy();
        Self { stem: format!("sluice-{process}-{job}") }
    }

    /// A link to the job's engine socket.
    pub fn engine_socket(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.sock", self.stem))
    }

    /// The folder of the job's ssh-agent.
    pub fn ssh_folder(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.ssh", self.stem))
    }
}

/// The socket in [`ShortNames::ssh_folder`].
pub const SSH_SOCKET: &str = "agent";

/// Removes what these processes, which are dead, have left there; and what nobody of this account can be using any more, of
/// whichever data folder it was.
pub fn sweep(dead: &[String]) {
    sweep_in(Path::new(FOLDER), dead, YOUNGEST_ABANDONED);
}

fn sweep_in(folder: &Path, dead: &[String], youngest: Duration) {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("sluice-")) else { continue };
        let is_link = name.ends_with(".sock");
        if !is_link && !name.ends_with(".ssh") {
            continue;
        }
        let path = entry.path();
        // Of the name itself, not of what it leads to.
        let Ok(seen) = entry.metadata() else { continue };
        let of_dead =
            |process: &String| name.strip_prefix("sluice-").is_some_and(|rest| is_of(rest, process));
        if seen.uid() != own || !(dead.iter().any(of_dead) || is_abandoned(&path, &seen, youngest)) {
            continue;
        }
        let _ = if seen.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

fn is_of(rest: &str, process: &str) -> bool {
    rest.strip_prefix(process).is_some_and(|job| job.starts_with('-'))
}

/// A link that leads nowhere, or an agent's folder in which nobody listens.
fn is_abandoned(path: &Path, seen: &Metadata, youngest: Duration) -> bool {
    let age = seen.modified().ok().and_then(|modified| modified.elapsed().ok());
    if age.is_none_or(|age| age < youngest) {
        return false;
    }
    match seen.is_dir() {
        true => UnixStream::connect(path.join(SSH_SOCKET)).is_err(),
        false => seen.is_symlink() && !path.exists(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn left(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn names_of_the_dead_go_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let listeners = ["sluice-aa-1.ssh", "sluice-bb-1.ssh", "sluice-cc-1.ssh"].map(|name| {
            std::fs::create_dir(at(name)).unwrap();
            UnixListener::bind(at(name).join(SSH_SOCKET)).unwrap()
        });
        std::fs::write(at("there"), "").unwrap();
        for (name, target) in
            [("sluice-aa-1.sock", "there"), ("sluice-bb-1.sock", "there"), ("sluice-cc-1.sock", "gone")]
        {
            symlink(at(target), at(name)).unwrap();
        }
        std::fs::create_dir(at("sluice-other")).unwrap();
        let [_aa, _bb, cc] = listeners;
        // That one's agent has died; nobody knows its process.
        drop(cc);
        sweep_in(folder.path(), &["aa".to_owned()], Duration::from_secs(60));
        let kept = [
            "sluice-bb-1.sock",
            "sluice-bb-1.ssh",
            "sluice-cc-1.sock",
            "sluice-cc-1.ssh",
            "sluice-other",
            "there",
        ];
        assert_eq!(left(folder.path()), kept);
        sweep_in(folder.path(), &["b".to_owned()], Duration::ZERO);
        assert_eq!(left(folder.path()), ["sluice-bb-1.sock", "sluice-bb-1.ssh", "sluice-other", "there"]);
    }
}
