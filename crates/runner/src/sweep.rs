use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sluice_docker::{Engine, EngineError, Labels};

use crate::kept::{Kept, KeptContainer};
use crate::leavings::{self, EngineNote, Leavings};
use crate::linux;
use crate::runner::Swept;
use crate::short_names;

/// Names the process that a container, network or volume was made by.
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
/// What there is at the engines is listed first: whatever a list names was made by a home that is there when it is
/// decided which homes live, so that nothing of a runner that starts meanwhile is removed.
pub async fn sweep(root: &Path, own: &Home, engine: Option<&Engine>) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let notes = EngineNote::all(root);
    let seen = look(root, own, engine, &notes).await;
    let mut living = vec![own.process.clone()];
    let (mut dead, mut stays) = (Vec::new(), Vec::new());
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
        dead.push(process.clone());
        swept.processes += linux::kill_left_behind(&linux::marker(&own.owner, &process));
        let mut stay = Kept::in_home(&entry.path());
        stay.retain(|kept| kept.is_closed && !kept.is_too_old());
        swept.folders += usize::from(empty(&entry.path(), &stay));
        stays.extend(stay);
    }
    drop(gate);
    short_names::sweep(&dead);
    let kept: Vec<&KeptContainer> = stays.iter().filter_map(|kept| kept.container.as_ref()).collect();
    for Seen { engine, of_runners, of_steps } in seen {
        // Those of the deployer carry the data folder's label too, and no process: they are to live on.
        let is_left = |key: &str, id: &str, labels: &Labels| {
            labels.get(key).is_some_and(|process| !living.iter().any(|alive| alive == process))
                && !kept.iter().any(|kept| kept.holds(id))
        };
        let key = leavings::process_key(&own.owner);
        let (by_steps, left) = of_steps.remove(&engine, |id, labels| is_left(&key, id, labels)).await;
        let (by_runners, _) =
            of_runners.remove(&engine, |id, labels| is_left(LABEL_PROCESS, id, labels)).await;
        for removed in [by_steps, by_runners] {
            swept.containers += removed.containers;
            swept.networks += removed.networks;
            swept.volumes += removed.volumes;
        }
        let is_of_dead = |note: &&EngineNote| !living.contains(&note.process);
        for note in notes.iter().filter(is_of_dead).filter(|_| left == 0) {
            if engine.address().is_ok_and(|address| address == note.engine) {
                note.remove();
            }
        }
    }
    Ok(swept)
}

/// What there is of the data folder's jobs at one engine.
struct Seen {
    engine: Engine,
    of_runners: Leavings,
    of_steps: Leavings,
}

impl Seen {
    async fn at(engine: Engine, owner: &str) -> Result<Self, EngineError> {
        let (own, of_steps) = (Labels::of_owner(owner), leavings::of_steps(owner));
        let (of_runners, of_steps) =
            tokio::try_join!(Leavings::at(&engine, &own), Leavings::at(&engine, &of_steps))?;
        Ok(Self { engine, of_runners, of_steps })
    }
}

/// What there is of the data folder's jobs: at the runner's own engine, and at those that steps of dead runners used.
///
/// An engine that does not answer has nothing that could be swept now; it is told, and no reason to stop.
async fn look(root: &Path, own: &Home, engine: Option<&Engine>, notes: &[EngineNote]) -> Vec<Seen> {
    let mut engines: Vec<Engine> = engine.cloned().into_iter().collect();
    for note in notes {
        let is_known = |known: &Engine| known.address().is_ok_and(|address| address == note.engine);
        let lives = is_locked(&root.join("live").join(&note.process).join("lock"));
        if note.process == own.process || lives || engines.iter().any(is_known) {
            continue;
        }
        match Engine::connect_to(&note.engine.to_string()).await {
            Ok(engine) => engines.push(engine),
            Err(error) => {
                tracing::warn!(%error, engine = %note.engine, "an engine that jobs used is not there")
            }
        }
    }
    let mut seen = Vec::new();
    for engine in engines {
        match Seen::at(engine, &own.owner).await {
            Ok(found) => seen.push(found),
            Err(error) => tracing::warn!(%error, "what earlier runs have left could not be listed"),
        }
    }
    seen
}

/// Who holds the lock lives. A folder without one was being made, or being removed, when its process died.
fn is_locked(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| linux::try_lock(&file).is_err())
}
