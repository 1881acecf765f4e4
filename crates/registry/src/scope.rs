use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sluice_model::InvalidName;

use crate::{Action, ImageRepository, RepositoryPattern};

/// What a token may do with some repositories, as in `pull,push:storefront/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    actions: BTreeSet<Action>,
    repositories: RepositoryPattern,
}

impl Scope {
    pub fn allows(&self, repository: &ImageRepository, action: Action) -> bool {
        self.actions.contains(&action) && self.repositories.matches(repository)
    }
}

impl FromStr for Scope {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            kind: "scope",
            seen: text.chars().take(300).collect(),
            expected: "expected ACTIONS:REPOSITORIES with the actions pull, push and delete, as in pull,push:storefront/*",
        };
        let (actions, repositories) = text.split_once(':').ok_or_else(invalid)?;
        let action = |word: &str| Action::ALL.into_iter().find(|action| action.as_str() == word);
        let actions: Option<BTreeSet<Action>> = actions.split(',').map(action).collect();
        Ok(Self { actions: actions.ok_or_else(invalid)?, repositories: repositories.parse()? })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(|action| action.as_str()).collect();
        write!(f, "{}:{}", actions.join(","), self.repositories)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_what_it_says_and_nothing_else() {
        let scope: Scope = "push,pull:storefront/*".parse().unwrap();
        assert_eq!(scope.to_string(), "pull,push:storefront/*");
        let allows = |name: &str, action| scope.allows(&name.parse().unwrap(), action);
        assert!(allows("storefront/api", Action::Pull) && allows("storefront/api", Action::Push));
        assert!(!allows("storefront/api", Action::Delete) && !allows("storefront", Action::Pull));
        for wrong in ["", "pull", "pull:", ":a", "pull,:a", "read:a", "pull:A", "pull:a:b"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }
}
