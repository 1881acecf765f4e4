use axum::http::StatusCode;
use sluice_engine as engine;
use sluice_forge::ForgeError;
use sluice_release as release;
use sluice_store::StoreError;

use crate::garbage::GarbageError;
use crate::repository::PushError;
use crate::stream::CommandError;

/// Why a request was not done: for a person, and with the status that says whose turn it is.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
    pub(crate) fn unauthorized() -> Self {
        let message = "this needs a token: give it as `Authorization: Bearer TOKEN`, or sign in";
        Self::new(StatusCode::UNAUTHORIZED, message)
    }
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// What went wrong inside is logged here, once, and not told to whoever asked.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        let message = "the server could not do this; its log says why. Trying again may help";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<ForgeError> for Refusal {
    fn from(error: ForgeError) -> Self {
        match &error {
            ForgeError::NoRepository(_) | ForgeError::NotServed { .. } => Self::not_found(error.to_string()),
            ForgeError::FileTooLarge { .. } => Self::bad(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Store(error) => error.into(),
            PushError::Forge(error) => error.into(),
        }
    }
}

impl From<GarbageError> for Refusal {
    fn from(error: GarbageError) -> Self {
        Self::internal(&error)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<CommandError<engine::Refused>> for Refusal {
    fn from(error: CommandError<engine::Refused>) -> Self {
        match error {
            CommandError::Refused(
                refused @ (engine::Refused::NoRun
                | engine::Refused::UnknownJob { .. }
                | engine::Refused::UnknownInstance { .. }),
            ) => Self::not_found(refused.to_string()),
            CommandError::Refused(refused) => Self::conflict(refused.to_string()),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<CommandError<release::Refused>> for Refusal {
    fn from(error: CommandError<release::Refused>) -> Self {
        match error {
            CommandError::Refused(
                refused @ (release::Refused::NotAllowed { .. } | release::Refused::Author { .. }),
            ) => Self::forbidden(refused.to_string()),
            CommandError::Refused(
                refused @ (release::Refused::UnknownRelease(_)
                | release::Refused::UnknownPromotion(_)
                | release::Refused::UnknownEnvironment { .. }
                | release::Refused::NoPolicy),
            ) => Self::not_found(refused.to_string()),
            CommandError::Refused(refused) => Self::conflict(refused.to_string()),
            CommandError::Store(error) => error.into(),
        }
    }
}
