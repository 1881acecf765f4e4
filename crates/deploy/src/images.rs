use std::path::Path;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::spec::ImageRef;

/// Where images come from. The server implements it with its registry; this crate knows none.
pub trait Images: Send + Sync {
    /// Writes the file system of an image into an empty folder, and says how it is run. Every digest has been
    /// checked when it returns.
    ///
    /// # Errors
    /// A sentence for a person.
    fn unpack<'a>(
        &'a self,
        image: &'a ImageRef,
        folder: &'a Path,
    ) -> BoxFuture<'a, Result<ImageProcess, String>>;

    /// Where the engine on this machine pulls an image from: asked only when the engine does not have it.
    fn pull_source(&self, image: &ImageRef) -> PullSource;
}

/// The process that an image starts (OCI image-spec 1.1, config.md).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageProcess {
    /// The entrypoint, then the command.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Empty: the root of the image.
    pub working_dir: String,
}

#[derive(Clone)]
pub struct PullSource {
    /// `127.0.0.1:7000`: as `docker login` takes it.
    pub registry: String,
    pub username: String,
    pub password: String,
}
