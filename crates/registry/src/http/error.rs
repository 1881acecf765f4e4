use axum::http::header::{ALLOW, HeaderName, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sluice_blobs::BlobError;
use sluice_model::InvalidName;

use crate::image::ImageError;
use crate::{OverQuota, RegistryError};

/// The answer to a request, or why there is none.
pub type Answer = Result<Response, Refusal>;

/// An error as the specification wants it (OCI distribution-spec 1.1, "Error Codes").
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such endpoint")
    }

    pub fn name_invalid(error: &InvalidName) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", error.to_string())
    }

    pub fn digest_invalid(error: &InvalidName) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", error.to_string())
    }

    pub fn tag_invalid(error: &InvalidName) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.to_string())
    }

    pub fn tag_unknown(error: &InvalidName) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", error.to_string())
    }

    pub fn upload_unknown(error: &InvalidName) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", error.to_string())
    }

    pub fn upload_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
    }

    pub fn size_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message)
    }

    pub fn page_invalid(seen: &str) -> Self {
        let message = format!("`n` is `{seen}`, expected a number from 0");
        Self::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
    }

    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let message = format!("this endpoint takes {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    pub fn unauthorized(challenge: HeaderValue) -> Self {
        let message = "authentication is required: log in with a user or token that this server knows";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message).with(WWW_AUTHENTICATE, challenge)
    }

    pub fn denied(reason: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", reason)
    }

    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the registry failed");
        let message = "the registry failed: its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
    }

    fn disk_full(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the disk is full");
        let message = "the registry's disk is full: tell its administrator";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "DISK_FULL", message)
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        let (status, code) = match &error {
            E::RepositoryUnknown(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            E::ManifestUnknown { .. } => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            E::BlobUnknown { .. } => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            E::ManifestInvalid(_) | E::SizesDiffer { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            E::ManifestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            E::ManifestBlobUnknown { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
            E::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            E::TagImmutable { .. } | E::OverQuota(_) => (StatusCode::FORBIDDEN, "DENIED"),
            E::Upstream { source, .. } => match **source {
                ImageError::Unauthorized { .. } | ImageError::Denied { .. } => {
                    (StatusCode::FORBIDDEN, "DENIED")
                }
                _ => (StatusCode::BAD_GATEWAY, "UNAVAILABLE"),
            },
            E::UpstreamAway { .. } => (StatusCode::BAD_GATEWAY, "UNAVAILABLE"),
            E::MirrorReadOnly { .. } => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            E::MirrorTwice { .. } | E::MirrorTaken { .. } => return Self::internal(&error),
            E::InUse { .. } => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            E::NoSuchPlatform { .. } => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            E::ConfigInvalid { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            E::DiskFull { .. } => return Self::disk_full(&error),
            E::Event(_) | E::Io { .. } => return Self::internal(&error),
            E::Blob(_) => {
                let E::Blob(error) = error else { return Self::internal(&error) };
                return error.into();
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        if let Some(over) = over_quota(&error) {
            return Self::denied(over.to_string());
        }
        let (status, code) = match &error {
            BlobError::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            BlobError::UploadUnknown(_) => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            BlobError::UploadBusy(_) => (StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
            BlobError::OutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            BlobError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            BlobError::Interrupted(_) => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            BlobError::DiskFull { .. } => return Self::disk_full(&error),
            BlobError::Io { .. } | BlobError::Bucket { .. } | BlobError::OtherBucket { .. } => {
                return Self::internal(&error);
            }
        };
        Self::new(status, code, error.to_string())
    }
}

/// The quota that ended a body, where one did.
pub fn over_quota(error: &BlobError) -> Option<&OverQuota> {
    let BlobError::Interrupted(cause) = error else { return None };
    cause.get_ref()?.downcast_ref()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut response = (self.status, axum::Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
