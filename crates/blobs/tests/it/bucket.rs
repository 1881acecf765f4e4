//! Blobs whose bytes are objects of a bucket.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use sluice_blobs::{Algorithm, BlobError, Blobs, UploadId, digest_of};
use sluice_model::Digest;

use crate::s3::{S3, options};

struct World {
    folder: tempfile::TempDir,
    s3: Arc<S3>,
    endpoint: String,
    blobs: Blobs,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (s3, endpoint) = S3::start().await;
        let bucket = options(&endpoint, "s3://images/sluice");
        let blobs = Blobs::open_in(folder.path(), u64::MAX, Some(bucket)).await.unwrap();
        assert_eq!(s3.asked(), ["GET list-type"]);
        Self { folder, s3, endpoint, blobs }
    }

    async fn upload(&self, bytes: &[u8]) -> UploadId {
        let id = self.blobs.begin_upload("a").await.unwrap();
        let pieces: Vec<_> = bytes.chunks(300_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        self.blobs.append(id, "a", Some(0), stream::iter(pieces)).await.unwrap();
        id
    }

    async fn store(&self, bytes: &[u8]) -> Digest {
        let (id, digest) = (self.upload(bytes).await, sha256(bytes));
        let stored = self.blobs.finish_upload(id, "a", &digest).await.unwrap();
        assert_eq!((stored.digest, stored.size_bytes), (digest.clone(), bytes.len() as u64));
        digest
    }

    fn object(&self, digest: &Digest) -> Option<Bytes> {
        self.s3.objects.lock().unwrap().get(&format!("sluice/sha256/{}", digest.hex())).cloned()
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}

fn noise(count: usize) -> Vec<u8> {
    (0..count as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// The bytes of all files of a folder.
fn bytes_under(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(
            |entry| {
                if entry.path().is_dir() {
                    bytes_under(&entry.path())
                } else {
                    entry.metadata().unwrap().len()
                }
            },
        )
        .sum()
}

#[tokio::test]
async fn a_large_blob_is_sent_in_parts_and_read_in_ranges() {
    let world = World::start().await;
    let bytes = noise(20 * 1024 * 1024 + 7);
    let digest = world.store(&bytes).await;
    let parts = ["POST uploads", "PUT partNumber", "PUT partNumber", "PUT partNumber", "POST uploadId"];
    assert_eq!(world.s3.asked(), parts);
    assert!(world.object(&digest).unwrap() == bytes);
    // The disk has its name and its size.
    assert!(bytes_under(world.folder.path()) < 100);
    assert_eq!(world.blobs.size(&digest).await.unwrap(), Some(bytes.len() as u64));
    assert_eq!(world.blobs.size_here(&digest), Some(bytes.len() as u64));
    let listed = world.blobs.list().await.unwrap();
    assert_eq!((listed.len(), &listed[0].digest, listed[0].size_bytes), (1, &digest, bytes.len() as u64));
    assert_eq!(world.s3.asked(), [] as [&str; 0]);

    let file = world.blobs.get(&digest).await.unwrap().unwrap();
    for range in [0..bytes.len(), 0..1, 8_000_000..9_000_000, bytes.len() - 1..bytes.len(), 5..5] {
        let wanted = range.start as u64..range.end as u64;
        let read: Vec<Bytes> = file.stream(wanted.clone()).try_collect().await.unwrap();
        assert!(read.concat() == bytes[range.clone()], "{range:?}");
        assert!(file.read(wanted).await.unwrap() == bytes[range.clone()], "{range:?}");
    }
    assert!(file.stream(bytes.len() as u64..u64::MAX).try_collect::<Vec<_>>().await.unwrap().is_empty());
    let mut copy = Vec::new();
    file.open().await.unwrap().read_to_end(&mut copy).unwrap();
    assert!(copy == bytes);
    assert!(bytes_under(world.folder.path()) < 100);

    // The same once more costs nothing.
    world.s3.asked();
    world.store(&bytes).await;
    assert_eq!(world.s3.asked(), [] as [&str; 0]);
    assert!(world.blobs.delete(&digest).await.unwrap());
    assert!(!world.blobs.delete(&digest).await.unwrap());
    assert!(world.object(&digest).is_none() && world.blobs.get(&digest).await.unwrap().is_none());
}

#[tokio::test]
async fn a_small_blob_is_one_object_and_what_is_in_memory_stays_on_the_disk() {
    let world = World::start().await;
    let digest = world.store(b"small").await;
    assert_eq!(world.s3.asked(), ["PUT object"]);
    assert_eq!(world.blobs.get(&digest).await.unwrap().unwrap().read_all(10).await.unwrap(), "small");
    let empty = world.store(b"").await;
    assert_eq!(world.blobs.get(&empty).await.unwrap().unwrap().read_all(10).await.unwrap(), "");
    world.s3.asked();
    let manifest = world.blobs.put("{}", None).await.unwrap();
    assert_eq!(world.blobs.get(&manifest.digest).await.unwrap().unwrap().read_all(10).await.unwrap(), "{}");
    assert_eq!(world.s3.asked(), [] as [&str; 0]);
    // What is on the disk is not sent.
    world.store(b"{}").await;
    assert_eq!(world.s3.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_bucket_that_fails_loses_nothing_that_arrived() {
    let world = World::start().await;
    let bytes = noise(9 * 1024 * 1024);
    let id = world.upload(&bytes).await;
    *world.s3.refused.lock().unwrap() = Some("PUT");
    let failed = world.blobs.finish_upload(id, "a", &sha256(&bytes)).await.unwrap_err();
    assert!(matches!(failed, BlobError::Bucket { .. }), "{failed}");
    assert!(failed.to_string().starts_with("the bucket s3://images/sluice failed"), "{failed}");
    assert_eq!((world.s3.open_uploads(), world.blobs.size(&sha256(&bytes)).await.unwrap()), (0, None));
    assert_eq!(world.blobs.upload_length(id, "a").await.unwrap(), bytes.len() as u64);
    *world.s3.refused.lock().unwrap() = None;
    world.blobs.finish_upload(id, "a", &sha256(&bytes)).await.unwrap();
    assert!(world.object(&sha256(&bytes)).unwrap() == bytes);

    world.s3.asked();
    let id = world.upload(b"other").await;
    let wrong = world.blobs.finish_upload(id, "a", &sha256(b"wanted")).await;
    assert!(matches!(wrong, Err(BlobError::DigestMismatch { .. })), "{wrong:?}");
    assert_eq!(world.s3.asked(), [] as [&str; 0]);

    // An object that has gone is an error, and no short answer.
    world.s3.objects.lock().unwrap().clear();
    let file = world.blobs.get(&sha256(&bytes)).await.unwrap().unwrap();
    assert!(file.stream(0..10).try_collect::<Vec<_>>().await.is_err());
    assert!(file.read(0..10).await.is_err() && file.open().await.is_err());
}

#[tokio::test]
async fn what_is_rotten_is_set_aside_and_what_is_stray_goes() {
    let world = World::start().await;
    let digest = world.store(b"sound").await;
    let listed = world.blobs.list().await.unwrap().remove(0);
    assert!(world.blobs.quarantine(&listed).await.unwrap());
    assert!(!world.blobs.quarantine(&listed).await.unwrap());
    assert!(world.object(&digest).is_none() && world.blobs.size(&digest).await.unwrap().is_none());
    let aside = format!("sluice/quarantine/sha256-{}", digest.hex());
    assert_eq!(world.s3.objects.lock().unwrap()[&aside], "sound");

    let kept = world.store(b"kept").await;
    let stray = sha256(b"stray");
    world.s3.objects.lock().unwrap().insert(format!("sluice/sha256/{}", stray.hex()), "stray".into());
    let old = Duration::ZERO;
    assert_eq!(world.blobs.stray_objects(old).await.unwrap(), std::slice::from_ref(&stray));
    assert_eq!(world.blobs.stray_objects(Duration::MAX).await.unwrap(), []);
    assert!(!world.blobs.remove_stray(&kept).await.unwrap());
    assert!(world.blobs.remove_stray(&stray).await.unwrap());
    assert!(world.object(&stray).is_none() && world.object(&kept).is_some());
}

#[tokio::test]
async fn a_folder_keeps_to_its_bucket() {
    let world = World::start().await;
    let digest = world.store(b"bytes").await;
    for other in [None, Some(options(&world.endpoint, "s3://images/other"))] {
        let refused = Blobs::open_in(world.folder.path(), u64::MAX, other).await.err().unwrap();
        assert!(matches!(refused, BlobError::OtherBucket { .. }), "{refused}");
    }
    let again = options(&world.endpoint, "s3://images/sluice/");
    let again = Blobs::open_in(world.folder.path(), u64::MAX, Some(again)).await.unwrap();
    assert_eq!(again.get(&digest).await.unwrap().unwrap().read_all(10).await.unwrap(), "bytes");

    let fresh = tempfile::tempdir().unwrap();
    let mut stranger = options(&world.endpoint, "s3://images");
    stranger.settings[0].1 = "AKIASTRANGER".to_owned();
    assert!(!format!("{stranger:?}").contains("secret"));
    for wrong in [stranger, options(&world.endpoint, "s3://nothing")] {
        let refused = Blobs::open_in(fresh.path(), u64::MAX, Some(wrong)).await.err().unwrap();
        assert!(matches!(refused, BlobError::Bucket { .. }), "{refused}");
    }
    // Nothing was written down: the folder is still open to any.
    Blobs::open(fresh.path()).await.unwrap();
}
