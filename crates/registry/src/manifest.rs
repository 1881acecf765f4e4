use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::Digest;

use crate::media_type;

/// Names content by its digest (OCI image-spec 1.1, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes of the content.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "null_or_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }
}

/// What an image runs on, in Go's words: `linux`, `amd64`, and for ARM a variant such as `v8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The machine that this program was built for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { os: std::env::consts::OS.to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// True where an image for `self` runs on `machine`; a variant counts only where both name one.
    pub fn runs_on(&self, machine: &Self) -> bool {
        let variants_agree = match (&self.variant, &machine.variant) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        self.os == machine.os && self.architecture == machine.architecture && variants_agree
    }
}

/// `linux/amd64`, `linux/arm64/v8`.
impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl std::str::FromStr for Platform {
    type Err = sluice_model::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let owned = |part: &str| part.to_owned();
        match parts[..] {
            [os, architecture] if !os.is_empty() && !architecture.is_empty() => {
                Ok(Self { os: owned(os), architecture: owned(architecture), variant: None })
            }
            [os, architecture, variant]
                if !os.is_empty() && !architecture.is_empty() && !variant.is_empty() =>
            {
                Ok(Self { os: owned(os), architecture: owned(architecture), variant: Some(owned(variant)) })
            }
            _ => Err(sluice_model::InvalidName {
                kind: "platform",
                seen: text.chars().take(80).collect(),
                expected: "expected os/architecture or os/architecture/variant, as in linux/amd64",
            }),
        }
    }
}

/// An image manifest or an artifact (OCI image-spec 1.1, manifest.md), also in Docker's spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "null_or_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, one a platform (OCI image-spec 1.1, image-index.md), also in Docker's spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "null_or_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Either kind, parsed. The bytes themselves are kept beside it, for they have the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    Image(ImageManifest),
    Index(ImageIndex),
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error(
        "the media type `{0}` is not supported: expected an OCI image manifest or index, or Docker's schema 2 \
         manifest or list"
    )]
    UnknownMediaType(String),
    #[error("the manifest says it is `{inside}`, but was sent as `{outside}`")]
    MediaTypesDiffer { inside: String, outside: String },
    #[error("the manifest is not valid: {0}")]
    Malformed(String),
}

impl Manifest {
    /// A registry must take at least 4 MiB (OCI distribution-spec 1.1, "Pushing Manifests"); no more is taken here.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Reads a manifest, and gives its media type with it. `sent_as` is the Content-Type, where there is one.
    pub fn parse(bytes: &[u8], sent_as: Option<&str>) -> Result<(Self, String), ManifestError> {
        let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
        let inside = serde_json::from_slice::<Kind>(bytes).map_err(malformed)?;
        let media_type = inside.media_type(sent_as)?;
        let manifest = if media_type::is_index(&media_type) {
            Self::Index(serde_json::from_slice(bytes).map_err(malformed)?)
        } else {
            Self::Image(serde_json::from_slice(bytes).map_err(malformed)?)
        };
        match manifest.schema_version() {
            2 => Ok((manifest, media_type)),
            other => Err(ManifestError::Malformed(format!("schemaVersion is {other}, expected 2"))),
        }
    }

    fn schema_version(&self) -> u32 {
        match self {
            Self::Image(image) => image.schema_version,
            Self::Index(index) => index.schema_version,
        }
    }

    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    pub fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Image(image) => &image.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// What the referrers API shows: an image without its own type has its configuration's (OCI distribution-spec
    /// 1.1, "Listing Referrers").
    pub fn artifact_type(&self) -> Option<&str> {
        let own = match self {
            Self::Image(image) => image.artifact_type.as_deref(),
            Self::Index(index) => index.artifact_type.as_deref(),
        };
        let own = own.filter(|text| !text.is_empty());
        match self {
            Self::Image(image) => own.or(Some(&image.config.media_type)),
            Self::Index(_) => own,
        }
    }

