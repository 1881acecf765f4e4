//! The OCI distribution API, and images: pack, copy, inspect, unpack. Knows no runs: it emits "pushed".

mod access;
mod config;
mod event;
mod manifest;
pub mod media_type;
mod name;

pub use access::{Access, AccessRequest, Action, Credentials, OpenToAll, Pusher, Verdict};
pub use config::{History, ImageConfig, Nothing, Process, RootFs};
pub use event::{EventError, Events, NoEvents, Pushed};
pub use manifest::{Descriptor, ImageIndex, ImageManifest, Manifest, ManifestError, Platform};
pub use name::{ImageRepository, Reference, Tag};
