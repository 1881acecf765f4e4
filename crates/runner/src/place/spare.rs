use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::task::TaskTracker;

use crate::sweep::Home;

/// Folders of jobs on the host that have ended, emptied for jobs to come.
///
/// Making two dozen files and folders and removing them is most of the work of a short job, and more with every job:
/// ext4 looks at all that was removed within the last minutes before it gives out an inode. So what every job has
/// anyway stays. No job waits for it either: its folder is emptied when it has ended already.
pub struct Spares {
    /// Whose jobs they are of. It goes when the last of them is emptied.
    home: Arc<Home>,
    emptied: Mutex<HashMap<Skeleton, Vec<PathBuf>>>,
    emptying: TaskTracker,
}

/// What a job's folder holds before its first step, parents first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Skeleton(Vec<(PathBuf, Bone)>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Bone {
    Folder,
    /// For who runs the runner alone.
    PrivateFolder,
    Link {
        to: PathBuf,
    },
    /// Empty.
    File,
}

impl Skeleton {
    pub fn folder(&mut self, below: impl AsRef<Path>) {
        let below = below.as_ref();
        if !below.as_os_str().is_empty() && self.bone(below).is_none() {
            self.add(below, Bone::Folder);
        }
    }

    pub fn private_folder(&mut self, below: impl AsRef<Path>) {
        self.add(below.as_ref(), Bone::PrivateFolder);
    }

    pub fn link(&mut self, below: impl AsRef<Path>, to: &Path) {
        self.add(below.as_ref(), Bone::Link { to: to.to_owned() });
    }

    pub fn file(&mut self, below: impl AsRef<Path>) {
        self.add(below.as_ref(), Bone::File);
    }

    /// Adds something, and the folders above it.
    fn add(&mut self, below: &Path, bone: Bone) {
        if let Some(parent) = below.parent() {
            self.folder(parent);
        }
        self.0.push((below.to_owned(), bone));
    }

    fn bone(&self, below: &Path) -> Option<&Bone> {
        self.0.iter().find(|(path, _)| path == below).map(|(_, bone)| bone)
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        self.0.iter().try_for_each(|(below, bone)| {
            let path = folder.join(below);
            match bone {
                Bone::Folder => fs::create_dir(path),
                Bone::PrivateFolder => fs::DirBuilder::new().mode(0o700).create(path),
                Bone::Link { to } => symlink(to, path),
                Bone::File => fs::File::create(path).map(drop),
            }
        })
    }

    /// Removes from `folder`, which is `below` the job's, all that is not as it was made.
    fn strip(&self, folder: &Path, below: &Path, made_by: &Metadata) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, below) = (entry.path(), below.join(entry.file_name()));
            let is_folder = entry.file_type()?.is_dir();
            match self.bone(&below) {
                Some(bone @ (Bone::Folder | Bone::PrivateFolder)) if is_folder => {
                    bone.check(&entry.metadata()?, made_by)?;
                    self.strip(&path, &below, made_by)?;
                }
                Some(Bone::Link { to }) if fs::read_link(&path).is_ok_and(|found| found == *to) => {}
                // Who writes it gives it its mode.
                Some(Bone::File) if is_own_file(&entry.metadata()?, made_by) => {
                    fs::File::options().write(true).truncate(true).open(&path)?;
                }
                _ if is_folder => fs::remove_dir_all(&path)?,
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }

    fn is_whole(&self, folder: &Path) -> bool {
        self.0.iter().all(|(below, _)| folder.join(below).symlink_metadata().is_ok())
    }
}

impl Bone {
    /// A folder that a step made somebody else's, or gave another mode, is not one for the next job.
    fn check(&self, found: &Metadata, made_by: &Metadata) -> io::Result<()> {
        let mode = if *self == Self::PrivateFolder { 0o700 } else { made_by.mode() & 0o7777 };
        match found.mode() & 0o7777 == mode && found.uid() == made_by.uid() && found.gid() == made_by.gid() {
            true => Ok(()),
            false => Err(io::Error::other("a step has changed it")),
        }
    }
}

