use std::path::Path;
use std::time::Duration;

use bollard::Docker;

use crate::address::candidates;
use crate::{EngineAddress, EngineError, NoEngine};

/// A container engine that answered, with the API version that both sides speak. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) docker: Docker,
    version: EngineVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Docker,
    Podman,
}

/// What answered. `Display`: `Docker 20.10.24 at /var/run/docker.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    pub kind: EngineKind,
    pub version: String,
    /// The socket's path, or the address in `DOCKER_HOST`.
    pub address: String,
}

impl std::fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            EngineKind::Docker => "Docker",
            EngineKind::Podman => "Podman",
        };
        write!(f, "{kind} {} at {}", self.version, self.address)
    }
}

/// How long the engine may take for one answer. Long, for a create may wait for a slow disk.
const ANSWER_TIMEOUT_S: u64 = 120;
/// How long an engine may take to say that it is there.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

impl Engine {
    /// The engine at `DOCKER_HOST`, else at Docker's socket, else at Podman's (the user's, then the system's).
    pub async fn connect() -> Result<Self, NoEngine> {
        let mut tried = Vec::new();
        for address in candidates() {
            match Self::connect_to(&address).await {
                Ok(engine) => return Ok(engine),
                Err(reason) => tried.push(format!("{address} ({reason})")),
            }
        }
        Err(NoEngine { tried })
    }

    /// The engine at one address: `unix:///path`, `/path`, `tcp://host:port` or `http://host:port`.
    pub async fn connect_to(address: &str) -> Result<Self, String> {
        let hello = async {
            let docker = dial(address)?.negotiate_version().await.map_err(|error| error.to_string())?;
            let seen = docker.version().await.map_err(|error| error.to_string())?;
            let components = seen.components.unwrap_or_default();
            let is_podman = components.iter().any(|component| component.name.contains("Podman"));
            let version = EngineVersion {
                kind: if is_podman { EngineKind::Podman } else { EngineKind::Docker },
                version: seen.version.unwrap_or_default(),
                address: address.strip_prefix("unix://").unwrap_or(address).to_owned(),
            };
            Ok(Self { docker, version })
        };
        match tokio::time::timeout(HELLO_TIMEOUT, hello).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} s", HELLO_TIMEOUT.as_secs())),
        }
    }

    pub fn version(&self) -> &EngineVersion {
        &self.version
    }

    /// The engine's socket on this machine; none where it is reached over a network.
    pub fn socket(&self) -> Option<&Path> {
        let path = Path::new(&self.version.address);
        path.is_absolute().then_some(path)
    }

    /// Where it was reached.
    pub fn address(&self) -> Result<EngineAddress, String> {
        self.version.address.parse()
    }

    pub async fn ping(&self) -> Result<(), EngineError> {
        let answer = self.docker.ping().await;
        answer.map(drop).map_err(|error| EngineError::of("ping the engine", &self.version.address, error))
    }
}

fn dial(address: &str) -> Result<Docker, String> {
    let version = bollard::API_DEFAULT_VERSION;
    let dialled = match address.parse()? {
        EngineAddress::Unix(path) if !path.exists() => return Err("no such socket".to_owned()),
        EngineAddress::Unix(path) => {
            Docker::connect_with_unix(&path.to_string_lossy(), ANSWER_TIMEOUT_S, version)
        }
        address @ EngineAddress::Tcp(_) => {
            Docker::connect_with_http(&address.to_string(), ANSWER_TIMEOUT_S, version)
        }
    };
    dialled.map_err(|error| error.to_string())
}
