//! Where the steps of one job run: on the host or in a container, with the step agent in it.

mod action;
mod docker;
mod engine;
mod host;
mod layout;
mod nursery;
mod options;
mod relay;
mod services;
mod shared_files;
mod spare;
mod wish;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_docker::{Engine, EngineError};

pub use action::{ActionContainer, action_image};
pub use docker::AGENT_INSIDE;
pub use host::inherited;
pub use layout::{Layout, Shared};
pub use nursery::Nursery;
pub use options::parse_options;
pub use services::ServiceFacts;
pub use shared_files::SharedFiles;
pub use spare::Spares;
pub use wish::{ContainerWish, ServiceAccess, Wish};

use crate::config::RunnerConfig;
use crate::kept::KeptContainer;
use crate::leavings::Leavings;
use crate::log::JobLog;
use crate::search_path;
use crate::session::{Session, SessionError, User};
use crate::short_names::ShortNames;

/// The place, ready for steps.
pub struct Place {
    pub session: Session,
    pub user: User,
    pub layout: Layout,
    /// The PATH that steps begin with.
    pub path: String,
    /// Steps are in a container of their own, and see what `Layout` says is inside.
    pub is_container: bool,
    /// Steps may call the host's container engine.
    pub has_engine: bool,
    /// What its sockets are called on this machine.
    pub short_names: ShortNames,
    engine: Option<engine::JobEngine>,
    /// Ports of this machine's loopback that containers of the job reach at the same address.
    loopback_ports: Vec<u16>,
    /// `job.container` of GitHub's contexts.
    pub container: Option<ContainerFacts>,
    /// `job.services` of GitHub's contexts.
    pub services: Vec<ServiceFacts>,
    kind: Kind,
    _relay: relay::Relay,
}

/// What GitHub's `job.container` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    pub id: String,
    pub network: String,
}

/// The step agent's own program is CircleCI's helper, under these names.
const CIRCLECI_HELPER: [&str; 2] = ["circleci", "circleci-agent"];

enum Kind {
    Host(host::HostJob),
    Docker(docker::JobContainers),
}

/// Why a job has no place to run. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("{what} {path}: {error}", path = path.display())]
    File { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{0}")]
    Refused(String),
}

/// What a place is made from, beside the wish.
pub struct Making<'a> {
    pub config: &'a RunnerConfig,
    pub engine: Option<&'a Engine>,
    /// The step agent's program on this machine.
    pub agent: PathBuf,
    /// The data folder's id and this process's, for labels and markers.
    pub owner: &'a str,
    pub process: &'a str,
    /// `run/job/attempt`, for labels.
    pub job: String,
    /// A folder for this job alone. It need not be there yet.
    pub folder: PathBuf,
    pub spares: &'a Arc<Spares>,
    pub nursery: &'a Nursery,
    pub log: &'a JobLog,
}

impl Place {
    /// Makes the place that `wish` asks for.
    pub async fn make(making: &Making<'_>, wish: Wish) -> Result<Self, PlaceError> {
        match &wish.container {
            Some(container) => docker::make(making, &wish, container).await,
            None => host::make(making, &wish).await,
        }
    }

    /// Removes what an attempt to make a place has left, when it failed or was given up.
    pub async fn discard(making: &Making<'_>) {
        if let Some(engine) = making.engine {
            match Leavings::at(engine, &docker::labels(making)).await {
                Ok(found) => _ = found.remove(engine, |_, _| true).await,
                Err(error) => tracing::warn!(%error, "a place that was begun is left for the next sweep"),
            }
        }
        let _ = tokio::fs::remove_dir_all(&making.folder).await;
    }

    /// The path of a program on the PATH that steps begin with.
    pub async fn find_program(&self, program: &str) -> Result<Option<String>, SessionError> {
        match self.is_container {
            true => self.session.find_program(program).await,
            // What is here, nobody need be asked for.
            false => {
                let found = search_path::find_program(self.path.as_ref(), program.as_ref());
                Ok(found.map(|path| path.display().to_string()))
            }
        }
    }

    /// Writes a file of the job and the folders above it, owned by the steps' user.
    pub async fn write(&self, path: &str, mode: u32, content: Vec<u8>) -> Result<(), SessionError> {
        match self.is_container {
            true => self.session.write(path, mode, content).await,
            false => host::write(Path::new(path), mode, &content)
                .map_err(|error| SessionError::Refused(format!("{path}: {error}"))),
        }
    }

    /// The socket on this machine by which steps may call the host's container engine.
    pub fn engine_socket(&self) -> Option<&Path> {
        self.engine.as_ref().filter(|_| self.has_engine).map(|engine| engine.path.as_path())
    }

    /// The network of the job's containers, where they have one of their own.
    pub fn network(&self) -> Option<&str> {
        let own = self.container.as_ref().map(|container| container.network.as_str());
        let of_services = self.services.first().map(|service| service.network.as_str());
        own.filter(|network| *network != "bridge").or(of_services)
    }

    /// What steps may write to and later jobs find again: all of a container, the job's own folder on the host.
    pub fn root(&self) -> String {
        if self.is_container { "/".to_owned() } else { self.layout.folder.display().to_string() }
    }

    /// What a person needs to get into the place's container.
    pub fn kept_container(&self) -> Option<KeptContainer> {
        let Kind::Docker(containers) = &self.kind else { return None };
        let User { uid, gid, .. } = &self.user;
        Some(containers.kept(format!("{uid}:{gid}"), &self.layout))
    }

    /// Ends everything that runs in the place, and leaves the place itself: folders, and containers with their services.
    pub async fn stay(self) {
        match self.kind {
            Kind::Host(job) => drop(job.close(&self.session).await),
            Kind::Docker(_) => {
                let limit = std::time::Duration::from_secs(10);
                let _ = tokio::time::timeout(limit, self.session.stay()).await;
            }
        }
        if let Some(engine) = self.engine {
            engine.close().await;
        }
    }

    /// Ends everything that runs in the place and removes it. What cannot be removed is left for a sweep.
    pub async fn close(self) {
        let given_back = match self.kind {
            Kind::Host(job) => job.close(&self.session).await,
            Kind::Docker(containers) => {
                // With a limit, for an agent that cannot answer must not hold the job.
                let finish = tokio::time::timeout(std::time::Duration::from_secs(10), self.session.finish());
                let _ = finish.await;
                containers.close().await;
                None
            }
        };
        if let Some(engine) = self.engine {
            engine.close().await;
        }
        match given_back {
            Some(host::GivenBack { spares, skeleton }) => spares.take_back(self.layout.folder, skeleton),
            None => _ = tokio::fs::remove_dir_all(&self.layout.folder).await,
        }
    }
}
