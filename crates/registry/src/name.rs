use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sluice_model::{Digest, InvalidName};

/// The name of an image repository: one or more components, as in `storefront/api`.
///
/// OCI distribution-spec 1.1, "Pulling manifests": each component is lower-case letters and digits with single
/// `.`, `_`, `__` or any number of `-` between them. At most 255 bytes. So it is safe as a path: it cannot climb,
/// and no component begins with `_`, which keeps such names free for the registry's own files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRepository(String);

impl ImageRepository {
    pub const MAX_BYTES: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `storefront` and `storefront/api` under `storefront`; false for `storefront2`.
    pub fn is_under(&self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for ImageRepository {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() <= Self::MAX_BYTES && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            kind: "image repository",
            seen: text.chars().take(300).collect(),
            expected: "expected components of lower-case letters and digits, joined by `.`, `_`, `__` or `-`, \
                       separated by `/`, at most 255 bytes",
        })
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|b| is_word(**b)).count();
        if word == 0 {
            return false;
        }
        at += word;
        let joint = bytes[at..].iter().take_while(|b| !is_word(**b)).count();
        let joint_is_valid = match &bytes[at..at + joint] {
            [] => return true,
            b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        };
        if !joint_is_valid {
            return false;
        }
        at += joint;
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution-spec 1.1, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_valid = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && !text.starts_with(['.', '-']);
        if is_valid {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            kind: "tag",
            seen: text.chars().take(200).collect(),
            expected: "expected 1 to 128 letters, digits, `_`, `.` or `-`, beginning with neither `.` nor `-`",
        })
    }
}

/// What names a manifest within its repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl Reference {
    /// As it is joined to a repository: `:tag` or `@digest`.
    pub fn suffix(&self) -> String {
        match self {
            Self::Tag(tag) => format!(":{tag}"),
            Self::Digest(digest) => format!("@{digest}"),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidName;

    /// A tag has no colon, and a digest always has one.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains(':') { text.parse().map(Self::Digest) } else { text.parse().map(Self::Tag) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

macro_rules! text {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}

macro_rules! display {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(ImageRepository);
text!(Tag);
text!(Reference);
display!(ImageRepository);
display!(Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_follows_the_specs_expression() {
        for right in ["a", "0", "storefront/api", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d"] {
            assert_eq!(right.parse::<ImageRepository>().unwrap().as_str(), right);
        }
        let long = "a".repeat(256);
        for wrong in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", ".a", "a.", "-a", "a-", "_a", "a/_b", "..",
            "../a", "a/../b", "a b", "ä", "a_-b", "a\0", &long,
        ] {
            assert!(wrong.parse::<ImageRepository>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_reference_is_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(matches!(digest.parse(), Ok(Reference::Digest(_))));
        assert!(matches!("v1.0_x-Y".parse(), Ok(Reference::Tag(_))));
        let long = "a".repeat(129);
        for wrong in ["", ".a", "-a", "a/b", "a:b", "sha256:aa", "ä", "a b", &long] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_component() {
        let name: ImageRepository = "storefront/api".parse().unwrap();
        assert!(
            name.is_under("storefront") && name.is_under("storefront/") && name.is_under("storefront/api")
        );
        assert!(!name.is_under("store") && !name.is_under("storefront/api/x"));
    }
}
