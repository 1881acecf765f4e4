use rusqlite::{Connection, Row};
use sluice_model::Timestamp;

use crate::StoreError;
use crate::value::query;

/// One event as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// From 1, without a gap, within its stream.
    pub sequence: u64,
    pub at: Timestamp,
    pub kind: String,
    /// JSON text, in the words of the crate that made it.
    pub body: String,
}

/// Names one effect for ever: performing it a second time is told by this key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectKey {
    pub stream: String,
    pub sequence: u64,
    pub position: u32,
}

impl std::fmt::Display for EffectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}.{}", self.stream, self.sequence, self.position)
    }
}

/// An effect that has been decided and not yet acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEffect {
    pub key: EffectKey,
    pub kind: String,
    /// JSON text.
    pub body: String,
}

pub(crate) fn events(
    connection: &Connection,
    stream: &str,
    after: u64,
) -> Result<Vec<StoredEvent>, StoreError> {
    let sql = "SELECT sequence, at_ms, kind, body FROM events WHERE stream = $1 AND sequence > $2 ORDER BY sequence";
    query(connection, sql, &[stream.into(), after.into()], |row| {
        Ok(StoredEvent {
            sequence: row.get::<_, i64>(0)? as u64,
            at: Timestamp(row.get(1)?),
            kind: row.get(2)?,
            body: row.get(3)?,
        })
    })
}

pub(crate) fn last_sequence(connection: &Connection, stream: &str) -> Result<u64, StoreError> {
    let sql = "SELECT sequence FROM events WHERE stream = $1 ORDER BY sequence DESC LIMIT 1";
    let found = query(connection, sql, &[stream.into()], |row| Ok(row.get::<_, i64>(0)? as u64))?;
    Ok(found.first().copied().unwrap_or(0))
}

pub(crate) fn pending_effects(connection: &Connection) -> Result<Vec<StoredEffect>, StoreError> {
    let sql = "SELECT stream, sequence, position, kind, body FROM outbox ORDER BY stream, sequence, position";
    query(connection, sql, &[], read_effect)
}

pub(crate) fn pending_effects_of(
    connection: &Connection,
    prefix: &str,
) -> Result<Vec<StoredEffect>, StoreError> {
    let sql = "SELECT stream, sequence, position, kind, body FROM outbox WHERE stream >= $1 AND stream < $2 ORDER BY stream, sequence, position";
    query(connection, sql, &[prefix.into(), (&after_all_of(prefix)).into()], read_effect)
}

fn read_effect(row: &Row<'_>) -> Result<StoredEffect, StoreError> {
    Ok(StoredEffect {
        key: EffectKey {
            stream: row.get(0)?,
            sequence: row.get::<_, i64>(1)? as u64,
            position: row.get::<_, u32>(2)?,
        },
        kind: row.get(3)?,
        body: row.get(4)?,
    })
}

pub(crate) fn streams(connection: &Connection, prefix: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT stream FROM events WHERE stream >= $1 AND stream < $2 ORDER BY stream";
    query(connection, sql, &[prefix.into(), (&after_all_of(prefix)).into()], |row| Ok(row.get(0)?))
}

/// The character after any that a stream's name may hold, so that a range is a prefix search on the key.
fn after_all_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}
