//! The OCI distribution API, and images: pack, copy, inspect, unpack. Knows no runs: it emits "pushed".

mod access;
mod config;
mod error;
mod event;
mod http;
pub mod image;
mod immutable;
mod manifest;
pub mod media_type;
mod name;
mod pull;
mod push;
mod registry;
mod shelf;
mod tokens;

pub use access::{Access, AccessRequest, Action, Credentials, OpenToAll, Pusher, Verdict};
pub use config::{History, ImageConfig, Nothing, Process, RootFs};
pub use error::RegistryError;
pub use event::{EventError, Events, NoEvents, Pushed};
pub use http::router;
pub use immutable::TagPattern;
pub use manifest::{Descriptor, ImageIndex, ImageManifest, Manifest, ManifestError, Platform};
pub use name::{ImageRepository, Reference, Tag};
pub use pull::{Image, StoredManifest};
pub use registry::{Options, Registry, Swept};
pub use shelf::Push;
pub use tokens::Challenge;
