use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use sluice_model::{Digest, InvalidName};

use crate::BlobError;

/// Where blobs are kept beside the disk: a bucket of S3, or of a server that speaks its protocol, and a prefix in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    bucket: String,
    prefix: String,
}

impl FromStr for BucketUrl {
    type Err = InvalidName;

    /// Reads `s3://BUCKET[/PREFIX]`.
    fn from_str(text: &str) -> std::result::Result<Self, InvalidName> {
        let invalid = || InvalidName {
            kind: "bucket",
            seen: text.chars().take(300).collect(),
            expected: "expected s3://BUCKET or s3://BUCKET/PREFIX of letters, digits, `.`, `_`, `-` and `/`; credentials \
                       come from the environment",
        };
        let rest = text.strip_prefix("s3://").ok_or_else(invalid)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_name = |part: &str| {
            !part.trim_matches('.').is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if !is_name(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_name)) {
            return Err(invalid());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joint = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{joint}{}", self.bucket, self.prefix)
    }
}

/// A bucket, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketOptions {
    pub url: BucketUrl,
    /// Settings by the names of AWS' own tools, as they are found in the environment: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, … Others are passed over.
    pub settings: Vec<(String, String)>,
}

/// Hides the values of the settings.
impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.settings.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "BucketOptions({}, {names:?})", self.url)
    }
}

/// A part of a large object. With two on their way and one being read, this bounds what an upload holds in memory.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// S3 takes no more (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
const PARTS: u64 = 10_000;
const PARTS_AT_ONCE: usize = 2;

/// The objects of a bucket, each a blob under its digest.
#[derive(Clone)]
pub(crate) struct Bucket {
    url: BucketUrl,
    store: Arc<dyn ObjectStore>,
}

/// An object of the bucket that has a blob's name.
pub(crate) struct Object {
    pub digest: Digest,
    pub age: Duration,
}

type Result<T> = std::result::Result<T, BlobError>;

impl Bucket {
    /// Asks once, so that what is wrong with credentials or address is told now.
    pub async fn open(options: BucketOptions) -> Result<Self> {
        let BucketOptions { url, settings } = options;
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| {
            // The program may have chosen one before; then that one stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = AmazonS3Builder::new();
        for (name, value) in settings {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let builder = builder.with_bucket_name(&url.bucket).with_disable_bulk_delete(true);
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
        // Whoever names an endpoint without encryption wants it so.
        let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let builder = if is_plain { builder.with_allow_http(true) } else { builder };
        let store = builder.build().map_err(|source| BlobError::Bucket { url: url.clone(), source })?;
        let bucket = Self { url, store: Arc::new(store) };
        let first = bucket.store.list(Some(&bucket.folder())).next().await.transpose();
        first.map_err(|error| bucket.failed(error))?;
        Ok(bucket)
    }

    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    fn folder(&self) -> Path {
        Path::from(self.url.prefix.as_str())
    }

    fn object(&self, digest: &Digest) -> Path {
        self.folder().join(digest.algorithm()).join(digest.hex())
    }

    fn failed(&self, source: object_store::Error) -> BlobError {
        BlobError::Bucket { url: self.url.clone(), source }
    }

    /// Sends a file. When this returns, the object is there, whole.
    pub async fn put(&self, digest: &Digest, file: Arc<File>, size_bytes: u64) -> Result<()> {
        let object = self.object(digest);
        if size_bytes <= PART_BYTES {
            let bytes = self.piece(&file, 0..size_bytes).await?;
            let put = self.store.put(&object, PutPayload::from_bytes(bytes)).await;
            return put.map(drop).map_err(|error| self.failed(error));
        }
        let part_bytes = PART_BYTES.max(size_bytes.div_ceil(PARTS));
        let upload = self.store.put_multipart(&object).await.map_err(|error| self.failed(error))?;
        let chunk = usize::try_from(part_bytes).map_err(|error| self.failed(generic(error)))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, chunk);
        let mut next = 0;
        while next < size_bytes {
            let end = size_bytes.min(next + part_bytes);
            let sent = async {
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(|error| self.failed(error))?;
                self.piece(&file, next..end).await
            };
            match sent.await {
                Ok(bytes) => upload.put(bytes),
                Err(error) => {
                    // What cannot be taken back now goes with the bucket's own rule for incomplete uploads.
                    let _ = upload.abort().await;
                    return Err(error);
                }
            }
            next = end;
        }
        upload.finish().await.map(drop).map_err(|error| self.failed(error))
    }

    async fn piece(&self, file: &Arc<File>, range: Range<u64>) -> Result<Bytes> {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
            file.read_exact_at(&mut buffer, range.start)?;
            Ok::<_, io::Error>(Bytes::from(buffer))
        });
        let read = read.await.map_err(io::Error::other).and_then(|read| read);
        read.map_err(|error| self.failed(generic(error)))
    }

    /// The bytes of `range` as they arrive.
    pub fn get(&self, digest: &Digest, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let (store, object) = (self.store.clone(), self.object(digest));
        let opening = async move {
            let options = GetOptions::new().with_range(Some(range));
            store.get_opts(&object, options).await.map(object_store::GetResult::into_stream)
        };
        futures_util::stream::once(opening).try_flatten().map_err(io::Error::other).boxed()
    }

    /// Does nothing where there is no such object.
    pub async fn delete(&self, digest: &Digest) -> Result<()> {
        match self.store.delete(&self.object(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Keeps an object's bytes under a name that no digest leads to.
    pub async fn set_aside(&self, digest: &Digest) -> Result<()> {
        let place = self.folder().join("quarantine").join(format!("{}-{}", digest.algorithm(), digest.hex()));
        self.store.copy(&self.object(digest), &place).await.map_err(|error| self.failed(error))
    }

    /// Every object that has a blob's name.
    pub async fn list(&self) -> Result<Vec<Object>> {
        let now = std::time::SystemTime::now();
        let mut listed = self.store.list(Some(&self.folder()));
        let mut objects = Vec::new();
        while let Some(meta) = listed.next().await.transpose().map_err(|error| self.failed(error))? {
            let mut parts = meta.location.as_ref().rsplit('/');
            let (Some(hex), Some(algorithm)) = (parts.next(), parts.next()) else { continue };
            let Ok(digest) = format!("{algorithm}:{hex}").parse() else { continue };
            let age = now.duration_since(meta.last_modified.into()).unwrap_or_default();
            objects.push(Object { digest, age });
        }
        Ok(objects)
    }
}

fn generic(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_its_url() {
        for text in ["s3://images", "s3://my.images/sluice", "s3://images/a/b_c"] {
            assert_eq!(text.parse::<BucketUrl>().unwrap().to_string(), text);
        }
        assert_eq!("s3://images/a/".parse::<BucketUrl>().unwrap().to_string(), "s3://images/a");
        for wrong in [
            "",
            "images",
            "s3:/images",
            "s3://",
            "s3:///a",
            "s3://a//b",
            "s3://a/../b",
            "s3://me:pw@a",
            "s3://a/b?c",
        ] {
            assert!(wrong.parse::<BucketUrl>().is_err(), "{wrong}");
        }
    }
}
