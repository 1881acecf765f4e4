use serde::{Deserialize, Serialize};
use sluice_blobs::{Algorithm, digest_of};
use sluice_model::Digest;

use super::Package;

/// A bill of materials (CycloneDX 1.6, JSON), as much of it as is written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bom {
    pub bom_format: String,
    pub spec_version: String,
    pub serial_number: String,
    pub version: u32,
    pub metadata: Metadata,
    pub components: Vec<Component>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub component: Component,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "bom-ref")]
    pub reference: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<Hash>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purl: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    pub alg: String,
    pub content: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub name: String,
    pub value: String,
}

/// The bill of an image: its packages, then its layers from the bottom. The same image gives the same bill. `is_cut`:
/// some files were too large to be read.
pub fn bom(image: &str, digest: &Digest, layers: &[Digest], packages: &[Package], is_cut: bool) -> Bom {
    let libraries = packages.iter().map(|package| {
        let purl = package.purl();
        Component {
            kind: "library".to_owned(),
            reference: purl.clone(),
            name: package.name.clone(),
            version: package.version.clone(),
            hashes: Vec::new(),
            purl,
        }
    });
    let layers = layers.iter().enumerate().map(|(position, layer)| Component {
        kind: "file".to_owned(),
        // A layer may stand in an image twice.
        reference: format!("layer-{}", position + 1),
        name: layer.to_string(),
        version: String::new(),
        hashes: vec![hash(layer)],
        purl: String::new(),
    });
    let name = image.rsplit('/').next().unwrap_or(image);
    let purl = format!("pkg:oci/{name}@{}", digest.as_str().replace(':', "%3A"));
    let incomplete = Property {
        name: "sluice:incomplete".to_owned(),
        value: "a package database is too large".to_owned(),
    };
    Bom {
        bom_format: "CycloneDX".to_owned(),
        spec_version: "1.6".to_owned(),
        serial_number: serial_number(digest),
        version: 1,
        metadata: Metadata {
            component: Component {
                kind: "container".to_owned(),
                reference: purl.clone(),
                name: image.to_owned(),
                version: digest.to_string(),
                hashes: vec![hash(digest)],
                purl,
            },
            properties: if is_cut { vec![incomplete] } else { Vec::new() },
        },
        components: libraries.chain(layers).collect(),
    }
}

fn hash(digest: &Digest) -> Hash {
    let alg = match Algorithm::of(digest) {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha512 => "SHA-512",
    };
    Hash { alg: alg.to_owned(), content: digest.hex().to_owned() }
}

/// A UUID of version 8 (RFC 9562) out of the image's digest.
fn serial_number(digest: &Digest) -> String {
    let sum = digest_of(Algorithm::Sha256, format!("bill of materials of {digest}").as_bytes());
    let bits = u128::from_str_radix(&sum.hex()[..32], 16).unwrap_or_default();
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
    format!("urn:uuid:{}", uuid::Uuid::from_u128(bits).hyphenated())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_is_a_uuid_and_the_images_own() {
        let digest = |text: &str| digest_of(Algorithm::Sha256, text.as_bytes());
        let number = serial_number(&digest("a"));
        let uuid: uuid::Uuid = number.strip_prefix("urn:uuid:").unwrap().parse().unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, uuid::Variant::RFC4122));
        assert_eq!(number, serial_number(&digest("a")));
        assert_ne!(number, serial_number(&digest("b")));
    }
}
