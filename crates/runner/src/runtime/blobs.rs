//! As much of Azure's Blob Storage as the toolkits' client calls (Put Blob, Put Block, Put Block List), and downloads.

use std::io::SeekFrom;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::range;
use super::refusal::Refusal;
use super::service::Service;
use super::token::is_equal;

/// The longest list of blocks, in bytes: 50,000 of them fit.
const LIST_LIMIT_BYTES: usize = 8 << 20;

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    sig: String,
    #[serde(default)]
    comp: String,
    #[serde(default)]
    blockid: String,
}

/// `PUT /runtime/uploads/{id}`
pub async fn put(
    State(service): State<Arc<Service>>,
    Path(id): Path<u32>,
    Query(asked): Query<Asked>,
    body: Body,
) -> Result<Response, Refusal> {
    let upload = service.upload(id).filter(|upload| is_equal(&asked.sig, &upload.signature));
    let upload =
        upload.ok_or_else(|| Refusal::denied("there is no such upload, or its signature is another"))?;
    match asked.comp.as_str() {
        "block" => {
            upload.put_block(&asked.blockid, body.into_data_stream()).await?;
        }
        "blocklist" => {
            let list = axum::body::to_bytes(body, LIST_LIMIT_BYTES).await;
            let list = list.map_err(|error| Refusal::too_large(error.to_string()))?;
            let ids = block_ids(&String::from_utf8_lossy(&list))?;
            let committed = tokio::task::spawn_blocking(move || upload.commit(&ids)).await;
            committed.unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))?;
        }
        "" => {
            const WHOLE: &str = "whole";
            upload.put_block(WHOLE, body.into_data_stream()).await?;
            upload.commit(&[WHOLE.to_owned()])?;
        }
        other => {
            return Err(Refusal::invalid(format!("`comp={other}` is none of block, blocklist and nothing")));
        }
    }
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert("etag", HeaderValue::from_static("\"0x1\""));
    headers.insert("x-ms-version", HeaderValue::from_static("2024-11-04"));
    Ok(response)
}

/// The ids of `<BlockList><Latest>ID</Latest>…</BlockList>`, in their order (Azure, "Put Block List"). They are base64,
/// in which nothing has to be escaped.
fn block_ids(xml: &str) -> Result<Vec<String>, Refusal> {
    let broken = || Refusal::malformed("the list of blocks is no <BlockList>");
    let list = xml.split_once("<BlockList>").and_then(|(_, rest)| rest.split_once("</BlockList>"));
    let mut rest = match list {
        Some((list, _)) => list.trim_start(),
        None if xml.contains("<BlockList/>") || xml.contains("<BlockList />") => "",
        None => return Err(broken()),
    };
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let (name, after) =
            rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(broken)?;
        if !["Latest", "Uncommitted", "Committed"].contains(&name) {
            return Err(broken());
        }
        let (id, after) = after.split_once(&format!("</{name}>")).ok_or_else(broken)?;
        ids.push(id.trim().to_owned());
        rest = after.trim_start();
    }
    Ok(ids)
}

/// `GET` and `HEAD /runtime/downloads/{id}`
pub async fn get(
    State(service): State<Arc<Service>>,
    Path(id): Path<u32>,
    Query(asked): Query<Asked>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let download = service.download(id).filter(|download| is_equal(&asked.sig, &download.signature));
    let download =
        download.ok_or_else(|| Refusal::denied("there is no such download, or its signature is another"))?;
    let gone = |error: std::io::Error| Refusal::not_found(format!("the file is gone: {error}"));
    let mut file = tokio::fs::File::open(&download.file).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    let asked = headers.get("x-ms-range").or(headers.get(RANGE)).and_then(|value| value.to_str().ok());
    let Ok(part) = range::part(asked, length) else {
        let range = format!("bytes */{length}");
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, range)]).into_response());
    };
    let (first, count) = part.unwrap_or((0, length));
    let body = match method {
        Method::HEAD => Body::empty(),
        _ => {
            file.seek(SeekFrom::Start(first)).await.map_err(gone)?;
            Body::from_stream(ReaderStream::with_capacity(file.take(count), 256 * 1024))
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(download.content_type));
    headers.insert(CONTENT_LENGTH, count.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let name = download.name.as_ref().map(|name| format!("attachment; filename=\"{name}\""));
    if let Some(name) = name.and_then(|name| HeaderValue::from_str(&name).ok()) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    if part.is_some()
        && let Ok(range) = HeaderValue::from_str(&format!("bytes {first}-{}/{length}", first + count - 1))
    {
        headers.insert(CONTENT_RANGE, range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_blocks_are_read() {
        let list = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BlockList>\n <Latest>YQ==</Latest><Uncommitted>Yg==</Uncommitted>\n</BlockList>";
        assert_eq!(block_ids(list).unwrap(), ["YQ==", "Yg=="]);
        assert_eq!(block_ids("<BlockList/>").unwrap(), [""; 0]);
        for broken in
            ["", "<BlockList>", "<BlockList>x</BlockList>", "<BlockList><Other>a</Other></BlockList>"]
        {
            assert!(block_ids(broken).is_err(), "{broken}");
        }
    }
}