    /// The configuration and the layers; nothing for an index.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers) = match self {
            Self::Image(image) => (Some(&image.config), &image.layers[..]),
            Self::Index(_) => (None, &[][..]),
        };
        config.into_iter().chain(layers)
    }

    /// The manifests that an index names; nothing for an image.
    pub fn manifests(&self) -> &[Descriptor] {
        match self {
            Self::Image(_) => &[],
            Self::Index(index) => &index.manifests,
        }
    }
}

/// As much of a manifest as tells which kind it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    config: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Kind {
    fn media_type(self, sent_as: Option<&str>) -> Result<String, ManifestError> {
        // Parameters on the Content-Type are to be ignored.
        let outside = sent_as.and_then(|text| text.split(';').next()).map(str::trim);
        let outside = outside.filter(|text| !text.is_empty()).map(str::to_owned);
        let media_type = match (self.media_type, outside) {
            (Some(inside), Some(outside)) if inside != outside => {
                return Err(ManifestError::MediaTypesDiffer { inside, outside });
            }
            (Some(inside), _) => inside,
            (None, Some(outside)) => outside,
            (None, None) if self.manifests.is_some() && self.config.is_none() => {
                media_type::OCI_INDEX.to_owned()
            }
            (None, None) => media_type::OCI_MANIFEST.to_owned(),
        };
        let is_index = media_type::is_index(&media_type);
        if !media_type::MANIFESTS.contains(&media_type.as_str()) {
            return Err(ManifestError::UnknownMediaType(media_type));
        }
        // One text must not read as two things: CVE-2021-41190.
        match (is_index, self.config.is_some(), self.manifests.is_some()) {
            (true, true, _) => Err(ManifestError::Malformed("an index has no `config`".to_owned())),
            (false, _, true) => {
                Err(ManifestError::Malformed("an image manifest has no `manifests`".to_owned()))
            }
            _ => Ok(media_type),
        }
    }
}

/// Go writes an empty list or map as `null`.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn null_or_empty(map: &BTreeMap<String, String>) -> bool {
    map.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(extra: &str) -> String {
        let digest = format!("sha256:{}", "a".repeat(64));
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x/config","digest":"{digest}","size":2}},"layers":null{extra}}}"#
        )
    }

    #[test]
    fn the_media_type_is_inside_or_outside_but_the_same() {
        let docker = format!(r#","mediaType":"{}""#, media_type::DOCKER_MANIFEST);
        for (text, sent_as, expected) in [
            (image(""), None, media_type::OCI_MANIFEST),
            (
                image(""),
                Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
                media_type::OCI_MANIFEST,
            ),
            (image(&docker), None, media_type::DOCKER_MANIFEST),
            (r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(), None, media_type::OCI_INDEX),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes(), sent_as).unwrap().1, expected);
        }
    }

    #[test]
    fn what_is_not_a_manifest_is_refused() {
        for (text, sent_as) in [
            ("", None),
            ("[]", None),
            ("{}", None),
            (r#"{"schemaVersion":1,"manifests":[]}"#, None),
            (r#"{"schemaVersion":2,"manifests":[{}]}"#, None),
            (&image(r#","manifests":[]"#), None),
            (&image(""), Some(media_type::OCI_INDEX)),
            (&image(""), Some("application/vnd.docker.distribution.manifest.v1+prettyjws")),
            (
                &image(&format!(r#","mediaType":"{}""#, media_type::OCI_MANIFEST)),
                Some(media_type::DOCKER_MANIFEST),
            ),
        ] {
            assert!(Manifest::parse(text.as_bytes(), sent_as).is_err(), "{text} as {sent_as:?} was taken");
        }
    }

    #[test]
    fn an_artifact_without_a_type_has_its_configurations() {
        let (plain, _) = Manifest::parse(image("").as_bytes(), None).unwrap();
        assert_eq!(plain.artifact_type(), Some("x/config"));
        let (typed, _) = Manifest::parse(image(r#","artifactType":"x/sbom""#).as_bytes(), None).unwrap();
        assert_eq!(typed.artifact_type(), Some("x/sbom"));
    }
}
