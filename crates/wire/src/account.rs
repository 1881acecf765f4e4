use serde::{Deserialize, Serialize};
use sluice_model::{Timestamp, UserName};

use crate::Secret;

/// An account, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: UserName,
    /// `read`, `write` or `admin`.
    pub access: String,
    /// What `approve: { by: […] }` in `sluice.yaml` names.
    pub groups: Vec<String>,
    #[serde(default)]
    pub tokens: Vec<TokenSummary>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSummary {
    /// Names the token, and is no secret.
    pub id: String,
    pub label: String,
    pub created: Timestamp,
    /// Of a token that is for the registry only: what it may do there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// Makes an account, or changes the one of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAccount {
    pub name: UserName,
    pub access: String,
    #[serde(default)]
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    pub label: String,
}

/// Makes a token that reaches the registry only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRegistryToken {
    pub label: String,
    /// What it may do: `pull,push:storefront/*`.
    pub scopes: Vec<String>,
    /// How long it is good; none: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// The only time that a token for the registry is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshRegistryToken {
    pub id: String,
    pub token: Secret,
}

/// The only time that a token is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshToken {
    pub id: String,
    pub token: Secret,
    /// The link that signs its owner in.
    pub link: Secret,
}

/// What the server says when it does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What, where, why, and what next, in a sentence or two.
    pub message: String,
}

/// `GET /version`: what is running, by the names that `sluice.yaml` looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerVersion {
    pub version: String,
    pub commit: String,
    pub description: String,
}
