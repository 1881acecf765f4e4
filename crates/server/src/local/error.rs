use sluice_engine as engine;
use sluice_runner::RunnerError;
use sluice_store::StoreError;

use super::HistoryError;
use crate::runs::RunError;

#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("the state folder {path} cannot be used: {error}")]
    Folder { path: String, error: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Refused(#[from] engine::Refused),
}

impl From<RunError> for LocalError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(refused) => Self::Refused(refused),
            RunError::Store(error) => Self::Store(error),
        }
    }
}
