use rusqlite::Connection;
use sluice_model::{CommitSha, Digest, InstanceId, RepositoryName, RunId, Timestamp, UserName};

use crate::event::{self, EffectKey, StoredEffect};
use crate::push;
use crate::value::{Value, execute, query};
use crate::{PushedImage, RunRow, StoreError, Token, TokenKind, User};

/// What is written together, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    pub appends: Vec<Append>,
    pub writes: Vec<Write>,
}

impl Transaction {
    pub fn of(write: Write) -> Self {
        Self { appends: Vec::new(), writes: vec![write] }
    }
}

/// Events for the end of one stream.
#[derive(Debug, Clone)]
pub struct Append {
    pub stream: String,
    /// The sequence of the last event that the decision saw; 0 for a new stream.
    pub expected: u64,
    pub at: Timestamp,
    pub events: Vec<NewEvent>,
    pub effects: Vec<NewEffect>,
}

#[derive(Debug, Clone)]
pub struct NewEvent {
    pub kind: String,
    pub body: String,
}

#[derive(Debug, Clone)]
pub struct NewEffect {
    /// Which of the append's events asks for it.
    pub event: usize,
    pub kind: String,
    pub body: String,
}

/// A write beside the log.
#[derive(Debug, Clone)]
pub enum Write {
    AddRepository {
        name: RepositoryName,
        at: Timestamp,
    },
    SeeRef {
        repository: RepositoryName,
        name: String,
        sha: CommitSha,
    },
    ForgetRef {
        repository: RepositoryName,
        name: String,
    },
    /// A run that is new; one of the same cause is refused.
    AddRun(RunRow),
    /// What a run has become.
    UpdateRun {
        id: RunId,
        ended: bool,
        summary: String,
    },
    PutUser(User),
    RemoveUser(UserName),
    AddToken(Token),
    RemoveToken {
        hash: String,
    },
    /// Every token of one job, whatever its attempt.
    RemoveJobTokens {
        run: RunId,
        instance: InstanceId,
    },
    /// No job runs any more: the tokens of all of them.
    RemoveAllJobTokens,
    RecordPush(PushedImage),
    /// The repository asks for these images and for no others: those that nobody has become its own.
    ClaimImages {
        repository: RepositoryName,
        images: Vec<String>,
    },
    /// A repository has been told about a tag of an image.
    SeePackage {
        repository: RepositoryName,
        image: String,
        tag: String,
        digest: Digest,
    },
    Acknowledge(EffectKey),
}

/// What a transaction made.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The last sequence of each append, in their order.
    pub sequences: Vec<u64>,
    /// The effects to perform now.
    pub effects: Vec<StoredEffect>,
}

pub(crate) fn apply(connection: &Connection, transaction: &Transaction) -> Result<Committed, StoreError> {
    let mut committed = Committed::default();
    for append in &transaction.appends {
        apply_append(connection, append, &mut committed)?;
    }
    for write in &transaction.writes {
        apply_write(connection, write)?;
    }
    Ok(committed)
}

fn apply_append(
    connection: &Connection,
    append: &Append,
    committed: &mut Committed,
) -> Result<(), StoreError> {
    let Append { stream, expected, at, events, effects } = append;
    let found = event::last_sequence(connection, stream)?;
    if found != *expected {
        return Err(StoreError::Conflict { stream: stream.clone(), expected: *expected, found });
    }
    for (index, event) in events.iter().enumerate() {
        let sql = "INSERT INTO events (stream, sequence, at_ms, kind, body) VALUES ($1, $2, $3, $4, $5)";
        let sequence = expected + 1 + index as u64;
        let values =
            [stream.into(), sequence.into(), at.0.into(), (&event.kind).into(), (&event.body).into()];
        execute(connection, sql, &values)?;
    }
    for (position, effect) in effects.iter().enumerate() {
        let key = EffectKey {
            stream: stream.clone(),
            sequence: expected + 1 + effect.event as u64,
            position: position as u32,
        };
        let sql = "INSERT INTO outbox (stream, sequence, position, kind, body) VALUES ($1, $2, $3, $4, $5)";
        let values = [
            stream.into(),
            key.sequence.into(),
            key.position.into(),
            (&effect.kind).into(),
            (&effect.body).into(),
        ];
        execute(connection, sql, &values)?;
        committed.effects.push(StoredEffect { key, kind: effect.kind.clone(), body: effect.body.clone() });
    }
    committed.sequences.push(expected + events.len() as u64);
    Ok(())
}

