use std::collections::BTreeMap;

use sluice_model::{Digest, Timestamp};

use crate::Tag;

/// What one repository holds: all that a decision about its garbage reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub tags: BTreeMap<Tag, TagEntry>,
    pub manifests: BTreeMap<Digest, ManifestEntry>,
    pub blobs: BTreeMap<Digest, BlobEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagEntry {
    pub digest: Digest,
    /// When it was last set.
    pub set: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    pub size_bytes: u64,
    pub subject: Option<Digest>,
    /// The blobs of an image, the manifests of an index.
    pub names: Vec<Digest>,
    /// When it was last pushed; in a mirror, when it was last fetched or asked for.
    pub pushed: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    pub size_bytes: u64,
    /// When the repository got it, or a client last asked whether it is there.
    pub wanted: Timestamp,
}
