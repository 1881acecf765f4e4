use std::io;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sluice_blobs::{BlobError, UploadId};
use sluice_model::Digest;

use super::error::{Answer, Refusal, over_quota};
use super::{DIGEST, UPLOAD_ID, auth, parameter, range, value};
use crate::quota::Room;
use crate::{ImageRepository, Registry};

/// `POST`: mounts a blob, takes a whole one, or opens an upload (OCI distribution-spec 1.1, "Pushing blobs",
/// "Mounting a blob from another repository").
pub async fn begin(registry: &Registry, repository: &ImageRepository, request: &Parts, body: Body) -> Answer {
    if let Some(digest) = parameter(request, "mount") {
        let digest: Digest = digest.parse().map_err(|error| Refusal::digest_invalid(&error))?;
        if mount(registry, repository, &digest, request).await? {
            return Ok(created(repository, &digest));
        }
    } else if let Some(digest) = digest_parameter(request)? {
        let room = room(registry, repository, Some(&digest), request, 0).await?;
        registry.write_blob(repository, &digest, pieces(body, None, room)).await?;
        return Ok(created(repository, &digest));
    }
    let id = registry.blobs.begin_upload(repository.as_str()).await?;
    Ok(progress(StatusCode::ACCEPTED, repository, id, 0))
}

/// False where the client has to push the blob: it names no source, or one that has no such blob, or one that it
/// may not read, which must look the same.
async fn mount(
    registry: &Registry,
    repository: &ImageRepository,
    digest: &Digest,
    request: &Parts,
) -> Result<bool, Refusal> {
    let Some(from) = parameter(request, "from") else { return Ok(false) };
    let from: ImageRepository = from.parse().map_err(|error| Refusal::name_invalid(&error))?;
    if !auth::may_pull(registry, request, from.clone()).await {
        return Ok(false);
    }
    Ok(registry.mount_blob(repository, &from, digest).await?)
}

/// `GET`: how far the upload is.
pub async fn status(registry: &Registry, repository: &ImageRepository, id: UploadId) -> Answer {
    let length = registry.blobs.upload_length(id, repository.as_str()).await?;
    Ok(progress(StatusCode::NO_CONTENT, repository, id, length))
}

/// `PATCH`: one chunk.
pub async fn append(
    registry: &Registry,
    repository: &ImageRepository,
    id: UploadId,
    request: &Parts,
    body: Body,
) -> Answer {
    let length = receive(registry, repository, id, None, request, body).await?;
    Ok(progress(StatusCode::ACCEPTED, repository, id, length))
}

/// `PUT`: the last chunk, where there is one, and the digest.
pub async fn finish(
    registry: &Registry,
    repository: &ImageRepository,
    id: UploadId,
    request: &Parts,
    body: Body,
) -> Answer {
    let digest = digest_parameter(request)?.ok_or_else(|| {
        let message = "the request has no `digest` parameter: expected ?digest=sha256:…";
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    })?;
    receive(registry, repository, id, Some(&digest), request, body).await?;
    registry.finish_upload(repository, id, &digest).await?;
    Ok(created(repository, &digest))
}

