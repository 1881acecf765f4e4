//! A thin client of the Docker and Podman Engine API, and a socket that labels what is made through it. Never knows what a
//! container is for.

mod address;
mod attach;
mod container;
mod engine;
mod error;
mod exec;
mod image;
mod label;
mod network;
mod socket;

pub use address::EngineAddress;
pub use attach::{Attached, AttachedInput, AttachedOutput};
pub use container::{
    ContainerFound, ContainerInspected, ContainerSpec, Exited, Health, HealthCheck, Mount, PortPublish,
    Protocol, PublishedPort, Restart,
};
pub use engine::{Engine, EngineKind, EngineVersion};
pub use error::{EngineError, NoEngine};
pub use exec::{ExecSpec, Executed};
pub use image::{ImageInspected, Progress, RegistryCredentials};
pub use label::{LABEL_JOB, LABEL_OWNER, Labels};
pub use network::Found;
pub use socket::{EngineSocket, EngineSocketSpec};
