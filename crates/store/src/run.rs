use rusqlite::{Connection, Row};
use sluice_model::{RepositoryName, RunId, Timestamp};

use crate::StoreError;
use crate::value::{Value, query};

/// One run as the list of runs shows it, written in the same transaction as the run's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub id: RunId,
    pub repository: RepositoryName,
    /// Counted from 1 in its repository; set by the store when the run is new.
    pub number: u64,
    /// What made this run, once only: the same cause a second time is refused as [`StoreError::Exists`].
    pub cause: String,
    pub ended: bool,
    pub git_ref: String,
    pub sha: String,
    pub created: Timestamp,
    /// JSON text of the composition root.
    pub summary: String,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub repository: Option<RepositoryName>,
    /// The whole ref.
    pub git_ref: Option<String>,
    pub sha: Option<String>,
    /// Only runs that go on (false) or have ended (true).
    pub ended: Option<bool>,
    /// Only runs older than this one: the next page.
    pub before: Option<RunId>,
    /// At most this many; 0 asks for none.
    pub limit: u32,
}

const RUN: &str = "SELECT id, repository, number, cause, ended, git_ref, sha, created_ms, summary FROM runs";

pub(crate) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
    let mut sql = format!("{RUN} WHERE 1 = 1");
    let mut values: Vec<Value> = Vec::new();
    let mut narrow = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {condition} ${}", values.len()));
        }
    };
    narrow("repository =", filter.repository.as_ref().map(|name| name.as_str().into()));
    narrow("git_ref =", filter.git_ref.as_ref().map(Into::into));
    narrow("sha =", filter.sha.as_ref().map(Into::into));
    narrow("ended =", filter.ended.map(Into::into));
    narrow("id <", filter.before.map(|run| run.0.into()));
    values.push(filter.limit.into());
    sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
    query(connection, &sql, &values, read)
}

pub(crate) fn run(connection: &Connection, id: RunId) -> Result<Option<RunRow>, StoreError> {
    Ok(query(connection, &format!("{RUN} WHERE id = $1"), &[id.0.into()], read)?.pop())
}

pub(crate) fn run_by_number(
    connection: &Connection,
    repository: &str,
    number: u64,
) -> Result<Option<RunRow>, StoreError> {
    let sql = format!("{RUN} WHERE repository = $1 AND number = $2");
    Ok(query(connection, &sql, &[repository.into(), number.into()], read)?.pop())
}

pub(crate) fn runs_of_cause(connection: &Connection, prefix: &str) -> Result<Vec<RunRow>, StoreError> {
    let end = format!("{prefix}\u{10ffff}");
    let sql = format!("{RUN} WHERE cause >= $1 AND cause < $2 ORDER BY id");
    query(connection, &sql, &[prefix.into(), (&end).into()], read)
}

fn read(row: &Row<'_>) -> Result<RunRow, StoreError> {
    let repository: String = row.get(1)?;
    Ok(RunRow {
        id: RunId(row.get::<_, i64>(0)? as u64),
        repository: repository
            .parse()
            .map_err(|error| StoreError::Corrupt { what: "run", reason: format!("{error}") })?,
        number: row.get::<_, i64>(2)? as u64,
        cause: row.get(3)?,
        ended: row.get::<_, i64>(4)? != 0,
        git_ref: row.get(5)?,
        sha: row.get(6)?,
        created: Timestamp(row.get(7)?),
        summary: row.get(8)?,
    })
}
