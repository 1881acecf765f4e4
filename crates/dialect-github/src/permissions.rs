use std::fmt;

use crate::token::{Content, Token};

/// How far a token may go in one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None,
    Read,
    Write,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Scopes in the order in which GitHub compares them.
const COMPARED: [&str; 13] = [
    "actions",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "issues",
    "packages",
    "pages",
    "pull-requests",
    "repository-projects",
    "statuses",
    "security-events",
    "id-token",
];

/// Scopes that were added later, and that `read-all` and `write-all` do not list in GitHub's messages.
const ADDED: [&str; 5] =
    ["artifact-metadata", "attestations", "copilot-requests", "models", "vulnerability-alerts"];

/// `permissions:` as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    ReadAll,
    WriteAll,
    /// Scopes that are not named have none.
    Scopes(Vec<(String, Level)>),
}

/// What a repository grants where no file says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultGrants {
    /// `contents` and `packages` may be read.
    LimitedRead,
    Write,
}

impl Grants {
    pub(crate) fn of(token: &Token) -> Option<Self> {
        match &token.content {
            Content::Text(text) if text == "read-all" => Some(Self::ReadAll),
            Content::Text(text) if text == "write-all" => Some(Self::WriteAll),
            Content::Mapping(entries) => {
                let scope = |(key, value): &(Token, Token)| {
                    let level = match value.as_text()? {
                        "read" => Level::Read,
                        "write" => Level::Write,
                        _ => Level::None,
                    };
                    Some((key.as_text()?.to_owned(), level))
                };
                Some(Self::Scopes(entries.iter().filter_map(scope).collect()))
            }
            _ => None,
        }
    }

    pub(crate) fn of_default(default: DefaultGrants) -> Self {
        match default {
            DefaultGrants::Write => Self::WriteAll,
            DefaultGrants::LimitedRead => {
                Self::Scopes(vec![("contents".to_owned(), Level::Read), ("packages".to_owned(), Level::Read)])
            }
        }
    }

    pub fn level(&self, scope: &str) -> Level {
        match self {
            Self::ReadAll => Level::Read,
            Self::WriteAll => Level::Write,
            Self::Scopes(scopes) => {
                scopes.iter().find(|(name, _)| name == scope).map_or(Level::None, |(_, level)| *level)
            }
        }
    }

    /// Scopes that are asked for beyond `allowed`, as GitHub lists them: what is asked, and what is allowed.
    pub(crate) fn beyond(&self, allowed: &Self) -> Option<(String, String)> {
        let named = |scope: &&str| matches!(self, Self::Scopes(scopes) if scopes.iter().any(|(name, _)| name == *scope));
        let beyond: Vec<&str> = COMPARED
            .into_iter()
            .chain(ADDED.into_iter().filter(named))
            .filter(|scope| self.level(scope) > allowed.level(scope))
            .collect();
        if beyond.is_empty() {
            return None;
        }
        let list = |grants: &Self| {
            let each = beyond.iter().map(|scope| format!("{scope}: {}", grants.level(scope).as_str()));
            each.collect::<Vec<_>>().join(", ")
        };
        Some((list(self), list(allowed)))
    }

    /// The scopes with more than none, by name.
    pub fn granted(&self) -> Vec<(&str, Level)> {
        let mut granted: Vec<(&str, Level)> = match self {
            Self::ReadAll | Self::WriteAll => {
                COMPARED.iter().map(|scope| (*scope, self.level(scope))).collect()
            }
            Self::Scopes(scopes) => scopes.iter().map(|(name, level)| (name.as_str(), *level)).collect(),
        };
        granted.retain(|(_, level)| *level != Level::None);
        granted.sort_unstable();
        granted
    }

    pub(crate) fn to_plan(&self) -> sluice_plan::Permissions {
        match self {
            Self::ReadAll => sluice_plan::Permissions::ReadAll,
            Self::WriteAll => sluice_plan::Permissions::WriteAll,
            Self::Scopes(scopes) => sluice_plan::Permissions::Scopes(
                scopes.iter().map(|(name, level)| (name.clone(), level.to_string())).collect(),
            ),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
