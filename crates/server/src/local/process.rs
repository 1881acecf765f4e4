use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sluice_model::RunId;
use tokio::net::{UnixListener, UnixStream};

/// This process among those that drive runs of a state folder: a folder of its own, locked for as long as it lives,
/// that says which runs it drives and where it is spoken to.
pub(super) struct Process {
    folder: PathBuf,
    _lock: File,
}

impl Process {
    /// Makes this process known, and removes the folders of those that do not live any more.
    pub(super) fn begin(state: &Path) -> io::Result<Self> {
        let all = state.join("processes");
        std::fs::create_dir_all(&all)?;
        // No other process is between making its folder and locking it.
        let gate = File::create(all.join("lock"))?;
        flock(&gate, FlockOperation::LockExclusive)?;
        for folder in folders(&all)? {
            if !is_alive(&folder) {
                std::fs::remove_dir_all(folder)?;
            }
        }
        let folder = all.join(format!("{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Says which runs this process drives, before it begins them: a run that has not ended and that no process drives
    /// was interrupted.
    pub(super) fn drives(&self, runs: &[RunId]) -> io::Result<()> {
        let text: Vec<String> = runs.iter().map(RunId::to_string).collect();
        let whole = self.folder.join("runs.new");
        std::fs::write(&whole, text.join("\n"))?;
        std::fs::rename(whole, self.folder.join("runs"))
    }

    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let folder = File::open(&self.folder)?;
        UnixListener::bind(socket_in(&folder))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What cannot be removed now, the next process removes.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Speaks to the process that drives a run. None: no process does.
pub(super) async fn connect(state: &Path, run: RunId) -> io::Result<Option<UnixStream>> {
    for folder in folders(&state.join("processes"))? {
        if driven_by(&folder).contains(&run) && is_alive(&folder) {
            let opened = File::open(&folder)?;
            return UnixStream::connect(socket_in(&opened)).await.map(Some);
        }
    }
    Ok(None)
}

/// The runs that living processes drive.
pub(super) fn driven(state: &Path) -> io::Result<BTreeSet<RunId>> {
    let living = folders(&state.join("processes"))?.into_iter().filter(|folder| is_alive(folder));
    Ok(living.flat_map(|folder| driven_by(&folder)).collect())
}

fn driven_by(folder: &Path) -> BTreeSet<RunId> {
    let text = std::fs::read_to_string(folder.join("runs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Who holds the lock lives.
fn is_alive(folder: &Path) -> bool {
    File::open(folder.join("lock"))
        .is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
}

fn folders(all: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(all) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.filter(|path| path.as_ref().is_ok_and(|path| path.is_dir()) || path.is_err()).collect()
}

/// A socket's path may be 107 bytes long, and a folder's may be longer: it is named by its descriptor.
fn socket_in(folder: &File) -> String {
    format!("/proc/self/fd/{}/control", folder.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_driven_for_as_long_as_its_process_lives() {
        let state = tempfile::tempdir().unwrap();
        assert!(driven(state.path()).unwrap().is_empty());
        let process = Process::begin(state.path()).unwrap();
        process.drives(&[RunId(3), RunId(4)]).unwrap();
        let _listener = process.listen().unwrap();
        assert_eq!(driven(state.path()).unwrap(), BTreeSet::from([RunId(3), RunId(4)]));
        assert!(connect(state.path(), RunId(4)).await.unwrap().is_some());
        assert!(connect(state.path(), RunId(5)).await.unwrap().is_none());
        // As a kill leaves it: a folder that nobody has locked.
        let dead = state.path().join("processes/dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("lock"), "").unwrap();
        std::fs::write(dead.join("runs"), "5").unwrap();
        assert!(!driven(state.path()).unwrap().contains(&RunId(5)));
        drop(process);
        let _next = Process::begin(state.path()).unwrap();
        assert!(!dead.exists() && driven(state.path()).unwrap().is_empty());
    }
}
