use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::RepositoryName;

/// Which group a name means: the same key is the same group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey(String);

impl GroupKey {
    /// GitHub's `concurrency`: workflows and jobs of one repository share their groups, and the case of a name does not
    /// count (GitHub, "Workflow syntax", `concurrency`).
    pub fn of_repository(repository: &RepositoryName, name: &str) -> Self {
        Self(format!("repository/{repository}/{}", name.to_lowercase()))
    }

    /// CircleCI's `serial-group`: all repositories of an owner share it, and case counts (CircleCI, "Controlling serial
    /// execution across your organization").
    pub fn of_owner(owner: &str, name: &str) -> Self {
        Self(format!("owner/{owner}/{name}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for GroupKey {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
