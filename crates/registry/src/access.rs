use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::ImageRepository;

/// Who may do what. The server gives it; the registry keeps no accounts.
pub trait Access: Send + Sync + 'static {
    /// Asked once for every request, before anything is read or written. `credentials` is none for an anonymous
    /// request.
    ///
    /// Secrets must be compared in constant time, and an answer must not tell whether a repository exists.
    fn authorize<'a>(
        &'a self,
        credentials: Option<&'a Credentials>,
        request: &'a AccessRequest,
    ) -> BoxFuture<'a, Verdict>;
}

/// What a client showed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// As `docker login` sends them. They arrive so too when the client took the way over the token endpoint.
    Basic { username: String, password: String },
    /// A bearer token that is not one of the registry's own: one of the server's.
    Bearer { token: String },
}

/// Hides everything but the name.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, …)"),
            Self::Bearer { .. } => f.write_str("Bearer(…)"),
        }
    }
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessRequest {
    /// To know whether its credentials are good: `GET /v2/` and the token endpoint (`docker login`).
    ///
    /// Where anonymous clients may pull and only known ones push, answer `Unauthorized` to an anonymous client here:
    /// Docker sends credentials only to a registry that asks for them at this point.
    Login,
    /// To list all repositories: `GET /v2/_catalog`.
    Catalog,
    Repository {
        repository: ImageRepository,
        action: Action,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Pull,
    Push,
    Delete,
}

impl Action {
    pub const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// The spelling in the scope of a bearer challenge.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// The answer to an `AccessRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed {
        by: Pusher,
    },
    /// No credentials, or wrong ones: the client is asked for others (401).
    Unauthorized,
    /// Good credentials that do not reach this far (403). The reason is shown to the client.
    Denied {
        reason: String,
    },
}

/// Who pushed, in the server's own words (a user, or a run, job and attempt). The registry stores it with every
/// manifest and tag and never looks into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pusher(String);

impl Pusher {
    pub fn new(label: impl Into<String>) -> Self {
        Self(label.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets everybody do everything: for a registry on one's own machine, for tests and measurements.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenToAll;

impl Access for OpenToAll {
    fn authorize<'a>(
        &'a self,
        credentials: Option<&'a Credentials>,
        _request: &'a AccessRequest,
    ) -> BoxFuture<'a, Verdict> {
        let by = match credentials {
            Some(Credentials::Basic { username, .. }) => Pusher::new(username),
            Some(Credentials::Bearer { .. }) | None => Pusher::new("anonymous"),
        };
        Box::pin(std::future::ready(Verdict::Allowed { by }))
    }
}