fn apply_write(connection: &Connection, write: &Write) -> Result<(), StoreError> {
    let (sql, values): (&str, Vec<Value>) = match write {
        Write::AddRepository { name, at } => (
            "INSERT INTO repositories (name, created_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            vec![name.as_str().into(), at.0.into()],
        ),
        Write::SeeRef { repository, name, sha } => (
            "INSERT INTO refs_seen (repository, name, sha) VALUES ($1, $2, $3)
             ON CONFLICT (repository, name) DO UPDATE SET sha = excluded.sha",
            vec![repository.as_str().into(), name.into(), sha.as_str().into()],
        ),
        Write::ForgetRef { repository, name } => (
            "DELETE FROM refs_seen WHERE repository = $1 AND name = $2",
            vec![repository.as_str().into(), name.into()],
        ),
        Write::AddRun(row) => return add_run(connection, row),
        Write::UpdateRun { id, ended, summary } => (
            "UPDATE runs SET ended = $2, summary = $3 WHERE id = $1",
            vec![id.0.into(), (*ended).into(), summary.into()],
        ),
        Write::PutUser(user) => (
            "INSERT INTO users (name, access, groups, created_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET access = excluded.access, groups = excluded.groups",
            vec![
                user.name.as_str().into(),
                user.access.as_str().into(),
                (&serde_json::json!(user.groups).to_string()).into(),
                user.created.0.into(),
            ],
        ),
        Write::RemoveUser(name) => {
            execute(connection, "DELETE FROM tokens WHERE owner = $1", &[name.as_str().into()])?;
            ("DELETE FROM users WHERE name = $1", vec![name.as_str().into()])
        }
        Write::AddToken(token) => return add_token(connection, token),
        Write::RemoveToken { hash } => ("DELETE FROM tokens WHERE hash = $1", vec![hash.into()]),
        Write::RemoveJobTokens { run, instance } => (
            "DELETE FROM tokens WHERE run = $1 AND instance = $2",
            vec![run.0.into(), (&instance.to_string()).into()],
        ),
        Write::RemoveAllJobTokens => ("DELETE FROM tokens WHERE run IS NOT NULL", Vec::new()),
        Write::ClaimImages { repository, images } => return claim_images(connection, repository, images),
        Write::RecordPush(image) => (
            "INSERT INTO pushed_images (run, instance, attempt, image, reference, digest, at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            vec![
                image.run.0.into(),
                (&image.instance.to_string()).into(),
                image.attempt.into(),
                (&image.image).into(),
                (&image.reference).into(),
                image.digest.as_str().into(),
                image.at.0.into(),
            ],
        ),
        Write::SeePackage { repository, image, tag, digest } => (
            "INSERT INTO packages_seen (repository, image, tag, digest) VALUES ($1, $2, $3, $4)
             ON CONFLICT (repository, image, tag) DO UPDATE SET digest = excluded.digest",
            vec![repository.as_str().into(), image.into(), tag.into(), digest.as_str().into()],
        ),
        Write::Acknowledge(key) => (
            "DELETE FROM outbox WHERE stream = $1 AND sequence = $2 AND position = $3",
            vec![(&key.stream).into(), key.sequence.into(), key.position.into()],
        ),
    };
    execute(connection, sql, &values)?;
    Ok(())
}

fn claim_images(
    connection: &Connection,
    repository: &RepositoryName,
    images: &[String],
) -> Result<(), StoreError> {
    for held in push::images_of(connection, repository.as_str())? {
        if !images.contains(&held) {
            execute(connection, "DELETE FROM image_claims WHERE image = $1", &[(&held).into()])?;
        }
    }
    for image in images {
        let sql = "INSERT INTO image_claims (image, repository) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        execute(connection, sql, &[image.into(), repository.as_str().into()])?;
    }
    Ok(())
}

fn add_run(connection: &Connection, row: &RunRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO runs (id, repository, number, cause, ended, git_ref, sha, created_ms, summary)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    let values = [
        row.id.0.into(),
        row.repository.as_str().into(),
        row.number.into(),
        (&row.cause).into(),
        row.ended.into(),
        (&row.git_ref).into(),
        (&row.sha).into(),
        row.created.0.into(),
        (&row.summary).into(),
    ];
    match execute(connection, sql, &values)? {
        0 => Err(StoreError::Exists { what: format!("a run of `{}`", row.cause) }),
        _ => Ok(()),
    }
}

fn add_token(connection: &Connection, token: &Token) -> Result<(), StoreError> {
    let Token { hash, kind, owner, label, created, expires } = token;
    let (kind, job, scopes) = match kind {
        TokenKind::Personal => ("personal", None, None),
        TokenKind::Session => ("session", None, None),
        TokenKind::Scoped { scopes } => ("scoped", None, Some(serde_json::json!(scopes).to_string())),
        TokenKind::Job { run, instance, attempt } => ("job", Some((run, instance, attempt)), None),
        TokenKind::Registry { run, instance, attempt } => ("registry", Some((run, instance, attempt)), None),
    };
    let sql =
        "INSERT INTO tokens (hash, kind, owner, label, run, instance, attempt, created_ms, expires_ms, scopes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = [
        hash.into(),
        kind.into(),
        owner.as_str().into(),
        label.into(),
        job.map(|(run, _, _)| run.0).into(),
        job.map(|(_, instance, _)| Value::from(&instance.to_string())).into(),
        job.map(|(_, _, attempt)| *attempt).into(),
        created.0.into(),
        expires.map(|at| at.0).into(),
        scopes.as_ref().map(Value::from).into(),
    ];
    execute(connection, sql, &values)?;
    Ok(())
}

/// The next number of a counter, from 1. It is spent even where what it was for is not written.
pub(crate) fn next(connection: &Connection, counter: &str) -> Result<u64, StoreError> {
    let sql = "INSERT INTO counters (name, value) VALUES ($1, 1)
         ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value";
    let found = query(connection, sql, &[counter.into()], |row| Ok(row.get::<_, i64>(0)? as u64))?;
    found.first().copied().ok_or(StoreError::Corrupt { what: "counter", reason: counter.to_owned() })
}
