//! A server that speaks as much of S3 as a bucket of blobs needs, and refuses what S3 would refuse.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sluice_blobs::{Algorithm, BucketOptions, digest_of};

pub const KEY: &str = "AKIAEXAMPLE";
/// S3 takes no smaller part but the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

#[derive(Default)]
pub struct S3 {
    pub objects: Mutex<BTreeMap<String, Bytes>>,
    uploads: Mutex<BTreeMap<String, BTreeMap<usize, Bytes>>>,
    pub asked: Mutex<Vec<String>>,
    /// Requests of which the line begins so are refused.
    pub refused: Mutex<Option<&'static str>>,
    ids: AtomicU64,
}

impl S3 {
    /// With a bucket named `images`.
    pub async fn start() -> (Arc<Self>, String) {
        let s3 = Arc::<Self>::default();
        let app = axum::Router::new().fallback(serve).with_state(s3.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (s3, url)
    }

    /// What it was asked since the last call, each as `METHOD name of the action`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub fn open_uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }
}

pub fn options(endpoint: &str, url: &str) -> BucketOptions {
    let settings = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_PAGER", ""),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    BucketOptions { url: url.parse().unwrap(), settings }
}

async fn serve(State(s3): State<Arc<S3>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let query: BTreeMap<String, String> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.replace("%2F", "/")))
        .collect();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = header("authorization");
    let is_signed = signed.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
        && signed.contains("/eu-central-1/s3/aws4_request")
        && signed.contains("Signature=");
    let is_sound = header("x-amz-content-sha256") == digest_of(Algorithm::Sha256, &bytes).hex();
    let Some(key) = head.uri.path().strip_prefix("/images").map(|key| key.trim_start_matches('/').to_owned())
    else {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    let action =
        ["uploads", "partNumber", "uploadId", "list-type"].into_iter().find(|name| query.contains_key(*name));
    let line = format!("{} {}", head.method, action.unwrap_or("object"));
    s3.asked.lock().unwrap().push(line.clone());
    if !is_signed || !is_sound || s3.refused.lock().unwrap().is_some_and(|refused| line.starts_with(refused))
    {
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    match (head.method, action) {
        (Method::GET, Some("list-type")) => list(&s3, query.get("prefix").map_or("", String::as_str)),
        (Method::POST, Some("uploads")) => {
            let id = format!("upload{}", s3.ids.fetch_add(1, SeqCst));
            s3.uploads.lock().unwrap().insert(id.clone(), BTreeMap::new());
            xml(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        (Method::PUT, Some("partNumber")) => {
            let mut uploads = s3.uploads.lock().unwrap();
            let Some(upload) = uploads.get_mut(&query["uploadId"]) else {
                return error(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            let etag = etag(&bytes);
            upload.insert(query["partNumber"].parse().unwrap(), bytes);
            [("etag", etag)].into_response()
        }
        (Method::POST, Some("uploadId")) => complete(&s3, &query["uploadId"], key, &bytes),
        (Method::DELETE, Some("uploadId")) => {
            s3.uploads.lock().unwrap().remove(&query["uploadId"]);
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::PUT, None) => put(&s3, key, &head.headers, bytes),
        (Method::DELETE, None) => {
            s3.objects.lock().unwrap().remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        (method @ (Method::GET | Method::HEAD), None) => get(&s3, &key, &head.headers, method),
        _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

fn put(s3: &S3, key: String, headers: &HeaderMap, bytes: Bytes) -> Response {
    let mut objects = s3.objects.lock().unwrap();
    let bytes = match headers.get("x-amz-copy-source") {
        None => bytes,
        Some(source) => {
            let source = source.to_str().unwrap().trim_start_matches('/').strip_prefix("images/").unwrap();
            match objects.get(source).cloned() {
                Some(bytes) => bytes,
                None => return error(StatusCode::NOT_FOUND, "NoSuchKey"),
            }
        }
    };
    let etag = etag(&bytes);
    objects.insert(key, bytes);
    let copied = format!(
        "<CopyObjectResult><ETag>{etag}</ETag><LastModified>{WHEN}</LastModified></CopyObjectResult>"
    );
    ([("etag", etag)], copied).into_response()
}

fn complete(s3: &S3, id: &str, key: String, body: &[u8]) -> Response {
    let Some(parts) = s3.uploads.lock().unwrap().remove(id) else {
        return error(StatusCode::NOT_FOUND, "NoSuchUpload");
    };
    let text = String::from_utf8_lossy(body);
    let named: Vec<String> = text
        .split("<ETag>")
        .skip(1)
        .map(|rest| rest.split("</ETag>").next().unwrap().replace("&quot;", "\""))
        .collect();
    let sent: Vec<String> = parts.values().map(|part| etag(part)).collect();
    if named != sent || !parts.keys().copied().eq(1..=parts.len()) {
        return error(StatusCode::BAD_REQUEST, "InvalidPart");
    }
    if parts.values().rev().skip(1).any(|part| part.len() < PART_BYTES) {
        return error(StatusCode::BAD_REQUEST, "EntityTooSmall");
    }
    let whole: Vec<Bytes> = parts.into_values().collect();
    s3.objects.lock().unwrap().insert(key, whole.concat().into());
    xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".to_owned())
}

fn get(s3: &S3, key: &str, headers: &HeaderMap, method: Method) -> Response {
    let Some(bytes) = s3.objects.lock().unwrap().get(key).cloned() else {
        return error(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let range = headers.get("range").map(|range| range.to_str().unwrap().strip_prefix("bytes=").unwrap());
    let range = range.map(|range| range.split_once('-').unwrap());
    let (status, part) = match range {
        None => (StatusCode::OK, 0..bytes.len()),
        Some((first, last)) => {
            let first: usize = first.parse().unwrap();
            let end = last.parse::<usize>().map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
            if first >= bytes.len() {
                return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
            }
            (StatusCode::PARTIAL_CONTENT, first..end)
        }
    };
    let answer = Response::builder()
        .status(status)
        .header("etag", etag(&bytes))
        .header("last-modified", "Fri, 20 Nov 2026 10:00:00 GMT")
        .header("content-length", part.len())
        .header("content-range", format!("bytes {}-{}/{}", part.start, part.end.max(1) - 1, bytes.len()));
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(bytes.slice(part)) };
    answer.body(body).unwrap()
}

/// Everything is as old as this.
const WHEN: &str = "2026-11-20T10:00:00.000Z";

fn list(s3: &S3, prefix: &str) -> Response {
    let objects = s3.objects.lock().unwrap();
    let found = objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, bytes)| {
        let (size, etag) = (bytes.len(), etag(bytes));
        format!("<Contents><Key>{key}</Key><LastModified>{WHEN}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>")
    });
    xml(format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
        found.collect::<String>()
    ))
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &digest_of(Algorithm::Sha256, bytes).hex()[..32])
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], text).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")).into_response()
}
