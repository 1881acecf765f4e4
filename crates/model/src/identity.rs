use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that does not have the form that its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{seen}` is not valid: {expected}")]
pub struct InvalidName {
    pub kind: &'static str,
    pub seen: String,
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The key of a job in its pipeline file. A job of a reusable workflow is `caller/inner`.
    JobId
);
name!(
    /// The account that acted, as the server authenticated it; never a name out of commit metadata.
    UserName
);
name!(
    /// One agent, by the name that its key was made for. The server's own is `built-in`.
    AgentId
);
name!(
    /// A key under `services:` in `sluice.yaml`.
    ServiceName
);
name!(
    /// A key under `environments:` in `sluice.yaml`.
    EnvironmentName
);

/// `owner/name`: how the server, the pages and `github.repository` name a repository.
///
/// Each half is 1 to 100 characters of `A-Z a-z 0-9 . _ -` and does not begin with a dot or a dash, so that it
/// is safe as a folder, in an address, and (in lower case) in an image name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(String);

impl RepositoryName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let half_is_valid = |half: &str| {
            (1..=100).contains(&half.len())
                && half.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
                && !half.starts_with(['.', '-'])
                && !half.ends_with(".git")
        };
        match text.split_once('/') {
            Some((owner, name)) if half_is_valid(owner) && half_is_valid(name) => Ok(Self(text.to_owned())),
            _ => Err(InvalidName {
                kind: "repository",
                seen: text.chars().take(120).collect(),
                expected: "expected owner/name, each of letters, digits, `.`, `_` and `-`",
            }),
        }
    }
}

impl TryFrom<String> for RepositoryName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> String {
        name.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

impl CommitSha {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first seven digits, as `git log --oneline` shows them in a small repository.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for CommitSha {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && matches!(text.len(), 40 | 64) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName {
            kind: "commit",
            seen: text.chars().take(80).collect(),
            expected: "expected 40 or 64 lower-case hexadecimal digits",
        })
    }
}

impl TryFrom<String> for CommitSha {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<CommitSha> for String {
    fn from(sha: CommitSha) -> String {
        sha.0
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A content digest: `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits (OCI image-spec 1.1, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }
    /// The digits after the colon.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_hex = |hex: &str| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match text.split_once(':') {
            Some(("sha256", hex)) if hex.len() == 64 && is_hex(hex) => Ok(Self(text.to_owned())),
            Some(("sha512", hex)) if hex.len() == 128 && is_hex(hex) => Ok(Self(text.to_owned())),
            _ => Err(InvalidName {
                kind: "digest",
                seen: text.chars().take(160).collect(),
                expected: "expected sha256:<64 hexadecimal digits> or sha512:<128 hexadecimal digits>",
            }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub u64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $type {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number!(
    /// One run, counted from 1 over the whole data folder, so that it is unique on a server.
    RunId
);
number!(
    /// One release, counted from 1 within its repository.
    ReleaseId
);
number!(
    /// One promotion, counted from 1 within its repository.
    PromotionId
);

/// Milliseconds since 1970-01-01T00:00:00Z. Pure code is handed it; only an edge reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    /// Milliseconds from `earlier` to `self`; negative when `self` is earlier.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One job of a run after matrix and parallelism: the job, and which of its combinations (0 when there is one).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    pub job: JobId,
    pub index: u32,
}

impl InstanceId {
    pub fn new(job: JobId, index: u32) -> Self {
        Self { job, index }
    }

    /// For people: the job's id alone for the first instance, whatever it looks like. It need not read back.
    pub fn title(&self) -> String {
        if self.index == 0 { self.job.to_string() } else { self.to_string() }
    }
}

/// `build` for the first, `build.3` for the fourth: safe in an address and in a file name once `/` is escaped. A job whose
/// own id looks like that (CircleCI calls one of a matrix `build-1.2`) has its first instance written out, `build-1.2.0`.
impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            0 if looks_numbered(self.job.as_str()) => write!(f, "{}.0", self.job),
            0 => write!(f, "{}", self.job),
            index => write!(f, "{}.{index}", self.job),
        }
    }
}

impl FromStr for InstanceId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (job, index) = match (text.strip_suffix(".0"), numbered(text)) {
            (Some(job), _) if looks_numbered(job) => (job, 0),
            (_, Some(numbered)) => numbered,
            (_, None) => (text, 0),
        };
        Ok(Self::new(JobId::new(job), index))
    }
}

/// What `x.3` is made of; no number is written with a sign or a leading zero.
fn numbered(text: &str) -> Option<(&str, u32)> {
    let (job, digits) = text.rsplit_once('.')?;
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    Some((job, digits.parse().ok().filter(|_| is_plain)?))
}

/// Whether a job's id alone would be read as an instance of another job.
fn looks_numbered(job: &str) -> bool {
    let mut job = job;
    while let Some(shorter) = job.strip_suffix(".0") {
        job = shorter;
    }
    numbered(job).is_some()
}

impl Serialize for InstanceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InstanceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.parse() {
            Ok(id) => id,
            Err(never) => match never {},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_owner_and_name() {
        assert_eq!("acme/store.front".parse::<RepositoryName>().unwrap().name(), "store.front");
        for wrong in ["", "acme", "acme/", "/x", "a/b/c", "../x", "a/..", "a/b c", "a/-b", "a/b.git"] {
            assert!(wrong.parse::<RepositoryName>().is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn a_digest_has_its_algorithms_length() {
        let hex = "a".repeat(64);
        assert_eq!(format!("sha256:{hex}").parse::<Digest>().unwrap().hex(), hex);
        for wrong in [
            "sha256:",
            "sha256:zz",
            "md5:aa",
            "",
            &format!("sha512:{hex}"),
            &format!("sha256:{}", hex.to_uppercase()),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn an_instance_reads_back() {
        for text in ["build", "build.3", "call/inner.12", "v1.0.x"] {
            assert_eq!(text.parse::<InstanceId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_job_whose_id_looks_like_an_instance_stays_itself() {
        for job in [
            "build",
            "build-1.2",
            "build-2.0",
            "x.1.0",
            "x.1.0.0",
            "x.0.0",
            "v.01",
            "v.+1",
            ".1",
            "a.99999999999",
            "",
        ] {
            for index in [0, 1, 30] {
                let id = InstanceId::new(JobId::new(job), index);
                assert_eq!(id.to_string().parse(), Ok(id.clone()), "{id}");
            }
        }
        assert_eq!(InstanceId::new(JobId::new("build-1.2"), 0).to_string(), "build-1.2.0");
    }
}
