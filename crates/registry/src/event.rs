use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sluice_model::{Digest, Timestamp};

use crate::{ImageRepository, Pusher, Tag};

/// Told of what changed. The server gives it.
pub trait Events: Send + Sync + 'static {
    /// Called when the manifest and its tag are on disk, and awaited before the client gets its 201: when this
    /// returns, the event must be durable. When it fails the client gets a 500 and pushes again.
    ///
    /// The same push may be told twice, so that a repeat has to be harmless.
    fn pushed<'a>(&'a self, pushed: &'a Pushed) -> BoxFuture<'a, Result<(), EventError>>;
}

/// A manifest was pushed. An index is told after the manifests it names, each by its own event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub repository: ImageRepository,
    /// None for a push by digest.
    pub tag: Option<Tag>,
    /// The manifest's digest: what a release names.
    pub digest: Digest,
    /// The image's configuration; none for an index.
    pub config_digest: Option<Digest>,
    pub media_type: String,
    /// What kind of artifact it is, where the manifest says so.
    pub artifact_type: Option<String>,
    /// The manifest that this one is about (a signature, an SBOM), where it has one.
    pub subject: Option<Digest>,
    /// For an index, the manifests that it names.
    pub manifests: Vec<Digest>,
    /// The manifest's own bytes plus all that it names directly.
    pub size_bytes: u64,
    pub by: Pusher,
    pub at: Timestamp,
}

/// The event could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("the push could not be recorded: {0}")]
pub struct EventError(pub String);

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn pushed<'a>(&'a self, _pushed: &'a Pushed) -> BoxFuture<'a, Result<(), EventError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
