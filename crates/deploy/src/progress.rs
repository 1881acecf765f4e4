use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sluice_model::ServiceName;

/// What a rollout is doing, in its order. `Display` is a line for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Progress {
    /// The image is brought to the target; not said when it is there.
    Fetching {
        service: ServiceName,
        image: String,
    },
    Started {
        service: ServiceName,
        replica: u32,
        address: SocketAddr,
    },
    /// It runs already, from an earlier attempt or a release that was kept.
    Adopted {
        service: ServiceName,
        replica: u32,
        address: SocketAddr,
    },
    Ready {
        service: ServiceName,
        replica: u32,
        after_ms: u64,
    },
    /// The version path named this version and commit.
    Checked {
        service: ServiceName,
        replica: u32,
    },
    Switched {
        services: u64,
        took_ms: u64,
    },
    Verifying {
        for_ms: u64,
    },
    Verified,
    Draining {
        instances: u64,
    },
    Drained {
        waited_ms: u64,
        remaining: u64,
    },
    /// Instances of releases that are not kept any more.
    Stopping {
        instances: u64,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetching { service, image } => write!(f, "{service}: fetching {image}"),
            Self::Started { service, replica, address } => {
                write!(f, "{service}: instance {} started at {address}", replica + 1)
            }
            Self::Adopted { service, replica, address } => {
                write!(f, "{service}: instance {} runs already at {address}", replica + 1)
            }
            Self::Ready { service, replica, after_ms } => {
                write!(f, "{service}: instance {} ready after {after_ms} ms", replica + 1)
            }
            Self::Checked { service, replica } => {
                write!(f, "{service}: instance {} names this version and commit", replica + 1)
            }
            Self::Switched { services, took_ms } => write!(f, "switched {services} services in {took_ms} ms"),
            Self::Verifying { for_ms } => write!(f, "watching the release for {for_ms} ms"),
            Self::Verified => f.write_str("the release answers as it should"),
            Self::Draining { instances } => {
                write!(f, "draining {instances} instances of the previous release")
            }
            Self::Drained { waited_ms, remaining: 0 } => write!(f, "drained after {waited_ms} ms"),
            Self::Drained { waited_ms, remaining } => {
                write!(f, "{remaining} requests were still in flight after {waited_ms} ms")
            }
            Self::Stopping { instances } => {
                write!(f, "stopping {instances} instances of releases that are not kept")
            }
        }
    }
}

/// A rollout that is done: the release is live and has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutReport {
    pub services: Vec<ServiceReport>,
    /// The whole order to the proxy, its state on disk included.
    pub switch_ms: u64,
    /// From the beginning of this attempt to the switch.
    pub until_switch_ms: u64,
    pub total_ms: u64,
    /// Requests that were still in flight on the previous release at the drain deadline.
    pub undrained: u64,
    /// Releases that keep running for a rollback: their versions, newest first.
    pub kept: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    pub name: ServiceName,
    /// `http://127.0.0.1:20123`: its route, the same for every release.
    pub url: String,
    pub instances: Vec<SocketAddr>,
    /// How many of them ran already.
    pub adopted: u64,
}