/// `DELETE`: throws the upload away.
pub async fn cancel(registry: &Registry, repository: &ImageRepository, id: UploadId) -> Answer {
    registry.blobs.cancel_upload(id, repository.as_str()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Appends the body, when it begins where the upload ends and has the length that it says.
async fn receive(
    registry: &Registry,
    repository: &ImageRepository,
    id: UploadId,
    digest: Option<&Digest>,
    request: &Parts,
    body: Body,
) -> Result<u64, Refusal> {
    let scope = repository.as_str();
    let declared = declared(&request.headers)?;
    let (offset, count) = declared.map_or((None, None), |(offset, count)| (Some(offset), Some(count)));
    let before = registry.blobs.upload_length(id, scope).await?;
    let room = room(registry, repository, digest, request, before).await;
    let appended = match room {
        Ok(room) => registry.blobs.append(id, scope, offset, pieces(body, count, room)).await,
        Err(refusal) => {
            registry.blobs.cancel_upload(id, scope).await?;
            return Err(refusal);
        }
    };
    if appended.as_ref().is_err_and(|error| over_quota(error).is_some()) {
        // It can never end, and its bytes are in the way.
        registry.blobs.cancel_upload(id, scope).await?;
    }
    let length = appended.map_err(|error| match error {
        BlobError::OutOfOrder { expected, .. } => {
            let refusal = Refusal::from(error);
            refusal.with(RANGE, span(expected)).with(LOCATION, place(repository, id))
        }
        other => other.into(),
    })?;
    match count {
        Some(count) if length - before != count => Err(Refusal::size_invalid(format!(
            "Content-Range says {count} bytes, but {} came",
            length - before
        ))),
        _ => Ok(length),
    }
}

/// The offset and the number of bytes that `Content-Range` gives; none where the header is missing.
fn declared(headers: &HeaderMap) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(header) = headers.get(CONTENT_RANGE) else { return Ok(None) };
    let read = header.to_str().ok().and_then(range::chunk);
    let (offset, count) = read.ok_or_else(|| {
        Refusal::upload_invalid(format!("Content-Range is {header:?}, expected <first>-<last>, as in 0-1023"))
    })?;
    match content_length(headers) {
        Some(length) if length != count => Err(Refusal::size_invalid(format!(
            "Content-Range says {count} bytes, but Content-Length {length}"
        ))),
        _ => Ok(Some((offset, count))),
    }
}

/// What the repository may still take beside the `before` bytes of an upload; none where it has no quota, or has the
/// blob already. A length that the client declares and that does not fit is refused before a byte is read.
async fn room(
    registry: &Registry,
    repository: &ImageRepository,
    digest: Option<&Digest>,
    request: &Parts,
    before: u64,
) -> Result<Option<Room>, Refusal> {
    let Some(mut room) = registry.room(repository).await? else { return Ok(None) };
    if let Some(digest) = digest
        && registry.has_blob(repository, digest).await?
    {
        return Ok(None);
    }
    let fits = room.admit(before.saturating_add(content_length(&request.headers).unwrap_or(0)));
    fits.map_err(|over| Refusal::denied(over.to_string()))?;
    room.left_bytes -= before;
    Ok(Some(room))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body's bytes. More than `limit_bytes`, or than there is room for, is an error before the first byte too many is
/// written.
fn pieces(
    body: Body,
    limit_bytes: Option<u64>,
    room: Option<Room>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let mut left = limit_bytes.unwrap_or(u64::MAX);
    let mut taken: u64 = 0;
    body.into_data_stream().map_err(io::Error::other).map(move |piece| {
        let piece = piece?;
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| io::Error::other("the body is longer than its Content-Range says"))?;
        taken += piece.len() as u64;
        room.iter().try_for_each(|room| room.admit(taken)).map_err(io::Error::other)?;
        Ok(piece)
    })
}

fn digest_parameter(request: &Parts) -> Result<Option<Digest>, Refusal> {
    let text = parameter(request, "digest");
    text.map(|text| text.parse().map_err(|error| Refusal::digest_invalid(&error))).transpose()
}

fn created(repository: &ImageRepository, digest: &Digest) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("/v2/{repository}/blobs/{digest}")));
    headers.insert(DIGEST, value(digest.as_str()));
    response
}

fn progress(status: StatusCode, repository: &ImageRepository, id: UploadId, length: u64) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, place(repository, id));
    headers.insert(RANGE, span(length));
    headers.insert(UPLOAD_ID, value(&id.to_string()));
    response
}

fn place(repository: &ImageRepository, id: UploadId) -> HeaderValue {
    value(&format!("/v2/{repository}/blobs/uploads/{id}"))
}

/// `0-<position of the last byte>`. Nothing yet is written `0-0`, as Docker's registry does, for there is no better.
fn span(length: u64) -> HeaderValue {
    value(&format!("0-{}", length.saturating_sub(1)))
}
