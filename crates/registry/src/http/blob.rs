use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sluice_model::Digest;

use super::error::{Answer, Refusal};
use super::range::{self, Wanted};
use super::{DIGEST, bodiless, value};
use crate::mirror::Pulled;
use crate::{ImageRepository, Registry};

/// What is no longer than this is not streamed.
const IN_ONE_PIECE_BYTES: u64 = 128 * 1024;

/// `GET` and `HEAD` of a blob, whole or in part (OCI distribution-spec 1.1, "Pulling blobs").
pub async fn get(
    registry: &Arc<Registry>,
    repository: &ImageRepository,
    digest: &Digest,
    request: &Parts,
) -> Answer {
    let is_head = request.method == Method::HEAD;
    let blob = registry.pull_blob(repository, digest, !is_head).await?;
    if is_head {
        registry.want_blob(repository, digest).await?;
    }
    let size = match &blob {
        Pulled::Kept(file) => file.size_bytes(),
        Pulled::Arriving(download) => download.size_bytes(),
        Pulled::Upstream { size_bytes } => *size_bytes,
    };
    let tag = format!("\"{digest}\"");
    if header(request, IF_NONE_MATCH).is_some_and(|seen| seen == tag || seen == "*") {
        return Ok(describe(StatusCode::NOT_MODIFIED.into_response(), digest, &tag));
    }
    // A range of another version than the client has is of no use to it.
    let range = header(request, RANGE).filter(|_| header(request, IF_RANGE).is_none_or(|seen| seen == tag));
    let (status, part) = match range::wanted(range, size) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Unsatisfiable => {
            let message = format!("the blob has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", message)
                .with(CONTENT_RANGE, value(&format!("bytes */{size}"))));
        }
    };
    let body = match blob {
        _ if is_head => Body::empty(),
        // In one piece, it leaves in one packet with its headers.
        Pulled::Kept(file) if part.end - part.start <= IN_ONE_PIECE_BYTES => {
            let read = file.read(part.clone()).await;
            Body::from(read.map_err(|error| Refusal::internal(&error))?)
        }
        Pulled::Kept(file) => Body::from_stream(file.stream(part.clone())),
        Pulled::Arriving(download) => Body::from_stream(download.stream(part.clone())),
        Pulled::Upstream { .. } => Body::empty(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
        headers.insert(CONTENT_RANGE, value(&range));
    }
    let response = describe(response, digest, &tag);
    Ok(if is_head { bodiless(response) } else { response })
}

fn describe(mut response: Response, digest: &Digest, tag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(DIGEST, value(digest.as_str()));
    headers.insert(ETAG, value(tag));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    response
}

fn header(request: &Parts, name: axum::http::HeaderName) -> Option<&str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}
