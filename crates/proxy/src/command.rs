use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The name of a route: 1 to 300 visible ASCII characters, opaque to the proxy. Deployments use
/// `owner/repository/environment/service`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouteKey(String);

impl RouteKey {
    /// # Errors
    /// [`Refusal::InvalidKey`] when the text has another form.
    pub fn new(text: impl Into<String>) -> Result<Self, Refusal> {
        let text = text.into();
        if (1..=300).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text));
        }
        Err(Refusal::InvalidKey { seen: text.chars().take(320).collect() })
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RouteKey {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::new(text)
    }
}

impl From<RouteKey> for String {
    fn from(key: RouteKey) -> String {
        key.0
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a route and its listeners. A route that exists keeps its port; new addresses are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRoute {
    pub key: RouteKey,
    /// None: the proxy chooses a free port once, and keeps it.
    pub port: Option<u16>,
    /// Where to listen beside 127.0.0.1, on the same port: the gateway of a container network.
    #[serde(default)]
    pub also_on: Vec<IpAddr>,
}

/// Points a route at the instances that serve it from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    pub key: RouteKey,
    /// Grows with every order for the route; an older one is refused, a repeat of the same one is harmless.
    pub generation: u64,
    /// At most 64. Empty: the route answers 503.
    pub upstreams: Vec<SocketAddr>,
}

/// Waits until nothing is in flight on addresses that a route no longer uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub key: RouteKey,
    pub upstreams: Vec<SocketAddr>,
    pub deadline_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    pub waited_ms: u64,
    /// Requests that were still in flight at the deadline; they are left to finish.
    pub remaining: u64,
    /// Upgraded connections (WebSockets) that were closed at the deadline, so that their clients come back to
    /// the new instances.
    pub closed_tunnels: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    pub key: RouteKey,
    pub port: u16,
    /// Addresses that are bound now. One that is missing (its network is gone, its port is taken) is tried again.
    pub listening: Vec<SocketAddr>,
    /// 0 until the first install.
    pub generation: u64,
    pub upstreams: Vec<UpstreamStatus>,
    /// Status code → answers since the process started, the proxy's own (502, 503, 504) included.
    pub answers: BTreeMap<u16, u64>,
    /// Requests that were offered to an instance again, or to another one.
    pub retries: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    pub address: SocketAddr,
    pub in_flight: u64,
    /// It refused the last connection; it is tried again when no other answers, or after a second.
    pub down: bool,
}

/// Who answers on the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub pid: u32,
    /// The version of the program that serves, not of the one that asks.
    pub version: String,
    pub routes: u64,
}

/// Why the proxy did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
pub enum Refusal {
    #[error("route name `{seen}` is not valid: expected 1 to 300 visible ASCII characters")]
    InvalidKey { seen: String },
    #[error("there is no route {key}: open it first")]
    UnknownRoute { key: RouteKey },
    #[error(
        "route {key} is at generation {current}: an order of generation {seen} came too late and was not followed"
    )]
    Stale { key: RouteKey, seen: u64, current: u64 },
    #[error("route {key} already has other instances at generation {generation}: use a greater one")]
    Conflicting { key: RouteKey, generation: u64 },
    #[error("route {key} has port {current} already and cannot be moved to {seen}: remove it first")]
    PortFixed { key: RouteKey, seen: u16, current: u16 },
    #[error("port {port} for route {key} cannot be bound: {reason}")]
    PortTaken { key: RouteKey, port: u16, reason: String },
    #[error("{what}: {seen}, and at most {most} are allowed")]
    TooMany { what: String, seen: u64, most: u64 },
    #[error("the state could not be written, so nothing was changed: {reason}")]
    NotSaved { reason: String },
    #[error("not a command of this proxy: {reason}")]
    NotUnderstood { reason: String },
}

/// One line on the control socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(crate) enum Command {
    Status,
    Open { routes: Vec<OpenRoute> },
    Install { routes: Vec<Install> },
    Drain { drains: Vec<Drain> },
    List,
    Remove { keys: Vec<RouteKey> },
    Shutdown,
}

/// The line that answers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
// Not tagged inside: a map with numbers for keys cannot be read back from there.
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Status { status: Status },
    Routes { routes: Vec<RouteStatus> },
    Drained { reports: Vec<DrainReport> },
    Done,
    Refused { refusal: Refusal },
}

/// The longest line on the control socket, both ways.
pub(crate) const LINE_BYTES: u64 = 4 * 1024 * 1024;
pub(crate) const UPSTREAMS_A_ROUTE: u64 = 64;
pub(crate) const ROUTES: u64 = 1000;
