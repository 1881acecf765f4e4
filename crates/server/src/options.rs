use std::net::SocketAddr;
use std::path::PathBuf;

use sluice_registry::{BucketOptions, MirrorOptions, Quotas, RepositoryPattern, TagPattern};
use sluice_runner::{ActionSource, ExecutorChoice, ImageMap};
use sluice_wire::ServerVersion;

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that everything is kept in.
    pub data: PathBuf,
    /// Port 0: a free one.
    pub listen: SocketAddr,
    /// The address that people, jobs and the container engine reach the server at; none: `http://` and where it listens.
    pub public_url: Option<String>,
    pub executor: ExecutorChoice,
    /// Images to take instead of the ones that pipeline files name.
    pub images: ImageMap,
    /// How many jobs run at once; none: as many as there are processors.
    pub jobs: Option<usize>,
    /// Steps may call the host's container engine.
    pub allow_host_docker: bool,
    /// Where actions of other repositories come from.
    pub actions: ActionSource,
    /// The `sluice` program: steps find it on their PATH, and the proxy is started from it.
    pub sluice_binary: PathBuf,
    pub registry: RegistryOptions,
    /// What `GET /version` says.
    pub version: ServerVersion,
}

/// What the registry allows.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Where the bytes of layers are kept; none: in the data folder.
    pub bucket: Option<BucketOptions>,
    pub quotas: Quotas,
    /// Tags that are set once, and neither moved nor removed.
    pub immutable_tags: Vec<TagPattern>,
    /// Repositories that anybody may pull from without an account.
    pub anonymous_pull: Vec<RepositoryPattern>,
    /// Repositories whose content comes from other registries.
    pub mirrors: Vec<MirrorOptions>,
}

impl Options {
    pub fn new(data: impl Into<PathBuf>, sluice_binary: impl Into<PathBuf>, version: ServerVersion) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7000)),
            public_url: None,
            executor: ExecutorChoice::Auto,
            images: ImageMap::default(),
            jobs: None,
            allow_host_docker: false,
            registry: RegistryOptions::default(),
            actions: ActionSource::default(),
            sluice_binary: sluice_binary.into(),
            version,
        }
    }
}
