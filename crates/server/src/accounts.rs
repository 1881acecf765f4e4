use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_model::{InstanceId, RunId, Timestamp, UserName};
use sluice_registry::Scope;
use sluice_release::Approver;
use sluice_store::{Access, Store, StoreError, Token, TokenKind, User, Write, hash_token};
use sluice_wire::Secret;

use crate::clock::now;
use crate::log::LogKey;

/// Who acts, as a token proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) name: UserName,
    pub(crate) access: Access,
    pub(crate) groups: Vec<String>,
    /// Set where a job's step acts, on behalf of whoever caused the run.
    pub(crate) job: Option<LogKey>,
}

impl Actor {
    pub(crate) fn can_write(&self) -> bool {
        self.access >= Access::Write
    }
    pub(crate) fn is_admin(&self) -> bool {
        self.access == Access::Admin && self.job.is_none()
    }
    pub(crate) fn as_approver(&self) -> Approver {
        Approver { name: self.name.clone(), groups: self.groups.clone(), can_write: self.can_write() }
    }
}

/// What a client shows to prove who it is. `Debug` is not there, so that it is never logged.
pub(crate) enum Shown {
    Bearer(String),
    /// The name must be the token's owner, or `token`.
    Basic {
        username: String,
        password: String,
    },
    Cookie(String),
}

/// Accounts and their tokens.
#[derive(Clone)]
pub(crate) struct Accounts {
    store: Store,
}

/// How long a browser stays signed in.
const SESSION_MS: i64 = 30 * 24 * 3600 * 1000;

/// A job's token ends with the job; this is for a job whose end nobody saw.
const JOB_MS: i64 = 24 * 3600 * 1000;

impl Accounts {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Who the bearer is; none where the token is unknown, has expired, or is not for this use.
    pub(crate) async fn authenticate(&self, shown: &Shown) -> Result<Option<Actor>, StoreError> {
        let text = match shown {
            Shown::Bearer(token) | Shown::Cookie(token) => token,
            Shown::Basic { password, .. } => password,
        };
        let Some(token) = self.valid(text).await? else { return Ok(None) };
        let is_for_this = match (shown, &token.kind) {
            (Shown::Cookie(_), TokenKind::Session) => true,
            (Shown::Bearer(_), TokenKind::Personal | TokenKind::Job { .. }) => true,
            (Shown::Basic { username, .. }, TokenKind::Personal | TokenKind::Job { .. }) => {
                username == token.owner.as_str() || username == "token"
            }
            _ => false,
        };
        if !is_for_this {
            return Ok(None);
        }
        let Some(user) = self.store.user(&token.owner).await? else { return Ok(None) };
        Ok(Some(match token.kind {
            // What a step does is never taken for its person's own deed: it has no group, and cannot approve.
            TokenKind::Job { run, instance, attempt } => Actor {
                name: user.name,
                access: user.access.min(Access::Write),
                groups: Vec::new(),
                job: Some(LogKey { run, instance, attempt }),
            },
            TokenKind::Personal
            | TokenKind::Session
            | TokenKind::Scoped { .. }
            | TokenKind::Registry { .. } => {
                Actor { name: user.name, access: user.access, groups: user.groups, job: None }
            }
        }))
    }

    /// The token of a job for the registry, and no other.
    pub(crate) async fn registry_job(
        &self,
        password: &str,
    ) -> Result<Option<(LogKey, UserName)>, StoreError> {
        let Some(token) = self.valid(password).await? else { return Ok(None) };
        Ok(match token.kind {
            TokenKind::Registry { run, instance, attempt } => {
                Some((LogKey { run, instance, attempt }, token.owner))
            }
            _ => None,
        })
    }

    async fn valid(&self, text: &str) -> Result<Option<Token>, StoreError> {
        // The look-up is by a hash of 256 random bits: its time tells nothing about any token.
        let token = self.store.token(&hash_token(text)).await?;
        Ok(token.filter(|token| token.expires.is_none_or(|at| at > now())))
    }

    /// A personal token out of the sign-in form becomes a session; none where it is not one.
    pub(crate) async fn sign_in(&self, personal: &str) -> Result<Option<(Secret, UserName)>, StoreError> {
        let Some(token) = self.valid(personal).await? else { return Ok(None) };
        if token.kind != TokenKind::Personal {
            return Ok(None);
        }
        let expires = Some(now().plus_ms(SESSION_MS));
        let (secret, _) = self.mint(TokenKind::Session, &token.owner, "browser", expires).await?;
        Ok(Some((secret, token.owner)))
    }

