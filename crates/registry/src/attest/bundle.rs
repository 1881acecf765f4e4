use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{PublicKey, SigningKey};

/// Sigstore's bundle, version 0.3, as JSON.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The type of a DSSE envelope's payload that is an in-toto statement.
const STATEMENT: &str = "application/vnd.in-toto+json";

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("it is no Sigstore bundle with a DSSE envelope: {0}")]
    Malformed(String),
    #[error("its payload is `{0}`, not an in-toto statement")]
    PayloadType(String),
    #[error("no signature on it is by a trusted key")]
    NotSigned,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: VerificationMaterial,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerificationMaterial {
    #[serde(default)]
    public_key: Option<Hint>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    hint: String,
}

/// DSSE envelope, version 1.0.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
}

/// Signs an in-toto statement. The same statement and key always give the same bytes.
pub fn seal(statement: &[u8], key: &SigningKey) -> Result<Vec<u8>, serde_json::Error> {
    let hint = key.public().id();
    let signature = Signature {
        sig: STANDARD.encode(key.sign(&authenticated(STATEMENT, statement))),
        keyid: hint.clone(),
    };
    serde_json::to_vec(&Bundle {
        media_type: BUNDLE.to_owned(),
        verification_material: VerificationMaterial { public_key: Some(Hint { hint }) },
        dsse_envelope: Envelope {
            payload: STANDARD.encode(statement),
            payload_type: STATEMENT.to_owned(),
            signatures: vec![signature],
        },
    })
}

/// The statement of a bundle, once one of the keys has signed it.
pub fn open(bundle: &[u8], keys: &[PublicKey]) -> Result<Vec<u8>, BundleError> {
    let malformed = |reason: String| BundleError::Malformed(reason);
    let Bundle { dsse_envelope: envelope, .. } =
        serde_json::from_slice(bundle).map_err(|error| malformed(error.to_string()))?;
    if envelope.payload_type != STATEMENT {
        return Err(BundleError::PayloadType(envelope.payload_type));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| malformed(error.to_string()));
    let payload = decode(&envelope.payload)?;
    let signed = authenticated(STATEMENT, &payload);
    for signature in &envelope.signatures {
        let signature = decode(&signature.sig)?;
        if keys.iter().any(|key| key.has_signed(&signed, &signature)) {
            return Ok(payload);
        }
    }
    Err(BundleError::NotSigned)
}

/// DSSE 1.0, "Pre-Authentication Encoding".
fn authenticated(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_specifications() {
        // DSSE 1.0, protocol.md, "Test vectors".
        let encoded = authenticated("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_sealed_statement_opens_with_its_key_only() {
        let key = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        let sealed = seal(b"{\"a\":1}", &key).unwrap();
        assert_eq!(sealed, seal(b"{\"a\":1}", &key).unwrap());
        assert_eq!(open(&sealed, &[key.public()]).unwrap(), b"{\"a\":1}");
        let other = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        assert!(matches!(open(&sealed, &[other.public()]), Err(BundleError::NotSigned)));
        let text = String::from_utf8(sealed).unwrap();
        let forged = text.replace(&STANDARD.encode(b"{\"a\":1}"), &STANDARD.encode(b"{\"a\":2}"));
        assert_ne!(forged, text);
        assert!(matches!(open(forged.as_bytes(), &[key.public()]), Err(BundleError::NotSigned)));
        let plain = text.replace(STATEMENT, "text/plain");
        assert!(matches!(open(plain.as_bytes(), &[key.public()]), Err(BundleError::PayloadType(_))));
        assert!(matches!(open(b"{}", &[key.public()]), Err(BundleError::Malformed(_))));
    }
}
