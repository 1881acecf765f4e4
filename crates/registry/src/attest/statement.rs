use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::Digest;

/// The predicate type of SLSA provenance, version 1.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// The predicate type of a CycloneDX bill of materials (in-toto attestation framework, predicates/cyclonedx.md).
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";

/// An in-toto statement, version 1: what is said of which images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Subject>,
    pub predicate_type: String,
    pub predicate: P,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub name: String,
    /// Algorithm to hexadecimal sum.
    pub digest: BTreeMap<String, String>,
}

impl<P> Statement<P> {
    pub fn new(image: &str, digest: &Digest, predicate_type: &str, predicate: P) -> Self {
        let digest = BTreeMap::from([(digest.algorithm().to_owned(), digest.hex().to_owned())]);
        Self {
            kind: "https://in-toto.io/Statement/v1".to_owned(),
            subject: vec![Subject { name: image.to_owned(), digest }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    pub fn is_about(&self, digest: &Digest) -> bool {
        let is_it =
            |subject: &Subject| subject.digest.get(digest.algorithm()).is_some_and(|hex| hex == digest.hex());
        self.subject.iter().any(is_it)
    }
}

/// SLSA provenance, version 1: what was built from what, where, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    pub build_definition: BuildDefinition,
    pub run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    pub build_type: String,
    pub external_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub internal_parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDescriptor {
    pub uri: String,
    pub digest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    pub builder: Builder,
    pub metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub invocation_id: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
}
