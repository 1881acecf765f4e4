use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sluice_model::InvalidName;

use crate::{ImageRepository, Tag};

/// Some tags: a tag's text in which `*` stands for any characters, as in `version*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPattern(String);

impl TagPattern {
    pub fn matches(&self, tag: &Tag) -> bool {
        is_match(&self.0, tag.as_str())
    }
}

/// Some repositories: a name in which `*` stands for any characters, slashes too, as in `storefront/*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryPattern(String);

impl RepositoryPattern {
    pub fn matches(&self, repository: &ImageRepository) -> bool {
        is_match(&self.0, repository.as_str())
    }
}

fn is_match(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    // Splitting gives at least one part.
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else { return rest.is_empty() };
    let between: Vec<&str> = parts.collect();
    for part in &between[..between.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TagPattern {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_valid = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*'));
        if is_valid {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            kind: "tag pattern",
            seen: text.chars().take(200).collect(),
            expected: "expected 1 to 128 letters, digits, `_`, `.`, `-` or `*`, as in version*",
        })
    }
}

impl FromStr for RepositoryPattern {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_valid = (1..=ImageRepository::MAX_BYTES).contains(&text.len())
            && text.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'_' | b'-' | b'/' | b'*'));
        if is_valid {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            kind: "pattern of image repositories",
            seen: text.chars().take(300).collect(),
            expected: "expected a name in lower case in which `*` stands for any characters, as in storefront/*",
        })
    }
}

impl TryFrom<String> for RepositoryPattern {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<RepositoryPattern> for String {
    fn from(pattern: RepositoryPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, tag, expected) in [
            ("version*", "version1.0.0", true),
            ("version*", "version", true),
            ("version*", "my-version1", false),
            ("*", "anything", true),
            ("*-rc*", "v1-rc2", true),
            ("*-rc*", "v1", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("v1", "v1", true),
            ("v1", "v10", false),
        ] {
            let (parsed, name): (TagPattern, Tag) = (pattern.parse().unwrap(), tag.parse().unwrap());
            assert_eq!(parsed.matches(&name), expected, "{pattern} {tag}");
        }
        for wrong in ["", "a/b", "a?", "ä"] {
            assert!(wrong.parse::<TagPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_repository_pattern_crosses_slashes() {
        let matches = |pattern: &str, name: &str| {
            pattern.parse::<RepositoryPattern>().unwrap().matches(&name.parse().unwrap())
        };
        assert!(matches("storefront/*", "storefront/api/debug") && matches("*", "a/b"));
        assert!(!matches("storefront/*", "storefront") && !matches("storefront/*", "storefront2/api"));
        for wrong in ["", "A", "a b", "a:1"] {
            assert!(wrong.parse::<RepositoryPattern>().is_err(), "{wrong}");
        }
    }
}
