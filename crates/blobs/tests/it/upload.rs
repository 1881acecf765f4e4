use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sluice_blobs::{Algorithm, BlobError, Blobs, digest_of};

fn body(text: &'static str) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a/b").await.unwrap();
    assert_eq!(blobs.append(id, "a/b", None, body("hello, ")).await.unwrap(), 7);
    drop(blobs);

    let blobs = Blobs::open(folder.path()).await.unwrap();
    assert_eq!(blobs.upload_length(id, "a/b").await.unwrap(), 7);
    assert_eq!(blobs.append(id, "a/b", Some(7), body("world")).await.unwrap(), 12);
    let digest = digest_of(Algorithm::Sha512, b"hello, world");
    let stored = blobs.finish_upload(id, "a/b", &digest).await.unwrap();
    assert_eq!((stored.digest, stored.size_bytes), (digest, 12));
    assert!(matches!(blobs.upload_length(id, "a/b").await, Err(BlobError::UploadUnknown(_))));
}

#[tokio::test]
async fn a_chunk_out_of_order_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a").await.unwrap();
    blobs.append(id, "a", Some(0), body("abc")).await.unwrap();
    for wrong in [0, 2, 4, u64::MAX] {
        let refused = blobs.append(id, "a", Some(wrong), body("x")).await;
        assert!(matches!(refused, Err(BlobError::OutOfOrder { expected: 3, .. })), "{refused:?}");
    }
    assert_eq!(blobs.upload_length(id, "a").await.unwrap(), 3);
}

#[tokio::test]
async fn what_arrived_before_the_sender_broke_off_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a").await.unwrap();
    let broken = body("abc").chain(stream::iter([Err(io::Error::other("reset"))]));
    let refused = blobs.append(id, "a", None, broken).await;
    assert!(matches!(refused, Err(BlobError::Interrupted(_))), "{refused:?}");
    assert_eq!(blobs.append(id, "a", Some(3), body("def")).await.unwrap(), 6);
    let digest = digest_of(Algorithm::Sha256, b"abcdef");
    blobs.finish_upload(id, "a", &digest).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_dropped_lets_go_of_its_upload() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a").await.unwrap();
    let endless = body("abc").chain(stream::pending());
    let cut = tokio::time::timeout(Duration::from_millis(50), blobs.append(id, "a", None, endless)).await;
    assert!(cut.is_err());
    let length = blobs.upload_length(id, "a").await.unwrap();
    assert!(length == 0 || length == 3, "{length}");
}

#[tokio::test]
async fn an_upload_is_found_only_in_its_scope() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a").await.unwrap();
    blobs.append(id, "a", None, body("abc")).await.unwrap();
    assert!(matches!(blobs.append(id, "b", None, body("x")).await, Err(BlobError::UploadUnknown(_))));
    assert_eq!(blobs.upload_length(id, "a").await.unwrap(), 3);
    blobs.cancel_upload(id, "a").await.unwrap();
    assert!(matches!(blobs.cancel_upload(id, "a").await, Err(BlobError::UploadUnknown(_))));
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    let id = blobs.begin_upload("a").await.unwrap();
    blobs.append(id, "a", None, body("abc")).await.unwrap();
    let other = digest_of(Algorithm::Sha256, b"other");
    let wrong = blobs.finish_upload(id, "a", &other).await;
    assert!(matches!(wrong, Err(BlobError::DigestMismatch { .. })), "{wrong:?}");
    assert!(matches!(blobs.upload_length(id, "a").await, Err(BlobError::UploadUnknown(_))));
}

#[tokio::test]
async fn idle_uploads_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).await.unwrap();
    for _ in 0..300 {
        let id = blobs.begin_upload("a").await.unwrap();
        blobs.append(id, "a", None, body("abc")).await.unwrap();
    }
    assert_eq!(blobs.sweep_uploads(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(blobs.sweep_uploads(Duration::ZERO).await.unwrap(), 300);
}