/// A file by one name alone, of who runs the runner.
fn is_own_file(found: &Metadata, made_by: &Metadata) -> bool {
    found.is_file() && found.nlink() == 1 && found.uid() == made_by.uid() && found.gid() == made_by.gid()
}

impl Spares {
    pub fn new(home: Arc<Home>) -> Self {
        Self { home, emptied: Mutex::default(), emptying: TaskTracker::new() }
    }

    /// Makes a job's folder, out of a spare one where there is one. What the job has there already stays.
    pub fn lend(&self, folder: &Path, skeleton: &Skeleton) -> io::Result<()> {
        let spare = match folder.exists() {
            true => None,
            false => self.spare(skeleton),
        };
        match spare {
            Some(spare) if fs::rename(&spare, folder).is_ok() => Ok(()),
            _ => skeleton.make(folder),
        }
    }

    fn spare(&self, skeleton: &Skeleton) -> Option<PathBuf> {
        self.emptied.lock().unwrap_or_else(PoisonError::into_inner).get_mut(skeleton)?.pop()
    }

    /// Takes the folder of a job that has ended, none of whose processes lives. It is emptied while others go on; what
    /// cannot be emptied goes, and what cannot go is left for a sweep.
    pub fn take_back(self: &Arc<Self>, folder: PathBuf, skeleton: Skeleton) {
        let spares = self.clone();
        self.emptying.spawn_blocking(move || {
            let made_by = fs::metadata(&spares.home.folder);
            let stripped = made_by.and_then(|made_by| {
                Bone::Folder.check(&fs::metadata(&folder)?, &made_by)?;
                skeleton.strip(&folder, Path::new(""), &made_by)
            });
            if stripped.is_ok() && skeleton.is_whole(&folder) {
                let mut emptied = spares.emptied.lock().unwrap_or_else(PoisonError::into_inner);
                emptied.entry(skeleton).or_default().push(folder);
            } else {
                let _ = fs::remove_dir_all(&folder);
            }
        });
    }

    /// Waits until the folder of every job that has ended is emptied.
    pub async fn settle(&self) {
        self.emptying.close();
        self.emptying.wait().await;
        self.emptying.reopen();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct World {
        root: tempfile::TempDir,
        spares: Arc<Spares>,
        skeleton: Skeleton,
    }

    fn world() -> World {
        let root = tempfile::tempdir().unwrap();
        let spares = Arc::new(Spares::new(Arc::new(Home::make(root.path()).unwrap())));
        let mut skeleton = Skeleton::default();
        skeleton.folder("work/one/one");
        skeleton.folder("work/_temp");
        skeleton.private_folder("engine");
        skeleton.link("bin/sluice", Path::new("/bin/true"));
        skeleton.file("work/_temp/commands/env");
        World { root, spares, skeleton }
    }

    impl World {
        fn folder(&self, number: u32) -> PathBuf {
            self.spares.home.folder.join(number.to_string())
        }

        /// Job 1 does something to its folder. Gives how many files and folders the one of job 2 has, and whether it is
        /// the same folder.
        async fn after(&self, something: impl FnOnce(&Path)) -> (Vec<PathBuf>, bool) {
            let (first, second) = (self.folder(1), self.folder(2));
            self.spares.lend(&first, &self.skeleton).unwrap();
            // Held open, so that no other folder is given its inode.
            let opened = fs::File::open(&first).unwrap();
            let inode = opened.metadata().unwrap().ino();
            something(&first);
            self.spares.take_back(first.clone(), self.skeleton.clone());
            self.spares.settle().await;
            self.spares.lend(&second, &self.skeleton).unwrap();
            assert!(!first.exists());
            (all_below(&second, &second), fs::metadata(&second).unwrap().ino() == inode)
        }
    }

    fn all_below(folder: &Path, root: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            found.push(entry.path().strip_prefix(root).unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                found.extend(all_below(&entry.path(), root));
            }
        }
        found.sort();
        found
    }

