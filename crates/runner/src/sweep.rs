use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sluice_docker::{ContainerFound, Engine, Labels};

use crate::kept::{Kept, KeptContainer};
use crate::linux;
use crate::runner::Swept;

/// Names the process that a container or network was made by.
pub const LABEL_PROCESS: &str = "sluice.process";

/// One runner's own folder among those of all runners of the data folder, locked for as long as it lives.
pub struct Home {
    /// The data folder's id.
    pub owner: String,
    /// This runner's id within it.
    pub process: String,
    pub folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes a new one below `root`.
    pub fn make(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root.join("live"))?;
        let owner = owner_of(root)?;
        // A sweep of another process does not look between the folder and its lock.
        let _gate = gate(root)?;
        let process = format!("{:08x}{:04x}", rand::random::<u32>(), std::process::id() & 0xffff);
        let folder = root.join("live").join(&process);
        std::fs::create_dir(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        linux::try_lock(&lock)?;
        Ok(Self { owner, process, folder, _lock: lock })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Jobs have removed their own by now; what they could not, the next sweep tries again.
        empty(&self.folder, &Kept::in_home(&self.folder));
    }
}

/// Removes a home but for the places in it that are kept. Whether it is gone.
fn empty(home: &Path, kept: &[Kept]) -> bool {
    let kept: Vec<&Path> =
        kept.iter().filter(|kept| kept.is_closed).map(|kept| kept.folder.as_path()).collect();
    if kept.is_empty() {
        return std::fs::remove_dir_all(home).is_ok();
    }
    // The lock stays, so that the home is known for one of the dead.
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries.filter(|path| path.is_dir() && !kept.contains(&path.as_path())) {
        let _ = std::fs::remove_dir_all(path);
    }
    false
}

/// Held while a home is made and while it is decided which homes are dead.
fn gate(root: &Path) -> io::Result<File> {
    let gate = File::create(root.join("gate"))?;
    linux::lock(&gate)?;
    Ok(gate)
}

/// The id of a data folder, made when it is first asked for.
fn owner_of(root: &Path) -> io::Result<String> {
    let path = root.join("owner");
    match std::fs::read_to_string(&path) {
        Ok(owner) if !owner.trim().is_empty() => return Ok(owner.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    // Two at once agree: the one that links first is the one that both read.
    let own = root.join(format!("owner-{:016x}", rand::random::<u64>()));
    std::fs::write(&own, format!("{:016x}", rand::random::<u64>()))?;
    let linked = std::fs::hard_link(&own, &path);
    std::fs::remove_file(&own)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(std::fs::read_to_string(&path)?.trim().to_owned()),
    }
}

/// Removes what runners of the data folder have left that do not live any more.
///
/// What there is at the engine is listed first: whatever a list names was made by a home that is there when it is
/// decided which homes live, so that nothing of a runner that starts meanwhile is removed.
pub async fn sweep(root: &Path, own: &Home, engine: Option<&Engine>) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let seen = match engine {
        Some(engine) => Some((engine, Seen::at(engine, &own.owner).await)),
        None => None,
    };
    let mut living = vec![own.process.clone()];
    let mut stays = Vec::new();
    let gate = gate(root)?;
    for entry in std::fs::read_dir(root.join("live"))?.flatten() {
        let Ok(process) = entry.file_name().into_string() else { continue };
        if process == own.process {
            continue;
        }
        if is_locked(&entry.path().join("lock")) {
            living.push(process);
            continue;
        }
        swept.processes += linux::kill_left_behind(&format!("{}/{process}", own.owner));
        let mut stay = Kept::in_home(&entry.path());
        stay.retain(|kept| kept.is_closed && !kept.is_too_old());
        swept.folders += usize::from(empty(&entry.path(), &stay));
        stays.extend(stay);
    }
    drop(gate);
    if let Some((engine, seen)) = seen {
        seen.sweep(engine, &own.owner, &living, &stays, &mut swept).await;
    }
    Ok(swept)
}

/// Who holds the lock lives. A folder without one was being made, or being removed, when its process died.
fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| linux::try_lock(&file).is_err())
}

/// What of the data folder's runners there is at the engine.
struct Seen {
    containers: Vec<ContainerFound>,
    networks: Vec<String>,
}

impl Seen {
    /// An engine that does not answer has nothing that could be swept now; it is told, and no reason to stop.
    async fn at(engine: &Engine, owner: &str) -> Self {
        let labels = Labels::of_owner(owner);
        let containers = engine.list_containers(&labels).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "containers of earlier runs could not be listed");
            Vec::new()
        });
        Self { containers, networks: engine.list_networks(&labels).await.unwrap_or_default() }
    }

    async fn sweep(self, engine: &Engine, owner: &str, living: &[String], stays: &[Kept], swept: &mut Swept) {
        let kept: Vec<&KeptContainer> = stays.iter().filter_map(|kept| kept.container.as_ref()).collect();
        let is_kept = |id: &String| kept.iter().any(|kept| kept.id == *id || kept.services.contains(id));
        // Those of the deployer carry the data folder's label too, and no process: they are to live on.
        let left = self.containers.iter().filter(|container| {
            let process = container.labels.get(LABEL_PROCESS);
            process.is_some_and(|process| !living.iter().any(|alive| alive == process))
                && !is_kept(&container.id)
        });
        for container in left {
            swept.containers += usize::from(engine.remove_container(&container.id).await.is_ok());
        }
        let mut in_use: Vec<String> = kept.iter().filter_map(|kept| kept.network.clone()).collect();
        for process in living {
            let labels = Labels::of_owner(owner).with(LABEL_PROCESS, process);
            in_use.extend(engine.list_networks(&labels).await.unwrap_or_default());
        }
        for network in self.networks.iter().filter(|network| !in_use.contains(network)) {
            swept.networks += usize::from(engine.remove_network(network).await.is_ok());
        }
    }
}
