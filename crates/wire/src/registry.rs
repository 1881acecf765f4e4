use serde::{Deserialize, Serialize};

/// `POST /api/v1/registry/gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CollectGarbage {
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What went from the registry, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GarbageReport {
    pub dry_run: bool,
    /// Those of which something goes, in lexical order.
    pub repositories: Vec<RepositoryGarbage>,
    /// Blobs that no repository holds any more, and their bytes on the disk.
    pub blobs: u64,
    pub freed_bytes: u64,
    /// Uploads that nobody went on with. Not counted where nothing is removed.
    pub uploads: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryGarbage {
    /// `storefront/api`
    pub repository: String,
    pub gone: Vec<GoneItem>,
    /// Of what goes; another repository may hold the same bytes.
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneItem {
    pub kind: GoneKind,
    /// A tag or a digest.
    pub name: String,
    pub size_bytes: u64,
    /// A clause: `no tag, index or release refers to it`.
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneKind {
    Tag,
    Manifest,
    Blob,
}

impl GoneKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        }
    }
}

/// What a scrub of the registry found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScrubReport {
    pub blobs: u64,
    pub size_bytes: u64,
    pub rotten: Vec<RottenBlob>,
    /// Bytes that a repository says it has and that are not there.
    pub missing: Vec<RottenBlob>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RottenBlob {
    pub digest: String,
    /// What is wrong, as a clause.
    pub problem: String,
    /// The images that need it: `storefront/api:v1`, or `storefront/api@sha256:…` where no tag points to one.
    pub images: Vec<String>,
}

/// The public keys that the server's statements about images are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SigningKeys {
    /// PEM texts: the one that signs now, then those before it, the newest first.
    pub pem: Vec<String>,
}
