use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::depot::DepotError;

/// Why a call is refused, in Twirp's words ("Twirp Wire Protocol v7", Errors).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: &'static str,
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new("malformed", StatusCode::BAD_REQUEST, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_argument", StatusCode::BAD_REQUEST, message)
    }

    pub fn unauthenticated() -> Self {
        let message = "the token is not this job's ACTIONS_RUNTIME_TOKEN";
        Self::new("unauthenticated", StatusCode::UNAUTHORIZED, message)
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new("permission_denied", StatusCode::FORBIDDEN, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", StatusCode::NOT_FOUND, message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new("already_exists", StatusCode::CONFLICT, message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new("out_of_range", StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<DepotError> for Refusal {
    fn from(error: DepotError) -> Self {
        match error {
            DepotError::Refused(message) => Self::invalid(message),
            other => Self::internal(other.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // `msg` is Twirp's, `message` what the toolkit of caches v1 shows.
        let body = json!({ "code": self.code, "msg": self.message, "message": self.message });
        (self.status, Json(body)).into_response()
    }
}
