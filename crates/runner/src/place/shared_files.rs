use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::{Place, Shared};

/// Reads files that steps name, without asking the step agent: in a container, those below the folders that the runner
/// shares with the steps, and never through a link that leads out of them.
pub struct SharedFiles {
    folders: Vec<Shared>,
    is_container: bool,
}

impl SharedFiles {
    pub fn of(place: &Place) -> Self {
        let layout = &place.layout;
        let mut folders = vec![layout.workspace.clone(), layout.temp.clone(), layout.home.clone()];
        // The folder of all work is mounted as a whole.
        if let (Some(outside), Some((inside, _))) =
            (layout.temp.outside.parent(), layout.temp.inside.rsplit_once('/'))
        {
            folders.push(Shared::at(outside.to_owned(), inside));
        }
        Self { folders, is_container: place.is_container }
    }

    /// The content of a file of at most so many bytes. `path` is absolute, as steps see it.
    pub fn read(&self, path: &str, limit_bytes: u64) -> io::Result<String> {
        let file = self.open(path)?;
        let mut text = Vec::new();
        file.take(limit_bytes + 1).read_to_end(&mut text)?;
        if text.len() as u64 > limit_bytes {
            return Err(io::Error::other(format!("it holds more than {limit_bytes} bytes")));
        }
        String::from_utf8(text).map_err(|_| io::Error::other("it is not UTF-8"))
    }

    pub fn is_file(&self, path: &str) -> bool {
        self.open(path).is_ok()
    }

    fn open(&self, path: &str) -> io::Result<File> {
        // A pipe of a step must not hold the runner.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match self.is_container {
            // Steps on the host run as who runs the runner.
            false => rustix::fs::open(path, flags, Mode::empty())?,
            true => {
                let below = |shared: &Shared| {
                    let below = Path::new(path).strip_prefix(&shared.inside).ok()?;
                    Some((shared.outside.clone(), below.to_owned()))
                };
                let found = self.folders.iter().find_map(below);
                let (folder, below) = found.ok_or_else(|| {
                    io::Error::other(
                        "it is not in the workspace, the home or the temporary folder of the job",
                    )
                })?;
                let folder = File::open(folder)?;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                rustix::fs::openat2(&folder, below, flags, Mode::empty(), resolve)?
            }
        };
        let file = File::from(opened);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_shared_folders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (work, secret) = (folder.path().join("work"), folder.path().join("secret"));
        std::fs::create_dir_all(work.join("sub")).unwrap();
        std::fs::write(&secret, "s").unwrap();
        std::fs::write(work.join("sub/a"), "abc").unwrap();
        std::os::unix::fs::symlink("sub/a", work.join("inner")).unwrap();
        std::os::unix::fs::symlink("../secret", work.join("outer")).unwrap();
        std::os::unix::fs::symlink(&secret, work.join("absolute")).unwrap();
        let files = SharedFiles { folders: vec![Shared::at(work, "/__w")], is_container: true };
        assert_eq!(files.read("/__w/sub/a", 3).unwrap(), "abc");
        assert_eq!(files.read("/__w/inner", 3).unwrap(), "abc");
        assert!(files.read("/__w/sub/a", 2).unwrap_err().to_string().contains("more than 2 bytes"));
        for path in ["/__w/outer", "/__w/absolute", "/__w/../secret", "/etc/passwd", "/__w", "/__w/none"] {
            assert!(!files.is_file(path), "{path}");
        }
        let pipe = folder.path().join("work/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(!files.is_file("/__w/pipe"));
    }
}
