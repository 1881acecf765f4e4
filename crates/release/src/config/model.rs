use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, ServiceName};

/// A whole `sluice.yaml`, checked, with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// What pages call the product; none: the repository's own name.
    pub name: Option<String>,
    pub release: ReleaseRule,
    /// In the file's order.
    pub services: Vec<Service>,
    /// In the order that a release takes.
    pub environments: Vec<Environment>,
    pub targets: BTreeMap<String, Target>,
    /// In the file's order: the first that matches a tag decides about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retention: Vec<RetentionRule>,
    /// Images whose push starts workflows that are `on: registry_package`. `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follow: Vec<String>,
}

/// How long tags of this repository's images are kept. A tag goes when it is neither among the newest nor young.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRule {
    /// `*` stands for any characters.
    pub tags: String,
    /// So many of the newest stay.
    pub keep: Option<u32>,
    /// Those set within so many days stay.
    pub days: Option<u32>,
}

/// Which green runs become releases. Patterns as GitHub's `branches:` and `tags:` filters: `*` within a `/`, `**` across.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRule {
    pub branches: Vec<String>,
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: ServiceName,
    /// The image's repository in the registry: `storefront/api`.
    pub image: String,
    /// Where the service listens; it gets the same number as `PORT`.
    pub port: u16,
    /// The path that answers 2xx when the service is healthy.
    pub health: Option<String>,
    /// The path whose JSON names this release's `version` and `commit`.
    pub version: Option<String>,
    pub env: Vec<Variable>,
    /// Services that have to be healthy before this one starts.
    pub depends_on: Vec<ServiceName>,
}

/// A variable that a service declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    pub kind: VariableKind,
    pub default: Option<String>,
    /// The only values that are taken; empty: any of the kind.
    pub one_of: Vec<String>,
    /// Its value comes from the environment's secrets, and is never shown.
    pub secret: bool,
    /// There has to be a value. Where there is a default, there always is.
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    String,
    Int,
    Bool,
    /// `schemes` empty: any.
    Url {
        schemes: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    pub name: EnvironmentName,
    /// None: a release enters by itself.
    pub approve: Option<ApprovalRule>,
    /// How long a release has to have been live in the environment before this one, in milliseconds.
    pub soak_ms: i64,
    pub freeze: Vec<Freeze>,
    /// A key of `targets`.
    pub target: String,
    /// Instances of each service.
    pub replicas: u32,
    /// Values for what the services declare.
    pub env: BTreeMap<String, String>,
    /// The approval job of a pipeline that is the same gate as this environment's.
    pub gate: String,
    /// How long after the switch health and version are watched before the release counts as live, in milliseconds.
    pub verify_for_ms: i64,
    /// Earlier instances that are kept for a rollback.
    pub keep: u32,
}

/// Who has to say yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// Groups, and persons as `@name`. Empty: anyone who may write to the repository.
    pub by: Vec<String>,
    /// How many different people.
    pub count: u32,
    /// Whoever caused the release may not approve it.
    pub not_author: bool,
}

/// A stretch of every week in which nothing enters the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    pub from: WeekTime,
    pub to: WeekTime,
    /// An IANA time zone: `Europe/London`.
    pub zone: String,
}

/// `Fri 16:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekTime {
    /// 0 is Monday.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
}

/// Where an environment's instances run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// Docker where an engine answers, else processes of this machine.
    Auto,
    Docker,
    Host,
}

impl Config {
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }
    /// The service that is made from the image repository `image`.
    pub fn service_of_image(&self, image: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.image == image)
    }
    /// The environment whose gate a pipeline's approval job of this name is.
    pub fn environment_of_gate(&self, job: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.gate == job)
    }
    /// The environment that comes after; none after the last.
    pub fn next_environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        let position = self.environments.iter().position(|environment| environment.name == *name)?;
        self.environments.get(position + 1)
    }
    /// The environment that comes before; none before the first.
    pub fn previous_environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        let position = self.environments.iter().position(|environment| environment.name == *name)?;
        self.environments.get(position.checked_sub(1)?)
    }
    /// Whether a green run of this ref becomes a release.
    pub fn is_release_ref(&self, git_ref: &str) -> bool {
        self.release.takes(git_ref)
    }
}

impl ReleaseRule {
    pub(crate) fn takes(&self, git_ref: &str) -> bool {
        if let Some(branch) = git_ref.strip_prefix("refs/heads/") {
            return self.branches.iter().any(|pattern| glob(pattern, branch));
        }
        match git_ref.strip_prefix("refs/tags/") {
            Some(tag) => self.tags.iter().any(|pattern| glob(pattern, tag)),
            None => false,
        }
    }
}

/// `*` stands for any text without `/`, `**` for any text, `?` for one character that is no `/`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Row by row, so that no pattern takes more than its length times the text's.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut position = 0;
    while position < pattern.len() {
        let mut next = vec![false; text.len() + 1];
        let (is_star, is_deep) = (pattern[position] == '*', pattern.get(position + 1) == Some(&'*'));
        for at in 0..=text.len() {
            next[at] = if is_star {
                reached[at] || (at > 0 && next[at - 1] && (is_deep || text[at - 1] != '/'))
            } else {
                at > 0
                    && reached[at - 1]
                    && match pattern[position] {
                        '?' => text[at - 1] != '/',
                        wanted => text[at - 1] == wanted,
                    }
            };
        }
        reached = next;
        position += if is_star && is_deep { 2 } else { 1 };
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stays_within_a_slash() {
        for (pattern, text, expected) in [
            ("master", "master", true),
            ("master", "master2", false),
            ("version*", "version1.2.3", true),
            ("version*", "version/1", false),
            ("releases/**", "releases/a/b", true),
            ("*", "", true),
            ("r?c", "rac", true),
            ("r?c", "r/c", false),
            ("**", "a/b", true),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
