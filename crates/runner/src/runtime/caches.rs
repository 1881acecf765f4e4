use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::service::{Int64, Service, message};
use super::uploads::{Purpose, Upload};
use crate::depot::{BlobCache, check_key};

/// Keys of one search; the toolkit's limit.
const MOST_KEYS: usize = 10;
const LONGEST_VERSION_BYTES: usize = 512;

#[derive(Deserialize)]
pub struct Create {
    #[serde(default)]
    key: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
pub struct Finalize {
    #[serde(default)]
    key: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    size_bytes: Option<Int64>,
}

#[derive(Deserialize)]
pub struct Find {
    #[serde(default)]
    key: String,
    #[serde(default)]
    restore_keys: Vec<String>,
    #[serde(default)]
    version: String,
}

/// `github.actions.results.api.v1.CacheService/CreateCacheEntry`
pub async fn create(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Create { key, version } = message(&body)?;
    let upload = begin(&service, key, version)?;
    Ok(Json(json!({ "ok": true, "signed_upload_url": service.upload_url(&upload) })))
}

/// `github.actions.results.api.v1.CacheService/FinalizeCacheEntryUpload`
pub async fn finalize(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Finalize { key, version, size_bytes } = message(&body)?;
    let purpose = Purpose::Cache { key, version };
    let upload = service.upload_for(|known| *known == purpose);
    let upload = upload.ok_or_else(|| Refusal::not_found("no upload of this key and version was begun"))?;
    let size_bytes = size_bytes.map_or(Ok(0), |size| size.get())?;
    store(&service, &upload, size_bytes)?;
    Ok(Json(json!({ "ok": true, "entry_id": upload.id.to_string() })))
}

/// `github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL`
pub async fn find(State(service): State<Arc<Service>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Find { key, restore_keys, version } = message(&body)?;
    let keys: Vec<String> = std::iter::once(key).chain(restore_keys).collect();
    Ok(Json(match look_up(&service, &keys, &version)? {
        Some((cache, url)) => json!({ "ok": true, "signed_download_url": url, "matched_key": cache.key }),
        None => json!({ "ok": false }),
    }))
}

pub fn begin(service: &Service, key: String, version: String) -> Result<Arc<Upload>, Refusal> {
    check_key(&key)?;
    if version.is_empty() || version.len() > LONGEST_VERSION_BYTES {
        return Err(Refusal::invalid(format!("a version has 1 to {LONGEST_VERSION_BYTES} bytes")));
    }
    let kept = kept_key(service, &key)?;
    if service.facts.depot.has_blob_cache(&service.facts.trigger.git_ref, &kept, &version) {
        return Err(Refusal::exists("cache entry with the same key, version, and scope already exists"));
    }
    service.begin_upload(Purpose::Cache { key, version })
}

/// Makes a whole upload a cache.
pub fn store(service: &Service, upload: &Upload, size_bytes: u64) -> Result<(), Refusal> {
    let Purpose::Cache { key, version } = &upload.purpose else {
        return Err(Refusal::invalid("the upload is not one of a cache"));
    };
    let (file, length) = upload.whole().ok_or_else(|| Refusal::invalid("the upload is not whole"))?;
    if length != size_bytes {
        return Err(Refusal::invalid(format!("{length} bytes were uploaded, and not {size_bytes}")));
    }
    let (key, version) = (kept_key(service, key)?, version.clone());
    let cache = BlobCache { key, version, git_ref: service.facts.trigger.git_ref.clone(), size_bytes };
    let stored = service.facts.depot.store_blob_cache(&cache, &file);
    service.end_upload(&upload.purpose);
    Ok(stored?)
}

/// The cache that the first of the keys finds, and where it can be read.
pub fn look_up(
    service: &Service,
    keys: &[String],
    version: &str,
) -> Result<Option<(BlobCache, String)>, Refusal> {
    if keys.len() > MOST_KEYS {
        return Err(Refusal::invalid(format!("a search has at most {MOST_KEYS} keys")));
    }
    keys.iter().try_for_each(|key| check_key(key))?;
    let kept = keys.iter().map(|key| kept_key(service, key)).collect::<Result<Vec<_>, _>>()?;
    let found = service.facts.depot.find_blob_cache(&service.facts.trigger, &kept, version)?;
    found
        .map(|(mut cache, file)| {
            // Who asks knows the secrets in its key, and compares what was found with it.
            if let Some(asked) = kept.iter().position(|kept| *kept == cache.key) {
                cache.key.clone_from(&keys[asked]);
            }
            Ok((cache, service.download_url(&file, "application/octet-stream", None)?))
        })
        .transpose()
}

/// A key as it is kept beside its cache, where no secret may be.
fn kept_key(service: &Service, key: &str) -> Result<String, Refusal> {
    Ok(service.facts.depot.kept_key(&service.facts.log.masker(), key)?)
}
