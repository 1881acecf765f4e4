use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sluice_model::{EnvironmentName, RepositoryName};

use crate::failure::LedgerError;
use crate::record::{EnvironmentRecord, InstanceId, InstanceRecord};
use crate::spec::ImageRef;

/// The state folder: what is written here before anything is started, so that a process that was killed at any
/// moment is succeeded by one that knows.
///
/// ```text
/// fingerprint.key            random; makes fingerprints of configuration useless to who reads them
/// environments/NAME.json     an EnvironmentRecord each
/// instances/ID/record.json   an InstanceRecord each; beside it the instance's output and scratch folder
/// images/HEX/                unpacked images (host), by manifest digest
/// engine-images/HEX.json     an ImageRef each, for images that were brought to the engine
/// images.lock                shared while an instance is started, exclusive while unused images are removed
/// proxy/                     the proxy's own state
/// ```
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    key: Vec<u8>,
}

impl Ledger {
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        for part in ["", "environments", "instances", "images", "engine-images", "proxy"] {
            let path = folder.join(part);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(at(&path))?;
        }
        let folder = folder.canonicalize().map_err(at(folder))?;
        let path = folder.join("fingerprint.key");
        let key = match fs::read(&path) {
            Ok(key) if key.len() == 32 => key,
            Ok(_) => {
                let reason = "it is not 32 bytes long".to_owned();
                return Err(LedgerError::Damaged { path, reason });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::random();
                replace(&path, &key).map_err(at(&path))?;
                key.to_vec()
            }
            Err(source) => return Err(LedgerError::Io { path, source }),
        };
        Ok(Self { folder, key })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn proxy_folder(&self) -> PathBuf {
        self.folder.join("proxy")
    }

    pub fn image_folder(&self) -> PathBuf {
        self.folder.join("images")
    }

