use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Credentials, ImageRepository, image::Endpoint};

/// How a mirror is set up: repositories `NAME/…` come from `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorOptions {
    /// One component.
    pub name: ImageRepository,
    pub upstream: Upstream,
    /// Where a tag points to is asked again upstream when it was last asked longer ago.
    pub tag_age: Duration,
    /// What no client has asked for in so many days is removed.
    pub unused_days: u32,
}

impl MirrorOptions {
    pub const TAG_AGE: Duration = Duration::from_secs(5 * 60);
    pub const UNUSED_DAYS: u32 = 30;

    /// The credentials that its upstream registry gets, when it asks for some.
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.upstream.endpoint = self.upstream.endpoint.with_credentials(credentials);
        self
    }
}

/// The registry that a mirror gets its content from, and under which of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub(super) endpoint: Endpoint,
    prefix: Option<ImageRepository>,
}

impl Upstream {
    /// Host and port.
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The upstream name of what is `rest` under the mirror's name; none where it would be too long.
    pub(super) fn repository(&self, rest: &str) -> Option<ImageRepository> {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{rest}").parse().ok(),
            None => rest.parse().ok(),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host())?;
        self.prefix.iter().try_for_each(|prefix| write!(f, "/{prefix}"))
    }
}

/// A mirror that is not well formed. What was seen is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; expected NAME=URL, as in hub=https://registry-1.docker.io or base=https://ghcr.io/acme")]
pub struct InvalidMirror {
    problem: &'static str,
}

impl FromStr for MirrorOptions {
    type Err = InvalidMirror;

    /// Reads `NAME=URL`. The URL's scheme decides about encryption; credentials have no place in it.
    fn from_str(text: &str) -> Result<Self, InvalidMirror> {
        let invalid = |problem| InvalidMirror { problem };
        let (name, url) = text.split_once('=').ok_or(invalid("a mirror has no `=`"))?;
        let name: ImageRepository =
            name.parse().map_err(|_| invalid("a mirror's name is one component of an image's name"))?;
        if name.as_str().contains('/') {
            return Err(invalid("a mirror's name has no `/`"));
        }
        let (is_plain, rest) = match url.split_once("://") {
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            _ => return Err(invalid("a mirror's URL begins with https:// or http://")),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(invalid(
                "a mirror's credentials stand in the file of --mirror-credentials, not in its URL",
            ));
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(invalid("a mirror's URL names no host"));
        }
        let path = path.trim_end_matches('/');
        let prefix = match path {
            "" => None,
            path => Some(path.parse().map_err(|_| invalid("the path of a mirror's URL is no image's name"))?),
        };
        let endpoint = if is_plain { Endpoint::plain(host) } else { Endpoint::encrypted(host) };
        let upstream = Upstream { endpoint, prefix };
        Ok(Self { name, upstream, tag_age: Self::TAG_AGE, unused_days: Self::UNUSED_DAYS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_a_name_and_an_address() {
        let hub: MirrorOptions = "hub=https://registry-1.docker.io".parse().unwrap();
        assert_eq!((hub.name.as_str(), hub.upstream.host()), ("hub", "registry-1.docker.io"));
        assert_eq!(hub.upstream.endpoint.url("/v2/"), "https://registry-1.docker.io/v2/");
        assert_eq!(hub.upstream.repository("library/alpine").unwrap().as_str(), "library/alpine");
        let base: MirrorOptions = "base=http://[::1]:5000/acme/base/".parse().unwrap();
        assert_eq!(base.upstream.to_string(), "[::1]:5000/acme/base");
        assert_eq!(base.upstream.endpoint.url("/v2/"), "http://[::1]:5000/v2/");
        assert_eq!(base.upstream.repository("os").unwrap().as_str(), "acme/base/os");
        assert_eq!(base.upstream.repository(&"a".repeat(250)), None);
        let here: MirrorOptions = "here=https://127.0.0.1:5000".parse().unwrap();
        assert_eq!(here.upstream.endpoint.url(""), "https://127.0.0.1:5000");
    }

    #[test]
    fn what_is_no_mirror_is_refused_without_repeating_a_password() {
        for wrong in [
            "",
            "hub",
            "hub=",
            "=https://a",
            "a/b=https://c",
            "A=https://c",
            "hub=ftp://c",
            "hub=https://",
            "hub=https:///x",
            "hub=https://c/A",
            "hub=https://c?x",
            "hub=https://c/a?b",
            "hub=https://me:pw@c",
        ] {
            let refusal = wrong.parse::<MirrorOptions>().unwrap_err().to_string();
            assert!(refusal.contains("expected NAME=URL") && !refusal.contains("pw"), "{wrong}: {refusal}");
        }
    }
}
