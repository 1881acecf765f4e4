use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_blobs::{Algorithm, BlobError, Blobs, digest_of};

/// A blob store in a folder that goes away with it.
async fn store() -> (tempfile::TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path().join("blobs")).await.unwrap();
    (folder, blobs)
}

fn pieces(bytes: &[u8], size: usize) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + use<> {
    let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

async fn read(blobs: &Blobs, digest: &sluice_model::Digest, range: std::ops::Range<u64>) -> Vec<u8> {
    let file = blobs.get(digest).await.unwrap().expect("the blob is there");
    let bytes: Vec<Bytes> = file.stream(range).try_collect().await.unwrap();
    bytes.concat()
}

fn files_under(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_under(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn what_is_written_is_read_back_under_both_algorithms() {
    let (_folder, blobs) = store().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for algorithm in Algorithm::ALL {
        let digest = digest_of(algorithm, &bytes);
        let stored = blobs.write(pieces(&bytes, 70_000), Some(&digest)).await.unwrap();
        assert_eq!((&stored.digest, stored.size_bytes), (&digest, 3_000_000));
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(3_000_000));
        assert_eq!(read(&blobs, &digest, 0..u64::MAX).await, bytes);
        assert_eq!(read(&blobs, &digest, 600_000..1_700_001).await, bytes[600_000..1_700_001]);
        assert_eq!(read(&blobs, &digest, 2_999_999..9_999_999).await, bytes[2_999_999..]);
        assert!(read(&blobs, &digest, 5_000_000..9_999_999).await.is_empty());
    }
    assert_eq!(blobs.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_is_left_of_a_wrong_or_broken_write() {
    let (folder, blobs) = store().await;
    let other = digest_of(Algorithm::Sha256, b"other");
    let wrong = blobs.write(pieces(b"bytes", 2), Some(&other)).await;
    assert!(matches!(wrong, Err(BlobError::DigestMismatch { .. })), "{wrong:?}");
    let wrong = blobs.put(&b"bytes"[..], Some(&other)).await;
    assert!(matches!(wrong, Err(BlobError::DigestMismatch { .. })), "{wrong:?}");
    let broken = pieces(b"bytes", 2).chain(stream::iter([Err(io::Error::other("gone"))]));
    let broken = blobs.write(broken, None).await;
    assert!(matches!(broken, Err(BlobError::Interrupted(_))), "{broken:?}");
    assert_eq!(files_under(folder.path()), 0);
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_and_deleted_once() {
    let (folder, blobs) = store().await;
    let first = blobs.put(&b"same"[..], None).await.unwrap();
    let second = blobs.write(pieces(b"same", 1), None).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(files_under(folder.path()), 1);
    assert!(blobs.delete(&first.digest).await.unwrap());
    assert!(!blobs.delete(&first.digest).await.unwrap());
    assert!(blobs.get(&first.digest).await.unwrap().is_none());
}

#[tokio::test]
async fn an_open_blob_outlives_its_deletion() {
    let (_folder, blobs) = store().await;
    let stored = blobs.put(&b"still here"[..], None).await.unwrap();
    let file = blobs.get(&stored.digest).await.unwrap().unwrap();
    blobs.delete(&stored.digest).await.unwrap();
    assert_eq!(file.read_all(100).await.unwrap(), "still here");
    assert!(file.read_all(3).await.is_err());
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_with_limit(folder.path(), 1_000_000).await.unwrap();
    let bytes = vec![7; 1_000_001];
    let over = blobs.write(pieces(&bytes, 1_000), None).await;
    assert!(matches!(over, Err(BlobError::TooLarge { limit_bytes: 1_000_000 })), "{over:?}");
    let over = blobs.put(bytes.clone(), None).await;
    assert!(matches!(over, Err(BlobError::TooLarge { .. })), "{over:?}");
    assert_eq!(blobs.write(pieces(&bytes[1..], 1_000), None).await.unwrap().size_bytes, 1_000_000);
}

#[tokio::test]
async fn many_writers_of_one_blob_agree() {
    let (_folder, blobs) = store().await;
    let bytes = vec![3; 200_000];
    let writes = (0..16).map(|_| blobs.write(pieces(&bytes, 9_000), None));
    let stored: Vec<_> = futures_util::future::try_join_all(writes).await.unwrap();
    assert!(stored.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(read(&blobs, &stored[0].digest, 0..u64::MAX).await, bytes);
}
