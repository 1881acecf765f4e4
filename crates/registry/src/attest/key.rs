use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sluice_blobs::{Algorithm, digest_of};

/// A text is no key, or of another kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no Ed25519 {expected}: {reason}")]
pub struct KeyError {
    expected: &'static str,
    reason: &'static str,
}

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

/// Shows the public half only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl SigningKey {
    /// A new key as PEM text of its PKCS#8 form; none when the system has no randomness to give.
    pub fn generate_pem() -> Option<String> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok()?;
        Some(pem(PRIVATE, document.as_ref()))
    }

    /// Reads PEM text of PKCS#8, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let error = |reason| KeyError { expected: "private key in PEM (PKCS#8)", reason };
        let bytes = body(PRIVATE, text).ok_or_else(|| error("it has no `BEGIN PRIVATE KEY` block"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes);
        Ok(Self { pair: pair.map_err(|_| error("its block is of another kind, or damaged"))? })
    }

    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        // An Ed25519 public key has 32 bytes (RFC 8032, section 5.1.5).
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

/// An Ed25519 key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let error = |reason| KeyError { expected: "public key in PEM", reason };
        let bytes = body(PUBLIC, text).ok_or_else(|| error("it has no `BEGIN PUBLIC KEY` block"))?;
        let key = bytes.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or_else(|| error("its block is of another kind, or damaged"))
    }

    pub fn pem(&self) -> String {
        pem(PUBLIC, &self.spki())
    }

    /// The base64 of the SHA-256 of the key's SubjectPublicKeyInfo: what cosign writes as a key's hint.
    pub fn id(&self) -> String {
        let digest = digest_of(Algorithm::Sha256, &self.spki());
        let hex = digest.hex().as_bytes();
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        let bytes: Vec<u8> = hex.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
        STANDARD.encode(bytes)
    }

    pub(super) fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }

    fn spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    // Base64 is ASCII: no piece cuts a character.
    for line in STANDARD.encode(bytes).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn body(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let packed: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(packed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_and_read_and_verifies_what_it_signed() {
        let text = SigningKey::generate_pem().unwrap();
        let key = SigningKey::from_pem(&text).unwrap();
        let public = PublicKey::from_pem(&key.public().pem()).unwrap();
        assert_eq!(public, key.public());
        let signature = key.sign(b"text");
        assert!(public.has_signed(b"text", &signature) && !public.has_signed(b"texT", &signature));
        let other = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        assert!(!other.public().has_signed(b"text", &signature));
        assert!(!format!("{key:?}").contains(&text[30..60]), "the private key is shown");
    }

    #[test]
    fn openssls_keys_are_taken_and_others_refused() {
        // openssl genpkey -algorithm ed25519; openssl pkey -pubout
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert_eq!(SigningKey::from_pem(private).unwrap().public().pem(), public);
        for wrong in ["", public, "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(wrong).is_err(), "{wrong}");
            assert!(PublicKey::from_pem(&wrong.replace(PUBLIC, "X")).is_err(), "{wrong}");
        }
    }
}
