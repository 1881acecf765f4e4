use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};
use sluice_docker::{
    ContainerFound, Engine, EngineAddress, EngineError, Found, LABEL_JOB, LABEL_OWNER, Labels,
};

use crate::runner::Swept;
use crate::sweep::LABEL_PROCESS;

/// Removals at once: each is mostly a wait.
const AT_ONCE: usize = 8;

/// The label that all has which steps of a data folder's jobs make at an engine themselves. Its key names the data folder:
/// a step may run Sluice too, whose own labels stay what they are.
pub fn of_steps(owner: &str) -> Labels {
    Labels::default().with(format!("{LABEL_OWNER}.{owner}"), "steps")
}

/// The labels of what steps of one job make. `job` is `run/job/attempt`.
pub fn of_steps_of(owner: &str, process: &str, job: &str) -> Labels {
    of_steps(owner).with(process_key(owner), process).with(format!("{LABEL_JOB}.{owner}"), job)
}

/// The label by which what steps made names its process.
pub fn process_key(owner: &str) -> String {
    format!("{LABEL_PROCESS}.{owner}")
}

/// What of a data folder's jobs, or of one, there is at an engine.
pub struct Leavings {
    containers: Vec<ContainerFound>,
    networks: Vec<Found>,
    volumes: Vec<Found>,
}

impl Leavings {
    pub async fn at(engine: &Engine, labels: &Labels) -> Result<Self, EngineError> {
        let (containers, networks, volumes) = tokio::try_join!(
            engine.list_containers(labels),
            engine.list_networks(labels),
            engine.list_volumes(labels)
        )?;
        Ok(Self { containers, networks, volumes })
    }

    /// Removes what `is_left` says of, by its id and labels: containers first, for they hold the others.
    ///
    /// Tells what it removed, and how much stays that should have gone.
    pub async fn remove(self, engine: &Engine, is_left: impl Fn(&str, &Labels) -> bool) -> (Swept, usize) {
        let containers = self.containers.into_iter().filter(|found| is_left(&found.id, &found.labels));
        let left = |found: &Found| is_left(&found.id, &found.labels);
        let networks = self.networks.into_iter().filter(left).map(|found| found.id);
        let volumes = self.volumes.into_iter().filter(left).map(|found| found.id);
        let containers =
            remove_all(engine, Kind::Container, containers.map(|found| found.id).collect()).await;
        let networks = remove_all(engine, Kind::Network, networks.collect()).await;
        let volumes = remove_all(engine, Kind::Volume, volumes.collect()).await;
        let swept = Swept {
            containers: containers.0,
            networks: networks.0,
            volumes: volumes.0,
            ..Default::default()
        };
        (swept, containers.1 + networks.1 + volumes.1)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Container,
    Network,
    Volume,
}

/// How many removals went well, and how many did not.
async fn remove_all(engine: &Engine, kind: Kind, ids: Vec<String>) -> (usize, usize) {
    let removals = stream::iter(ids.into_iter().map(|id| remove(engine.clone(), kind, id)));
    let removed: Vec<bool> = removals.buffer_unordered(AT_ONCE).collect().await;
    let gone = removed.iter().filter(|is_gone| **is_gone).count();
    (gone, removed.len() - gone)
}

async fn remove(engine: Engine, kind: Kind, id: String) -> bool {
    let removed = match kind {
        Kind::Container => engine.remove_container(&id).await,
        Kind::Network => engine.remove_network(&id).await,
        Kind::Volume => engine.remove_volume(&id).await,
    };
    if let Err(error) = &removed {
        tracing::warn!(%error, "something that a job has made stays for now");
    }
    removed.is_ok()
}

/// A file that names the engine at which a job's steps make something, for as long as it may be there: a later sweep
/// looks at that engine too, whichever its own is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineNote {
    file: PathBuf,
    pub process: String,
    pub engine: EngineAddress,
}

impl EngineNote {
    /// The note of one job of a process, which is not written yet. `root` is the runners' folder.
    pub fn new(root: &Path, process: &str, job: &str, engine: EngineAddress) -> Self {
        Self { file: folder(root).join(format!("{process}-{job}")), process: process.to_owned(), engine }
    }

    pub fn write(&self) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Whole or not there, for who reads it may be killed as well.
        let whole = self.file.with_extension("new");
        std::fs::write(&whole, self.engine.to_string())?;
        std::fs::rename(whole, &self.file)
    }

    pub fn remove(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    pub fn all(root: &Path) -> Vec<Self> {
        let files = std::fs::read_dir(folder(root)).into_iter().flatten().flatten();
        let read = |file: PathBuf| {
            let (process, _) = file.file_name()?.to_str()?.split_once('-')?;
            let engine = std::fs::read_to_string(&file).ok()?.parse().ok()?;
            Some(Self { process: process.to_owned(), engine, file })
        };
        files.filter_map(|entry| read(entry.path())).collect()
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join("engines")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(EngineNote::all(root.path()), []);
        let note = EngineNote::new(root.path(), "00ab", "3", EngineAddress::Unix("/run/x.sock".into()));
        note.write().unwrap();
        std::fs::write(folder(root.path()).join("cd-1"), "nowhere").unwrap();
        assert_eq!(EngineNote::all(root.path()), std::slice::from_ref(&note));
        note.remove();
        assert_eq!(EngineNote::all(root.path()), []);
    }
}
