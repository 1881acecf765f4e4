use std::fmt::Write as _;

use ring::digest::{Context, SHA256, SHA512};
use sluice_model::Digest;

/// The digest algorithms of OCI image-spec 1.1, descriptor.md, "Registered algorithms".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The algorithm of a digest. `Digest` admits no other than these two.
    pub fn of(digest: &Digest) -> Self {
        if digest.algorithm() == "sha512" { Self::Sha512 } else { Self::Sha256 }
    }

    /// How the algorithm is written before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

/// A digest that grows with the bytes it is fed.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    context: Context,
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        let context = Context::new(match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        });
        Self { algorithm, context }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub fn finish(self) -> Digest {
        let mut text = format!("{}:", self.algorithm.as_str());
        for byte in self.context.finish().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.parse().expect("an algorithm's own name and its whole hexadecimal sum are a digest")
    }
}

/// The digest of bytes that are already in memory.
pub fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_has_its_known_digests() {
        let sha256 = digest_of(Algorithm::Sha256, b"");
        assert_eq!(
            sha256.as_str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(digest_of(Algorithm::Sha512, b"").as_str().starts_with("sha512:cf83e1357eefb8bdf15428"));
    }
}
