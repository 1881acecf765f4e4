use std::str::FromStr;

use sluice_model::InvalidName;

use crate::Tag;

/// Which tags, once set, always point to the same manifest: a tag's text in which `*` stands for any characters, as
/// in `version*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPattern(String);

impl TagPattern {
    pub fn matches(&self, tag: &Tag) -> bool {
        let mut parts = self.0.split('*');
        // Splitting gives at least one part.
        let Some(mut rest) = tag.as_str().strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let Some(last) = self.0.rsplit_once('*').map(|(_, last)| last) else { return rest.is_empty() };
        let between: Vec<&str> = parts.collect();
        for part in &between[..between.len() - 1] {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
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
}