    pub(crate) async fn sign_out(&self, session: &str) -> Result<(), StoreError> {
        self.store.write(Write::RemoveToken { hash: hash_token(session) }).await
    }

    /// A new personal token, and the id that names it.
    pub(crate) async fn new_token(
        &self,
        owner: &UserName,
        label: &str,
    ) -> Result<(Secret, String), StoreError> {
        self.mint(TokenKind::Personal, owner, label, None).await
    }

    /// A new token for the registry only, and the id that names it.
    pub(crate) async fn new_scoped_token(
        &self,
        owner: &UserName,
        label: &str,
        scopes: &[Scope],
        expires: Option<Timestamp>,
    ) -> Result<(Secret, String), StoreError> {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        self.mint(TokenKind::Scoped { scopes }, owner, label, expires).await
    }

    /// Whose token for the registry it is, and what for; none where it is another kind.
    pub(crate) async fn scoped(&self, password: &str) -> Result<Option<(User, Vec<Scope>)>, StoreError> {
        let Some(Token { kind: TokenKind::Scoped { scopes }, owner, .. }) = self.valid(password).await?
        else {
            return Ok(None);
        };
        let Some(user) = self.store.user(&owner).await? else { return Ok(None) };
        // Each was checked when the token was made; one that is none allows nothing.
        Ok(Some((user, scopes.iter().filter_map(|scope| scope.parse().ok()).collect())))
    }

    /// A job's tokens, for the server and for the registry.
    pub(crate) async fn job_tokens(
        &self,
        key: &LogKey,
        owner: &UserName,
    ) -> Result<(Secret, Secret), StoreError> {
        let (run, instance, attempt): (RunId, InstanceId, u32) = (key.run, key.instance.clone(), key.attempt);
        let expires = Some(now().plus_ms(JOB_MS));
        let registry = TokenKind::Registry { run, instance: instance.clone(), attempt };
        let (server, _) = self.mint(TokenKind::Job { run, instance, attempt }, owner, "job", expires).await?;
        let (registry, _) = self.mint(registry, owner, "job", expires).await?;
        Ok((server, registry))
    }

    pub(crate) async fn end_job(&self, key: &LogKey) -> Result<(), StoreError> {
        self.store.write(Write::RemoveJobTokens { run: key.run, instance: key.instance.clone() }).await
    }

    async fn mint(
        &self,
        kind: TokenKind,
        owner: &UserName,
        label: &str,
        expires: Option<Timestamp>,
    ) -> Result<(Secret, String), StoreError> {
        let secret = format!("slc_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let hash = hash_token(&secret);
        let (owner, label) = (owner.clone(), label.chars().take(100).collect());
        let token = Token { hash: hash.clone(), kind, owner, label, created: now(), expires };
        self.store.write(Write::AddToken(token)).await?;
        Ok((Secret::new(secret), token_id(&hash).to_owned()))
    }

    /// At the first start: the administrator, with a token in a file that only this account reads.
    ///
    /// Gives the token when it was made now.
    pub(crate) async fn first_start(&self, data: &Path) -> anyhow::Result<Option<Secret>> {
        if !self.store.users().await?.is_empty() {
            return Ok(None);
        }
        let name = UserName::new(ADMIN);
        let user = User { name: name.clone(), access: Access::Admin, groups: Vec::new(), created: now() };
        let (secret, _) = self.new_token(&name, "first start").await?;
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(data.join(TOKEN_FILE))?;
        writeln!(file, "{}", secret.expose())?;
        file.sync_all()?;
        // Last, so that a kill before it makes the next start the first one again.
        self.store.write(Write::PutUser(user)).await?;
        Ok(Some(secret))
    }
}

/// The account of the first start.
pub(crate) const ADMIN: &str = "admin";

/// The file in the data folder with the administrator's token.
pub(crate) const TOKEN_FILE: &str = "admin-token";

/// What names a token in lists: enough of its hash to be unique, and no secret.
pub(crate) fn token_id(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

/// A name that an account may have: as an address, a file and a git URL can hold it.
pub(crate) fn is_account_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
