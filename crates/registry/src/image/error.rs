use std::io;
use std::path::{Path, PathBuf};

use sluice_model::{Digest, InvalidName};

use crate::{ManifestError, RegistryError};

/// Why an image could not be packed, copied, read or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(
        "`{seen}` does not name an image: {reason}. Expected HOST/REPOSITORY[:TAG|@DIGEST], oci:FOLDER[:TAG|@DIGEST] or \
         oci-archive:FILE[:TAG|@DIGEST]"
    )]
    Location { seen: String, reason: String },
    #[error("`{0}` names no tag and no digest: add :TAG or @DIGEST")]
    NoReference(String),
    #[error("{place} has no image `{reference}`")]
    NotFound { place: String, reference: String },
    #[error("{place} has no image for {wanted}; it has {present}")]
    NoSuchPlatform { place: String, wanted: String, present: String },
    #[error("{place} sent other bytes than {digest}: they are damaged, or were changed on the way")]
    Damaged { place: String, digest: Digest },
    #[error("{host} asks for credentials: log in, or give a user and a password")]
    Unauthorized { host: String },
    #[error("{host} refuses: {message}")]
    Denied { host: String, message: String },
    #[error("{host} answered {status}: {message}")]
    Answer { host: String, status: u16, message: String },
    #[error("{host} cannot be reached: {}", chain(source))]
    Unreachable { host: String, source: reqwest::Error },
    #[error("{place} is not an OCI layout folder: {reason}")]
    Layout { place: String, reason: String },
    #[error("{} is not supported here", _0)]
    Unsupported(String),
    #[error("the layer {layer} cannot be unpacked: {reason}")]
    Layer { layer: Digest, reason: String },
    #[error("the configuration {digest} cannot be read: {reason}")]
    Config { digest: Digest, reason: String },
    #[error("{what} has more than the {limit} allowed")]
    TooLarge { what: String, limit: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl ImageError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// What reqwest says is short; the cause below it is what a reader needs.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
