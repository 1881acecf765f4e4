//! A repository that holds no more than it may.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, StatusCode};
use sluice_registry::garbage::Keeping;
use sluice_registry::{OpenToAll, Quotas};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, TestRegistry, sha256};

const QUOTA: u64 = 100_000;

async fn open() -> TestRegistry {
    TestRegistry::with(Arc::new(OpenToAll), |mut options| {
        options.quotas = Quotas { each_bytes: Some(QUOTA), ..Quotas::default() };
        options.quotas.named_bytes.insert("large".parse().unwrap(), 2 * QUOTA);
        options
    })
    .await
}

#[tokio::test]
async fn ten_gigabytes_are_refused_before_they_are_sent() {
    let test = open().await;
    let place = test.begin("a").await;
    let zeros = format!("sha256:{}", "0".repeat(64));
    for (method, path) in [("POST", format!("/v2/a/blobs/uploads/?digest={zeros}")), ("PATCH", place.clone())]
    {
        let mut connection = tokio::net::TcpStream::connect(&test.host).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            test.host,
            10u64 << 30
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let mut length = 0;
        // Not a byte of the body is sent: the answer comes all the same.
        while !String::from_utf8_lossy(&answer[..length]).contains("}]}") {
            let read = connection.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("DENIED"), "{answer}");
        assert!(answer.contains("`a` may hold 100000 bytes here and has 0"), "{answer}");
    }
    test.get(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_in_its_middle() {
    let test = open().await;
    let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![1; 10_000]));
    let body = || Body::wrap_stream(futures_util::stream::iter((0..50).map(move |_| piece())));
    let place = test.begin("a").await;
    let chunked = test.request(Method::PATCH, &place).body(body());
    Answer::of(chunked).await.refuses(403, "DENIED");
    test.get(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    let whole = vec![1; 500_000];
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(&whole));
    Answer::of(test.request(Method::POST, &path).body(body())).await.refuses(403, "DENIED");
    let left: Vec<_> = std::fs::read_dir(test.folder.path().join("blobs/uploads")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_is_held_counts_once_and_what_goes_makes_room() {
    let test = open().await;
    let layer = vec![7; 60_000];
    test.push("a", "v1", &layer).await;
    // The same layer again is no more.
    test.push("a", "v2", &layer).await;
    let second = vec![8; 60_000];
    let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(&second));
    let send = || test.request(Method::POST, &path).body(second.clone());
    Answer::of(send()).await.refuses(403, "DENIED");
    // Another repository has a quota of its own, and mounting counts like pushing.
    test.push("b", "v1", &second).await;
    let mount = format!("/v2/a/blobs/uploads/?mount={}&from=b", sha256(&second));
    Answer::of(test.request(Method::POST, &mount)).await.refuses(403, "DENIED");
    test.put_blob("large", &layer).await;
    test.put_blob("large", &second).await;

    for tag in ["v1", "v2"] {
        test.delete(&format!("/v2/a/manifests/{tag}")).await.is(StatusCode::ACCEPTED);
    }
    test.age();
    test.registry.collect(&"a".parse().unwrap(), &Keeping::default()).await.unwrap();
    Answer::of(send()).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn two_uploads_at_once_do_not_fit_where_one_does() {
    let test = open().await;
    let (first, second) = (vec![1; 60_000], vec![2; 60_000]);
    let places = [test.begin("a").await, test.begin("a").await];
    for (place, bytes) in places.iter().zip([&first, &second]) {
        test.chunk(place, 0, bytes).await.is(StatusCode::ACCEPTED);
    }
    let finish = |place: &str, bytes: &[u8]| {
        let path = format!("{place}?digest={}", sha256(bytes));
        Answer::of(test.request(Method::PUT, &path).header(CONTENT_LENGTH, "0"))
    };
    finish(&places[0], &first).await.is(StatusCode::CREATED);
    finish(&places[1], &second).await.refuses(403, "DENIED");
}
