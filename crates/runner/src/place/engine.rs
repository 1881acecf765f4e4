use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use sluice_docker::{Engine, EngineAddress, EngineSocket, EngineSocketSpec, Labels};

use super::{Making, PlaceError};
use crate::leavings::{self, EngineNote, Leavings};
use crate::short_names::ShortNames;

/// What programs can be told of a socket (`sun_path` of unix(7)), with its zero byte.
const PATH_LIMIT_BYTES: usize = 108;

/// Where the socket is in a job's folder. Whoever reaches it has the engine, so it is for who runs the runner alone.
pub const ENGINE_FOLDER: &str = "engine";

/// A container engine as the steps of one job reach it: by a socket of the job's own, so that the containers, networks
/// and volumes that they make are known, and go with the job. Images and the build cache stay.
pub struct JobEngine {
    socket: EngineSocket,
    /// The socket, on this machine.
    pub path: PathBuf,
    /// Another name of it, short enough for programs.
    link: Option<Link>,
    engine: Option<Engine>,
    labels: Labels,
    note: EngineNote,
}

impl JobEngine {
    /// The runner's own engine, else the one that programs of this machine would use. None where there is none.
    pub async fn open(making: &Making<'_>) -> Result<Option<Self>, PlaceError> {
        let address = match making.engine {
            Some(engine) => engine.address(),
            None => match EngineAddress::of_this_machine() {
                Some(address) => address,
                None => return Ok(None),
            },
        };
        let address = match address {
            Ok(address) => address,
            Err(problem) => {
                let text =
                    format!("What steps make at the container engine stays when the job ends: {problem}");
                making.log.say(0, text).await;
                return Ok(None);
            }
        };
        let folder = making.folder.join(ENGINE_FOLDER);
        let in_folder = |error| PlaceError::File { what: "make a socket in", path: folder.clone(), error };
        Ok(Some(Self::open_at(making, address, &folder).map_err(in_folder)?))
    }

    fn open_at(making: &Making<'_>, address: EngineAddress, folder: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join("docker.sock");
        let number = making.folder.file_name().unwrap_or_default().to_string_lossy();
        let root = making.config.data_dir.join("runner");
        let note = EngineNote::new(&root, making.process, &number, address.clone());
        let written = note.clone();
        let link = match path.as_os_str().len() < PATH_LIMIT_BYTES {
            true => None,
            false => Some(Link::make(ShortNames::of(making.process, &making.folder).engine_socket(), &path)?),
        };
        let labels = leavings::of_steps_of(making.owner, making.process, &making.job);
        let socket = EngineSocket::open(EngineSocketSpec {
            path: path.clone(),
            engine: address,
            labels: labels.clone(),
            before_first: Box::new(move || written.write()),
        })?;
        Ok(Self { socket, path, link, engine: making.engine.cloned(), labels, note })
    }

    /// `DOCKER_HOST` for programs of this machine.
    pub fn host(&self) -> String {
        let path = self.link.as_ref().map_or(self.path.as_path(), |link| &link.0);
        format!("unix://{}", path.display())
    }

    /// Ends all calls, and removes what the job's steps have made. What cannot be removed is left for a sweep.
    pub async fn close(self) {
        if !self.socket.close().await {
            return;
        }
        let engine = match self.engine {
            Some(engine) => Ok(engine),
            None => Engine::connect_to(&self.note.engine.to_string()).await,
        };
        let removed = match engine {
            Ok(engine) => match Leavings::at(&engine, &self.labels).await {
                Ok(found) => Ok(found.remove(&engine, |_, _| true).await),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error),
        };
        match removed {
            Ok((_, 0)) => self.note.remove(),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "what a job has made at the engine is left for the next sweep")
            }
        }
    }
}

/// A short name of a job's socket; gone when dropped.
struct Link(PathBuf);

impl Link {
    fn make(link: PathBuf, socket: &Path) -> io::Result<Self> {
        symlink(socket, &link)?;
        Ok(Self(link))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
