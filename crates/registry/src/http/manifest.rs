use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::error::{Answer, Refusal};
use super::{DIGEST, accepted, bodiless, value};
use crate::{ImageRepository, Manifest, Pusher, Reference, Registry, RegistryError};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// `GET` and `HEAD` (OCI distribution-spec 1.1, "Pulling manifests"). The media type is the one it was pushed with,
/// whatever the client would rather have.
pub async fn get(
    registry: &Registry,
    repository: &ImageRepository,
    reference: &Reference,
    request: &Parts,
) -> Answer {
    let stored = registry.pull_manifest(repository, reference).await?;
    let tag = value(&format!("\"{}\"", stored.digest));
    let length = HeaderValue::from(stored.bytes.len());
    let is_known = request.headers.get(IF_NONE_MATCH).is_some_and(|seen| *seen == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(stored.bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, value(&stored.media_type));
    headers.insert(DIGEST, value(stored.digest.as_str()));
    headers.insert(ETAG, tag);
    if request.method == Method::HEAD && !is_known {
        headers.insert(CONTENT_LENGTH, length);
        return Ok(bodiless(response));
    }
    Ok(response)
}

/// `PUT` (OCI distribution-spec 1.1, "Pushing Manifests").
pub async fn put(
    registry: &Registry,
    repository: &ImageRepository,
    reference: &Reference,
    request: &Parts,
    body: Body,
    by: Pusher,
) -> Answer {
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bytes = collect(body).await?;
    let pushed = registry.push_manifest(repository, reference, content_type, bytes, by).await?;
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("/v2/{repository}/manifests/{}", pushed.digest)));
    headers.insert(DIGEST, value(pushed.digest.as_str()));
    if let Some(subject) = &pushed.subject {
        headers.insert(SUBJECT, value(subject.as_str()));
    }
    Ok(response)
}

/// `DELETE` of a tag, or of a manifest with all its tags (OCI distribution-spec 1.1, "Content Management").
pub async fn delete(registry: &Registry, repository: &ImageRepository, reference: &Reference) -> Answer {
    match reference {
        Reference::Tag(tag) => registry.delete_tag(repository, tag).await?,
        Reference::Digest(digest) => registry.delete_manifest(repository, digest).await?,
    }
    Ok(accepted())
}

async fn collect(body: Body) -> Result<Bytes, Refusal> {
    let (mut stream, mut bytes) = (body.into_data_stream(), BytesMut::new());
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| Refusal::size_invalid(format!("the body broke off: {error}")))?;
        if bytes.len() + piece.len() > Manifest::MAX_BYTES {
            return Err(RegistryError::ManifestTooLarge { limit_bytes: Manifest::MAX_BYTES }.into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
