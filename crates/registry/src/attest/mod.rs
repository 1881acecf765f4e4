//! Signed statements about images: in-toto statements in DSSE envelopes, attached as referrers in the form of
//! cosign's bundle specification, so that other tools find them too.

mod bundle;
mod key;
mod referrer;
pub mod sbom;
mod statement;
mod verify;

pub use bundle::{BUNDLE, BundleError, open, seal};
pub use key::{KeyError, PublicKey, SigningKey};
pub use referrer::Attached;
pub use statement::{
    BuildDefinition, Builder, CYCLONEDX, Metadata, PROVENANCE, Provenance, ResourceDescriptor, RunDetails,
    Statement, Subject,
};
pub use verify::{Attestation, Verified, VerifyError, verify};
pub(crate) use verify::{LIMIT_BYTES, read};
