use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::images::{ImageProcess, Images};
use crate::ledger;
use crate::spec::ImageRef;

/// Images that are unpacked for the host, by digest: each once, whole or not at all.
pub struct ImageFolders {
    folder: PathBuf,
    images: Arc<dyn Images>,
    /// One at a time: two services of a release may share an image.
    unpacking: Mutex<()>,
}

/// An image on disk. Instances of it share the folder.
#[derive(Debug)]
pub struct UnpackedImage {
    pub root: PathBuf,
    pub process: ImageProcess,
}

impl ImageFolders {
    pub fn new(folder: PathBuf, images: Arc<dyn Images>) -> Self {
        Self { folder, images, unpacking: Mutex::new(()) }
    }

    /// The image, unpacked now if it was not yet; `fetching` is called then.
    ///
    /// # Errors
    /// A sentence for a person.
    pub async fn get(&self, image: &ImageRef, fetching: impl FnOnce()) -> Result<UnpackedImage, String> {
        let _one = self.unpacking.lock().await;
        let folder = self.path(image);
        if let Some(found) = read(&folder)? {
            return Ok(found);
        }
        fetching();
        let next = self.folder.join(format!("{}.{:08x}.next", image.digest.hex(), rand::random::<u32>()));
        let outcome = self.unpack(image, &next, &folder).await;
        if outcome.is_err() {
            // The reason of the failure is worth more than that of a failed cleaning; it is swept later.
            let _ = ledger::remove(&next);
        }
        outcome
    }

    async fn unpack(&self, image: &ImageRef, next: &Path, folder: &Path) -> Result<UnpackedImage, String> {
        let root = next.join("root");
        fs::create_dir_all(&root).map_err(in_folder(&root))?;
        let process = self.images.unpack(image, &root).await?;
        let text = serde_json::to_vec_pretty(&process).map_err(|error| error.to_string())?;
        fs::write(next.join("process.json"), text).map_err(in_folder(next))?;
        fs::rename(next, folder).map_err(in_folder(folder))?;
        read(folder)?.ok_or_else(|| format!("{} vanished", folder.display()))
    }

    /// Removes what no instance uses, and what an interrupted unpacking left.
    pub fn sweep(&self, used: &[ImageRef]) {
        let used: Vec<PathBuf> = used.iter().map(|image| self.path(image)).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !used.contains(path)) {
            if let Err(error) = ledger::remove(&path) {
                tracing::warn!(%error, "an image that is not used any more stays on disk");
            }
        }
    }

    fn path(&self, image: &ImageRef) -> PathBuf {
        self.folder.join(image.digest.hex())
    }
}

impl UnpackedImage {
    /// The program and its working folder, both inside the image, whatever links it has.
    ///
    /// # Errors
    /// When the image starts nothing, or something that it does not hold.
    pub fn program(&self) -> Result<(PathBuf, PathBuf), String> {
        let workdir = self.inside(Path::new(&self.process.working_dir))?;
        let Some(program) = self.process.argv.first().filter(|program| !program.is_empty()) else {
            return Err("the image names neither an entrypoint nor a command".to_owned());
        };
        if program.contains('/') {
            let relative_to =
                if program.starts_with('/') { Path::new("") } else { Path::new(&self.process.working_dir) };
            return Ok((self.inside(&relative_to.join(program))?, workdir));
        }
        let found = self.search_path().into_iter().find_map(|folder| self.inside(&folder.join(program)).ok());
        let found = found.ok_or_else(|| {
            format!(
                "the image holds no program `{program}` in its PATH: on the host an image has to bring its own \
                 program, and not that of the machine"
            )
        })?;
        Ok((found, workdir))
    }

    /// `PATH` for the process: the image's folders first, then the machine's.
    pub fn path_variable(&self) -> String {
        let inside = self.search_path();
        let inside = inside.iter().map(|folder| self.root.join(relative(folder)).display().to_string());
        inside.chain([MACHINE_PATH.to_owned()]).collect::<Vec<_>>().join(":")
    }

    fn search_path(&self) -> Vec<PathBuf> {
        let path = self.process.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
        path.unwrap_or(MACHINE_PATH).split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect()
    }

    fn inside(&self, path: &Path) -> Result<PathBuf, String> {
        let wanted = self.root.join(relative(path));
        let found = wanted.canonicalize().map_err(|error| {
            format!(
                "`{}` of the image cannot be used: {error}",
                Path::new("/").join(relative(path)).display()
            )
        })?;
        if found.starts_with(&self.root) {
            return Ok(found);
        }
        Err(format!("`{}` of the image leads out of it, to {}", path.display(), found.display()))
    }
}

const MACHINE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An absolute path of an image, seen from its root; `..` cannot leave it.
fn relative(path: &Path) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => {
                inside.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    inside
}

fn read(folder: &Path) -> Result<Option<UnpackedImage>, String> {
    let text = match fs::read(folder.join("process.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(in_folder(folder)(error)),
    };
    let process = serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", folder.display()))?;
    let root = folder.join("root").canonicalize().map_err(in_folder(folder))?;
    Ok(Some(UnpackedImage { root, process }))
}

fn in_folder(folder: &Path) -> impl Fn(io::Error) -> String + use<> {
    let folder = folder.display().to_string();
    move |error| format!("{folder}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(argv: &[&str], working_dir: &str) -> (tempfile::TempDir, UnpackedImage) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("app")).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("app/server"), "").unwrap();
        fs::write(root.join("bin/tool"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("app/out")).unwrap();
        let process = ImageProcess {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: vec![("PATH".to_owned(), "/bin".to_owned())],
            working_dir: working_dir.to_owned(),
        };
        (folder, UnpackedImage { root, process })
    }

    #[test]
    fn the_program_is_found_inside_the_image() {
        for (argv, workdir, program) in [
            ("/app/server", "/", "app/server"),
            ("./server", "/app", "app/server"),
            ("tool", "", "bin/tool"),
            ("/app/../../../app/server", "", "app/server"),
        ] {
            let (_folder, image) = image(&[argv], workdir);
            let (found, cwd) = image.program().unwrap();
            assert_eq!(found, image.root.join(program), "{argv}");
            assert_eq!(cwd, image.root.join(relative(Path::new(workdir))).canonicalize().unwrap());
        }
    }

    #[test]
    fn nothing_outside_the_image_is_started() {
        for (argv, said) in [
            (&["/app/out"][..], "leads out of it"),
            (&["sh"], "holds no program `sh`"),
            (&["/app/none"], "cannot be used"),
            (&[], "neither an entrypoint nor a command"),
        ] {
            let (_folder, image) = image(argv, "");
            let reason = image.program().unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }
}
