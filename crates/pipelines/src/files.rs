use std::collections::BTreeMap;

use sluice_plan::ActionLock;

/// Text by path, relative to the repository's root, with `/`.
pub type Files = BTreeMap<String, String>;

/// Where CircleCI looks.
pub const CIRCLECI_FILE: &str = ".circleci/config.yml";
const WORKFLOWS: &str = ".github/workflows/";
pub(crate) const ORBS: &str = ".sluice/orbs/";

/// What a file of a repository is to its pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    GithubWorkflow,
    CircleciConfig,
    /// A local copy of a registry orb, which a config may name.
    Orb,
    /// Which commits actions of other repositories are taken from.
    ActionLock,
}

/// What a path is to the pipelines; none for all others, which need not be read.
pub fn kind(path: &str) -> Option<FileKind> {
    let is_yaml = path.ends_with(".yml") || path.ends_with(".yaml");
    if path == CIRCLECI_FILE || path == ".circleci/config.yaml" {
        return Some(FileKind::CircleciConfig);
    }
    if path == ActionLock::FILE {
        return Some(FileKind::ActionLock);
    }
    match path.strip_prefix(WORKFLOWS) {
        // GitHub does not look into folders.
        Some(name) if is_yaml && !name.contains('/') => Some(FileKind::GithubWorkflow),
        _ if is_yaml && path.starts_with(ORBS) => Some(FileKind::Orb),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_services_look_at_is_read() {
        for (path, expect) in [
            (".github/workflows/build.yml", Some(FileKind::GithubWorkflow)),
            (".github/workflows/build.yaml", Some(FileKind::GithubWorkflow)),
            (".github/workflows/old/build.yml", None),
            (".github/workflows/notes.md", None),
            (".circleci/config.yml", Some(FileKind::CircleciConfig)),
            (".circleci/other.yml", None),
            (".sluice/orbs/circleci/node@5.1.yml", Some(FileKind::Orb)),
            ("sub/.circleci/config.yml", None),
            ("sluice.lock", Some(FileKind::ActionLock)),
            ("sub/sluice.lock", None),
        ] {
            assert_eq!(kind(path), expect, "{path}");
        }
    }
}