    /// Held from the moment an image is looked for until the instance that uses it is written down: until then
    /// nobody may take the image for unused.
    ///
    /// # Errors
    /// What the system says.
    pub async fn use_images(&self) -> Result<ImagesLock, LedgerError> {
        loop {
            if let Some(lock) = self.lock_images(FlockOperation::NonBlockingLockShared)? {
                return Ok(lock);
            }
            // Whoever holds it removes a few folders.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// None while an instance is started: images are swept another time.
    ///
    /// # Errors
    /// What the system says.
    pub fn sweep_images(&self) -> Result<Option<ImagesLock>, LedgerError> {
        self.lock_images(FlockOperation::NonBlockingLockExclusive)
    }

    fn lock_images(&self, operation: FlockOperation) -> Result<Option<ImagesLock>, LedgerError> {
        let path = self.folder.join("images.lock");
        let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(at(&path))?;
        match flock(&file, operation) {
            Ok(()) => Ok(Some(ImagesLock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(at(&path)(error.into())),
        }
    }

    /// Images that were brought to the engine.
    ///
    /// # Errors
    /// When one of the notes cannot be read.
    pub fn engine_images(&self) -> Result<Vec<ImageRef>, LedgerError> {
        let notes = names_in(&self.folder.join("engine-images"))?;
        notes.iter().filter_map(|path| read(path).transpose()).collect()
    }

    /// # Errors
    /// When it could not be made durable.
    pub async fn note_engine_image(&self, image: &ImageRef) -> Result<(), LedgerError> {
        let path = self.engine_image_path(image);
        if path.exists() { Ok(()) } else { save(path, image).await }
    }

    /// # Errors
    /// What the system says.
    pub fn forget_engine_image(&self, image: &ImageRef) -> Result<(), LedgerError> {
        remove(&self.engine_image_path(image))
    }

    fn engine_image_path(&self, image: &ImageRef) -> PathBuf {
        self.folder.join("engine-images").join(format!("{}.json", image.digest.hex()))
    }

    pub fn instance_folder(&self, id: &InstanceId) -> PathBuf {
        self.folder.join("instances").join(id.as_str())
    }

    /// The same text for the same value, within this state folder only: the value may hold secrets.
    pub fn fingerprint(&self, of: &impl Serialize) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.key);
        hash.update(serde_json::to_vec(of).unwrap_or_default());
        hex(&hash.finalize()[..8])
    }

    fn environment_path(&self, repository: &RepositoryName, environment: &EnvironmentName) -> PathBuf {
        let name = format!("{repository}/{environment}");
        let hash = hex(&Sha256::digest(name.as_bytes())[..6]);
        self.folder.join("environments").join(format!("{}-{hash}.json", slug(&name)))
    }

    /// # Errors
    /// When there is a record that cannot be read.
    pub fn environment(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<EnvironmentRecord, LedgerError> {
        let path = self.environment_path(repository, environment);
        Ok(read(&path)?.unwrap_or_else(|| EnvironmentRecord::new(repository, environment)))
    }

    /// # Errors
    /// When one of the records cannot be read.
    pub fn environments(&self) -> Result<Vec<EnvironmentRecord>, LedgerError> {
        let names = names_in(&self.folder.join("environments"))?;
        let records = names.iter().filter(|path| path.extension().is_some_and(|kind| kind == "json"));
        records.filter_map(|path| read(path).transpose()).collect()
    }

    /// # Errors
    /// When it could not be made durable.
    pub async fn save_environment(&self, record: &EnvironmentRecord) -> Result<(), LedgerError> {
        save(self.environment_path(&record.repository, &record.environment), record).await
    }

    /// Every instance that was ever begun and not yet removed. A folder without a record never got so far as to
    /// start anything.
    ///
    /// # Errors
    /// When one of the records cannot be read.
    pub fn instances(&self) -> Result<Vec<InstanceRecord>, LedgerError> {
        let folders = names_in(&self.folder.join("instances"))?;
        folders.iter().filter_map(|path| read(&path.join("record.json")).transpose()).collect()
    }

    /// # Errors
    /// When it could not be made durable.
    pub async fn save_instance(&self, record: &InstanceRecord) -> Result<(), LedgerError> {
        let folder = self.instance_folder(&record.id);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        save(folder.join("record.json"), record).await
    }

    /// # Errors
    /// What the system says.
    pub fn forget_instance(&self, id: &InstanceId) -> Result<(), LedgerError> {
        let folder = self.instance_folder(id);
        // The record goes last: as long as it is there, a later process tries again.
        for part in ["tmp", "output.log", "output.old.log"] {
            remove(&folder.join(part))?;
        }
        remove(&folder)
    }
}

/// Let go of when it is dropped, or its process ends.
#[derive(Debug)]
pub struct ImagesLock(#[expect(dead_code, reason = "it is held, not used")] File);

pub fn remove(path: &Path) -> Result<(), LedgerError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// A file that is there whole or not at all, for its owner only.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(format!(".{:08x}.next", rand::random::<u32>()));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

async fn save(path: PathBuf, value: &impl Serialize) -> Result<(), LedgerError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| LedgerError::Damaged { path: path.clone(), reason: error.to_string() })?;
    let target = path.clone();
    match tokio::task::spawn_blocking(move || replace(&target, &bytes)).await {
        Ok(result) => result.map_err(at(&path)),
        Err(error) => Err(at(&path)(io::Error::other(error))),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LedgerError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| LedgerError::Damaged { path: path.to_owned(), reason: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LedgerError::Io { path: path.to_owned(), source }),
    }
}

fn names_in(folder: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let entries = match fs::read_dir(folder) {
        // All has been removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let mut names =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>().map_err(at(folder))?;
    // What a write left that was cut off.
    names.retain(|path| path.extension().is_none_or(|kind| kind != "next"));
    names.sort();
    Ok(names)
}

fn at(path: &Path) -> impl Fn(io::Error) -> LedgerError + use<> {
    let path = path.to_owned();
    move |source| LedgerError::Io { path: path.clone(), source }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name as part of a file's or a container's name: lower-case letters, digits and dashes, at most 40.
pub fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).take(40).collect::<String>().trim_matches('-').to_owned()
}
