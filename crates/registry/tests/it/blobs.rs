use reqwest::{Method, StatusCode};

use crate::support::{Answer, TestRegistry, sha256};

#[tokio::test]
async fn a_blob_is_read_whole_in_part_and_by_head() {
    let test = TestRegistry::open().await;
    let digest = test.put_blob("a/b", b"0123456789").await;
    let path = format!("/v2/a/b/blobs/{digest}");

    let whole = test.get(&path).await;
    whole.is(StatusCode::OK);
    assert_eq!(whole.body, b"0123456789");
    assert_eq!(whole.header("content-length"), "10");
    assert_eq!(whole.header("docker-content-digest"), digest.as_str());
    assert_eq!(whole.header("accept-ranges"), "bytes");

    let head = test.head(&path).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "10", 0));

    for (range, status, content_range, body) in [
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=-2", 206, "bytes 8-9/10", "89"),
        ("bytes=9-99", 206, "bytes 9-9/10", "9"),
        ("bytes=1-2,4-5", 200, "", "0123456789"),
        ("bytes=4-2", 200, "", "0123456789"),
    ] {
        let part = Answer::of(test.request(Method::GET, &path).header("range", range)).await;
        assert_eq!((part.status.as_u16(), part.body), (status, body.as_bytes().to_vec()), "{range}");
        let seen = part.headers.get("content-range").map_or("", |value| value.to_str().unwrap());
        assert_eq!(seen, content_range);
    }
    let behind = Answer::of(test.request(Method::GET, &path).header("range", "bytes=10-")).await;
    assert_eq!((behind.status.as_u16(), behind.header("content-range")), (416, "bytes */10"));

    let etag = whole.header("etag").to_owned();
    let known = Answer::of(test.request(Method::GET, &path).header("if-none-match", &etag)).await;
    known.is(StatusCode::NOT_MODIFIED);
    let other = test.request(Method::GET, &path).header("range", "bytes=1-2").header("if-range", "\"other\"");
    Answer::of(other).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_large_blob_comes_back_as_it_went() {
    let test = TestRegistry::open().await;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let digest = test.put_blob("a", &bytes).await;
    assert!(test.get(&format!("/v2/a/blobs/{digest}")).await.body == bytes);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let test = TestRegistry::open().await;
    let digest = test.put_blob("a", b"").await;
    let read = test.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!((read.status, read.header("content-length")), (StatusCode::OK, "0"));
}

#[tokio::test]
async fn a_blob_belongs_to_the_repositories_that_have_it() {
    let test = TestRegistry::open().await;
    let digest = test.put_blob("a", b"bytes").await;
    test.get(&format!("/v2/b/blobs/{digest}")).await.refuses(404, "BLOB_UNKNOWN");
    test.delete(&format!("/v2/b/blobs/{digest}")).await.refuses(404, "BLOB_UNKNOWN");
    test.put_blob("b", b"bytes").await;
    test.delete(&format!("/v2/a/blobs/{digest}")).await.is(StatusCode::ACCEPTED);
    test.get(&format!("/v2/a/blobs/{digest}")).await.refuses(404, "BLOB_UNKNOWN");
    test.get(&format!("/v2/b/blobs/{digest}")).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_blob_that_a_manifest_names_stays() {
    let test = TestRegistry::open().await;
    let manifest = test.push("a", "v1", b"layer").await;
    let layer = sha256(b"layer");
    test.delete(&format!("/v2/a/blobs/{layer}")).await.refuses(405, "UNSUPPORTED");
    let digest = sha256(manifest.as_bytes());
    test.delete(&format!("/v2/a/manifests/{digest}")).await.is(StatusCode::ACCEPTED);
    test.delete(&format!("/v2/a/blobs/{layer}")).await.is(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_sweep_takes_only_what_nobody_has() {
    let test = TestRegistry::open().await;
    test.push("a", "v1", b"kept").await;
    let gone = test.put_blob("a", b"gone").await;
    test.delete(&format!("/v2/a/blobs/{gone}")).await.is(StatusCode::ACCEPTED);
    let young = test.registry.sweep(std::time::Duration::from_secs(3600)).await.unwrap();
    assert_eq!((young.blobs, young.bytes), (0, 0));
    let swept = test.registry.sweep(std::time::Duration::ZERO).await.unwrap();
    assert_eq!((swept.blobs, swept.bytes), (1, 4));
    test.get("/v2/a/manifests/v1").await.is(StatusCode::OK);
    test.get(&format!("/v2/a/blobs/{}", sha256(b"kept"))).await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_method_that_is_not_there_is_refused() {
    let test = TestRegistry::open().await;
    let digest = sha256(b"");
    for (method, path, allowed) in [
        (Method::PUT, format!("/v2/a/blobs/{digest}"), "GET, HEAD, DELETE"),
        (Method::POST, "/v2/a/manifests/x".to_owned(), "GET, HEAD, PUT, DELETE"),
        (Method::GET, "/v2/a/blobs/uploads/".to_owned(), "POST"),
        (Method::DELETE, "/v2/a/tags/list".to_owned(), "GET"),
        (Method::POST, "/v2/".to_owned(), "GET, HEAD"),
        (Method::POST, "/v2/token".to_owned(), "GET"),
    ] {
        let answer = Answer::of(test.request(method, &path)).await;
        assert_eq!(answer.refuses(405, "UNSUPPORTED").header("allow"), allowed, "{path}");
    }
}
