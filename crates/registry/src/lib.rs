//! The OCI distribution API, and images: pack, copy, inspect, unpack. Knows no runs: it emits "pushed".

mod access;
pub mod attest;
mod config;
mod error;
mod event;
pub mod garbage;
mod http;
pub mod image;
mod manifest;
pub mod media_type;
mod mirror;
mod name;
mod overview;
mod pattern;
mod pull;
mod push;
mod quota;
mod registry;
mod scope;
mod scrub;
mod shelf;
mod sweep;
mod tokens;

pub use sluice_blobs::{BucketOptions, BucketUrl};

pub use access::{Access, AccessRequest, Action, Credentials, OpenToAll, Pusher, Verdict};
pub use config::{History, ImageConfig, Nothing, Process, RootFs};
pub use error::RegistryError;
pub use event::{EventError, Events, NoEvents, Pushed};
pub use http::{range, router};
pub use manifest::{Descriptor, ImageIndex, ImageManifest, Manifest, ManifestError, Platform};
pub use mirror::{InvalidMirror, MirrorOptions, MirrorUse, Upstream};
pub use name::{ImageRepository, Reference, Tag};
pub use overview::{Overview, TagOverview};
pub use pattern::{RepositoryPattern, TagPattern};
pub use pull::{Image, StoredManifest};
pub use quota::{OverQuota, Quotas};
pub use registry::{Options, Registry};
pub use scope::Scope;
pub use scrub::{Damage, Scrubbed};
pub use shelf::Push;
pub use sweep::Swept;
pub use tokens::Challenge;
