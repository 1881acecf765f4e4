use rusqlite::Connection;
use sluice_model::{CommitSha, Digest, InstanceId, RepositoryName, RunId, Timestamp};

use crate::StoreError;
use crate::value::query;

/// Where a ref stood when its change was last turned into a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRef {
    /// `refs/heads/master`
    pub name: String,
    pub sha: CommitSha,
}

/// A manifest that a job pushed to the registry with its own credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedImage {
    pub run: RunId,
    pub instance: InstanceId,
    pub attempt: u32,
    /// The image's name in the registry: `storefront/api`.
    pub image: String,
    /// The tag, or the digest where it was pushed by digest.
    pub reference: String,
    pub digest: Digest,
    pub at: Timestamp,
}

pub(crate) fn repositories(connection: &Connection) -> Result<Vec<RepositoryName>, StoreError> {
    query(connection, "SELECT name FROM repositories ORDER BY name", &[], |row| {
        parse("repository", row.get::<_, String>(0)?)
    })
}

pub(crate) fn refs_seen(connection: &Connection, repository: &str) -> Result<Vec<SeenRef>, StoreError> {
    let sql = "SELECT name, sha FROM refs_seen WHERE repository = $1 ORDER BY name";
    query(connection, sql, &[repository.into()], |row| {
        Ok(SeenRef { name: row.get(0)?, sha: parse("commit", row.get::<_, String>(1)?)? })
    })
}

pub(crate) fn pushed_images(connection: &Connection, run: RunId) -> Result<Vec<PushedImage>, StoreError> {
    let sql = "SELECT instance, attempt, image, reference, digest, at_ms FROM pushed_images WHERE run = $1 ORDER BY at_ms, image, reference";
    query(connection, sql, &[run.0.into()], |row| {
        let Ok(instance) = row.get::<_, String>(0)?.parse();
        Ok(PushedImage {
            run,
            instance,
            attempt: row.get(1)?,
            image: row.get(2)?,
            reference: row.get(3)?,
            digest: parse("digest", row.get::<_, String>(4)?)?,
            at: Timestamp(row.get(5)?),
        })
    })
}

/// The repository that has an image.
pub(crate) fn image_owner(
    connection: &Connection,
    image: &str,
) -> Result<Option<RepositoryName>, StoreError> {
    let sql = "SELECT repository FROM image_claims WHERE image = $1";
    let found = query(connection, sql, &[image.into()], |row| parse("repository", row.get::<_, String>(0)?))?;
    Ok(found.into_iter().next())
}

/// What a repository was last told that a tag of an image points to.
pub(crate) fn package_seen(
    connection: &Connection,
    repository: &str,
    image: &str,
    tag: &str,
) -> Result<Option<Digest>, StoreError> {
    let sql = "SELECT digest FROM packages_seen WHERE repository = $1 AND image = $2 AND tag = $3";
    let keys = [repository.into(), image.into(), tag.into()];
    let found = query(connection, sql, &keys, |row| parse("digest", row.get::<_, String>(0)?))?;
    Ok(found.into_iter().next())
}

pub(crate) fn images_of(connection: &Connection, repository: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT image FROM image_claims WHERE repository = $1 ORDER BY image";
    query(connection, sql, &[repository.into()], |row| Ok(row.get(0)?))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &'static str,
    text: String,
) -> Result<T, StoreError> {
    text.parse().map_err(|error: T::Err| StoreError::Corrupt { what, reason: error.to_string() })
}
