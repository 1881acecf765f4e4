//! The older API of caches, by which the toolkits call servers that they take for GHES (`cacheHttpClient.ts` of
//! actions/toolkit).

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::service::{Service, message};
use super::uploads::{Purpose, Upload};
use super::{caches, range};

#[derive(Deserialize)]
pub struct Search {
    /// Separated by commas.
    keys: String,
    version: String,
}

#[derive(Deserialize)]
struct Reserve {
    key: String,
    version: String,
}

#[derive(Deserialize)]
struct Commit {
    size: u64,
}

/// `GET /_apis/artifactcache/cache`
pub async fn find(
    State(service): State<Arc<Service>>,
    Query(search): Query<Search>,
) -> Result<Response, Refusal> {
    let keys: Vec<String> = search.keys.split(',').map(|key| key.trim().to_owned()).collect();
    Ok(match caches::look_up(&service, &keys, &search.version)? {
        Some((cache, url)) => {
            let (key, version, scope) = (cache.key, cache.version, cache.git_ref);
            Json(json!({ "cacheKey": key, "cacheVersion": version, "scope": scope, "archiveLocation": url }))
                .into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// `POST /_apis/artifactcache/caches`
pub async fn reserve(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Reserve { key, version } = message(&body)?;
    let upload = caches::begin(&service, key, version)?;
    Ok(Json(json!({ "cacheId": upload.id })))
}

/// `PATCH /_apis/artifactcache/caches/{id}`
pub async fn put_chunk(
    State(service): State<Arc<Service>>,
    Path(id): Path<u32>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let upload = upload(&service, id)?;
    let header = headers.get("content-range").and_then(|value| value.to_str().ok());
    let range = header.and_then(range::content_range);
    let (first, last) =
        range.ok_or_else(|| Refusal::invalid("`Content-Range: bytes FIRST-LAST/*` is missing"))?;
    let length = upload.put_block(&first.to_string(), body.into_data_stream()).await?;
    match length == last - first + 1 {
        true => Ok(StatusCode::NO_CONTENT),
        false => {
            Err(Refusal::invalid(format!("the chunk has {length} bytes, and not those of {first}-{last}")))
        }
    }
}

/// `POST /_apis/artifactcache/caches/{id}`
pub async fn commit(
    State(service): State<Arc<Service>>,
    Path(id): Path<u32>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let Commit { size } = message(&body)?;
    let upload = upload(&service, id)?;
    upload.commit(&upload.chunks_in_order()?)?;
    caches::store(&service, &upload, size)?;
    Ok(StatusCode::NO_CONTENT)
}

fn upload(service: &Service, id: u32) -> Result<Arc<Upload>, Refusal> {
    let upload = service.upload(id).filter(|upload| matches!(upload.purpose, Purpose::Cache { .. }));
    upload.ok_or_else(|| Refusal::not_found(format!("there is no cache {id} in the making")))
}
