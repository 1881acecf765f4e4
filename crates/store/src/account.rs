use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sluice_model::{InstanceId, RunId, Timestamp, UserName};

use crate::StoreError;
use crate::value::query;

/// What an account may do everywhere on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
    Admin,
}

impl Access {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Access {
    type Err = StoreError;
    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            other => Err(StoreError::Corrupt { what: "access", reason: format!("`{other}`") }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: UserName,
    pub access: Access,
    /// What `approve: { by: […] }` of `sluice.yaml` names.
    pub groups: Vec<String>,
    pub created: Timestamp,
}

/// What a token lets its bearer be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A person, from a command line, a git client or a script.
    Personal,
    /// A person in a browser; made out of a personal token.
    Session,
    /// A person's programs, towards the registry only, and there for this: `pull,push:storefront/*`.
    Scoped { scopes: Vec<String> },
    /// One job's steps, towards the API; ends with the job.
    Job { run: RunId, instance: InstanceId, attempt: u32 },
    /// One job's steps, towards the registry; ends with the job.
    Registry { run: RunId, instance: InstanceId, attempt: u32 },
}

/// A token without the token: only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub hash: String,
    pub kind: TokenKind,
    /// The account that acts; of a job's token, the one whose push began the run.
    pub owner: UserName,
    pub label: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
}

/// What is kept of a token. A token has 256 random bits, so that a plain hash is enough: there is nothing to guess.
pub fn hash_token(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn user(connection: &Connection, name: &str) -> Result<Option<User>, StoreError> {
    let sql = "SELECT name, access, groups, created_ms FROM users WHERE name = $1";
    Ok(query(connection, sql, &[name.into()], read_user)?.pop())
}

pub(crate) fn users(connection: &Connection) -> Result<Vec<User>, StoreError> {
    query(connection, "SELECT name, access, groups, created_ms FROM users ORDER BY name", &[], read_user)
}

fn read_user(row: &Row<'_>) -> Result<User, StoreError> {
    let groups: String = row.get(2)?;
    Ok(User {
        name: UserName::new(row.get::<_, String>(0)?),
        access: row.get::<_, String>(1)?.parse()?,
        groups: serde_json::from_str(&groups)
            .map_err(|error| StoreError::Corrupt { what: "group list", reason: error.to_string() })?,
        created: Timestamp(row.get(3)?),
    })
}

const TOKEN: &str =
    "SELECT hash, kind, owner, label, run, instance, attempt, created_ms, expires_ms, scopes FROM tokens";

pub(crate) fn token(connection: &Connection, hash: &str) -> Result<Option<Token>, StoreError> {
    Ok(query(connection, &format!("{TOKEN} WHERE hash = $1"), &[hash.into()], read_token)?.pop())
}

pub(crate) fn tokens(connection: &Connection, owner: &str) -> Result<Vec<Token>, StoreError> {
    let sql =
        format!("{TOKEN} WHERE owner = $1 AND kind IN ('personal', 'scoped') ORDER BY created_ms, hash");
    query(connection, &sql, &[owner.into()], read_token)
}

fn read_scopes(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Corrupt { what: "scopes of a token", reason: error.to_string() })
}

fn read_token(row: &Row<'_>) -> Result<Token, StoreError> {
    let job = || -> Result<(RunId, InstanceId, u32), StoreError> {
        let Ok(instance) = row.get::<_, String>(5)?.parse();
        Ok((RunId(row.get::<_, i64>(4)? as u64), instance, row.get(6)?))
    };
    let kind = match row.get::<_, String>(1)?.as_str() {
        "personal" => TokenKind::Personal,
        "session" => TokenKind::Session,
        "scoped" => TokenKind::Scoped { scopes: read_scopes(&row.get::<_, String>(9)?)? },
        "job" => job().map(|(run, instance, attempt)| TokenKind::Job { run, instance, attempt })?,
        "registry" => job().map(|(run, instance, attempt)| TokenKind::Registry { run, instance, attempt })?,
        other => return Err(StoreError::Corrupt { what: "token kind", reason: format!("`{other}`") }),
    };
    Ok(Token {
        hash: row.get(0)?,
        kind,
        owner: UserName::new(row.get::<_, String>(2)?),
        label: row.get(3)?,
        created: Timestamp(row.get(7)?),
        expires: row.get::<_, Option<i64>>(8)?.map(Timestamp),
    })
}