    const FRESH: [&str; 9] = [
        "bin",
        "bin/sluice",
        "engine",
        "work",
        "work/_temp",
        "work/_temp/commands",
        "work/_temp/commands/env",
        "work/one",
        "work/one/one",
    ];

    #[tokio::test]
    async fn a_folder_is_used_again_when_nothing_of_the_job_is_left_in_it() {
        let world = world();
        let left = |folder: &Path| {
            fs::create_dir_all(folder.join("work/one/one/target/deep")).unwrap();
            fs::write(folder.join("work/one/one/target/deep/file"), "x").unwrap();
            fs::write(folder.join("work/_temp/script"), "x").unwrap();
            fs::write(folder.join("note"), "x").unwrap();
            fs::write(folder.join("work/_temp/commands/env"), "A=secret").unwrap();
            symlink("/etc", folder.join("work/one/one/etc")).unwrap();
            symlink("/etc/passwd", folder.join("work/_temp/passwd")).unwrap();
        };
        let (found, is_same) = world.after(left).await;
        assert_eq!(found, FRESH.map(PathBuf::from));
        assert!(is_same);
        assert_eq!(fs::read(world.folder(2).join("work/_temp/commands/env")).unwrap(), b"");
        assert!(fs::metadata("/etc/passwd").is_ok());
    }

    #[tokio::test]
    async fn a_folder_that_a_step_changed_is_not_used_again() {
        let mode = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let changes: [fn(&Path); 5] = [
            |folder| fs::remove_dir_all(folder.join("work/_temp")).unwrap(),
            |folder| {
                fs::remove_dir(folder.join("work/one/one")).unwrap();
                symlink("/", folder.join("work/one/one")).unwrap();
            },
            |folder| {
                fs::remove_file(folder.join("bin/sluice")).unwrap();
                symlink("/bin/false", folder.join("bin/sluice")).unwrap();
            },
            |folder| {
                fs::remove_file(folder.join("work/_temp/commands/env")).unwrap();
                symlink("../../../note", folder.join("work/_temp/commands/env")).unwrap();
            },
            |folder| {
                let (file, other) = (folder.join("work/_temp/commands/env"), folder.join("work/other"));
                fs::hard_link(file, other).unwrap();
            },
        ];
        for change in changes {
            let (found, _) = world().after(change).await;
            assert_eq!(found, FRESH.map(PathBuf::from));
        }
        for (below, changed) in [("", 0o777), ("work/one", 0o1777), ("engine", 0o755)] {
            let world = world();
            let (found, is_same) = world.after(|folder| mode(folder.join(below), changed)).await;
            assert_eq!((found, is_same), (FRESH.map(PathBuf::from).to_vec(), false), "{below}");
        }
    }

    #[tokio::test]
    async fn a_folder_of_another_shape_is_not_used() {
        let world = world();
        world.after(|_| {}).await;
        let mut other = Skeleton::default();
        other.folder("home/project");
        world.spares.take_back(world.folder(2), world.skeleton.clone());
        world.spares.settle().await;
        world.spares.lend(&world.folder(3), &other).unwrap();
        assert_eq!(
            all_below(&world.folder(3), &world.folder(3)),
            ["home", "home/project"].map(PathBuf::from)
        );
    }

    #[tokio::test]
    async fn the_home_goes_when_the_last_folder_is_emptied() {
        let World { root, spares, skeleton } = world();
        let folder = spares.home.folder.join("1");
        spares.lend(&folder, &skeleton).unwrap();
        spares.take_back(folder, skeleton);
        spares.settle().await;
        drop(spares);
        assert_eq!(fs::read_dir(root.path().join("live")).unwrap().count(), 0);
    }
}
