/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else appended first: read the stream again and decide again. Nothing of the transaction was written.
    #[error("stream `{stream}` is at {found}, and the append expected {expected}")]
    Conflict { stream: String, expected: u64, found: u64 },
    /// A row that has to be new is there already. Nothing of the transaction was written.
    #[error("{what} is there already")]
    Exists { what: String },
    #[error(
        "the data folder was written by a newer Sluice (schema {found}, this one knows {known}): use that version"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error("a stored {what} does not read back: {reason}")]
    Corrupt { what: &'static str, reason: String },
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the store is closed")]
    Closed,
}
