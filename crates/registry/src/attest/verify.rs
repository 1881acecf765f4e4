use bytes::Bytes;
use sluice_model::Digest;

use super::bundle::{BundleError, open};
use super::referrer::PREDICATE_TYPE;
use super::{BUNDLE, PROVENANCE, Provenance, PublicKey, Statement};
use crate::image::store::Store;
use crate::image::{ImageError, Location};
use crate::{Manifest, Reference};

/// The most that is read of one statement.
pub(crate) const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// An image about which a trusted key has signed how it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub digest: Digest,
    pub provenance: Provenance,
    /// All that trusted keys have signed about the image.
    pub attestations: Vec<Attestation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Of the referrer.
    pub digest: Digest,
    pub predicate_type: String,
    /// The in-toto statement, as it was signed.
    pub statement: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("{image} has no provenance: nothing signed is attached to {digest}")]
    Nothing { image: String, digest: Digest },
    #[error("nothing about {image} ({digest}) can be trusted: {}", reasons.join("; "))]
    Untrusted { image: String, digest: Digest, reasons: Vec<String> },
}

/// Says how an image was made, once one of the keys has signed it. What somebody else signed is passed over.
pub async fn verify(image: &Location, keys: &[PublicKey]) -> Result<Verified, VerifyError> {
    let reference = image.reference().ok_or_else(|| ImageError::NoReference(image.to_string()))?;
    let store = Store::open(image).await?;
    let digest = store.manifest(reference).await?.digest;
    let (mut attestations, mut provenance, mut reasons) = (Vec::new(), None, Vec::new());
    for referrer in store.referrers(&digest).await? {
        if referrer.artifact_type.as_deref() != Some(BUNDLE) {
            continue;
        }
        let fetched = store.manifest(&Reference::Digest(referrer.digest.clone())).await?;
        let Manifest::Image(manifest) = &fetched.manifest else { continue };
        let Some(layer) = manifest.layers.first() else { continue };
        let bundle = store.small_blob(layer, LIMIT_BYTES).await?;
        match read(&bundle, keys, &digest) {
            Ok((statement, found)) => {
                provenance = provenance.or(found.provenance);
                attestations.push(Attestation {
                    digest: referrer.digest,
                    predicate_type: found.predicate_type,
                    statement: statement.into(),
                });
            }
            Err(reason) => {
                let kind = manifest.annotations.get(PREDICATE_TYPE).map_or("a statement", String::as_str);
                reasons.push(format!("{} ({kind}): {reason}", referrer.digest));
            }
        }
    }
    let image = image.to_string();
    match provenance {
        Some(provenance) => Ok(Verified { digest, provenance, attestations }),
        None if reasons.is_empty() => Err(VerifyError::Nothing { image, digest }),
        None => Err(VerifyError::Untrusted { image, digest, reasons }),
    }
}

pub(crate) struct Found {
    pub predicate_type: String,
    provenance: Option<Provenance>,
}

/// What a bundle says about an image, as it was signed, once one of the keys has signed it; else why not.
pub(crate) fn read(bundle: &[u8], keys: &[PublicKey], digest: &Digest) -> Result<(Vec<u8>, Found), String> {
    let payload = open(bundle, keys).map_err(|error: BundleError| error.to_string())?;
    let malformed = |error: serde_json::Error| format!("its statement cannot be read: {error}");
    let statement: Statement<serde_json::Value> = serde_json::from_slice(&payload).map_err(malformed)?;
    if !statement.is_about(digest) {
        return Err("it is signed, but about another image".to_owned());
    }
    let provenance = match statement.predicate_type == PROVENANCE {
        true => Some(serde_json::from_value(statement.predicate).map_err(malformed)?),
        false => None,
    };
    Ok((payload, Found { predicate_type: statement.predicate_type, provenance }))
}
