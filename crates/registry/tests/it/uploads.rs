use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Method, StatusCode};
use sluice_blobs::{Algorithm, digest_of};

use crate::support::{Answer, TestRegistry, sha256};

#[tokio::test]
async fn a_blob_is_pushed_in_every_way() {
    let test = TestRegistry::open().await;
    let bytes = b"a blob of some length";

    // POST alone.
    for algorithm in Algorithm::ALL {
        let digest = digest_of(algorithm, bytes);
        let path = format!("/v2/one/blobs/uploads/?digest={digest}");
        let answer = Answer::of(test.request(Method::POST, &path).body(&bytes[..])).await;
        answer.is(StatusCode::CREATED);
        assert_eq!(answer.header("location"), format!("/v2/one/blobs/{digest}"));
        assert_eq!(test.get(answer.header("location")).await.body, bytes);
    }

    // POST, then PUT; the colon of the digest may be escaped.
    let digest = digest_of(Algorithm::Sha512, bytes);
    let place = test.begin("two").await;
    let escaped = digest.as_str().replace(':', "%3A");
    let put = test.request(Method::PUT, &format!("{place}?digest={escaped}")).body(&bytes[..]);
    Answer::of(put).await.is(StatusCode::CREATED);

    // POST, PATCH as a stream of unknown length, PUT: as Docker does it.
    let digest = sha256(bytes);
    let place = test.begin("three").await;
    let pieces = bytes.chunks(5).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
    let body = Body::wrap_stream(stream::iter(pieces.collect::<Vec<_>>()));
    let patched = Answer::of(test.request(Method::PATCH, &place).body(body)).await;
    assert_eq!(patched.is(StatusCode::ACCEPTED).header("range"), "0-20");
    let put = test.request(Method::PUT, &format!("{}?digest={digest}", patched.header("location")));
    Answer::of(put).await.is(StatusCode::CREATED);

    // POST, two chunks, the last one in the PUT.
    let place = test.begin("four").await;
    test.chunk(&place, 0, &bytes[..8]).await.is(StatusCode::ACCEPTED);
    test.chunk(&place, 8, &bytes[8..12]).await.is(StatusCode::ACCEPTED);
    let status = test.get(&place).await;
    assert_eq!(status.is(StatusCode::NO_CONTENT).header("range"), "0-11");
    assert_eq!(status.header("location"), place);
    let put = test.request(Method::PUT, &format!("{place}?digest={digest}"));
    let put = put.header("content-range", "12-20").body(&bytes[12..]);
    Answer::of(put).await.is(StatusCode::CREATED);
    assert_eq!(test.get(&format!("/v2/four/blobs/{digest}")).await.body, bytes);
    test.get(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on() {
    let test = TestRegistry::open().await;
    let place = test.begin("a").await;
    test.chunk(&place, 0, b"abc").await.is(StatusCode::ACCEPTED);
    for wrong in [0, 2, 4] {
        let refused = test.chunk(&place, wrong, b"xyz").await;
        refused.refuses(416, "BLOB_UPLOAD_INVALID");
        assert_eq!((refused.header("range"), refused.header("location")), ("0-2", place.as_str()));
    }
    test.chunk(&place, 3, b"def").await.is(StatusCode::ACCEPTED);
    let path = format!("{place}?digest={}", sha256(b"abcdef"));
    Answer::of(test.request(Method::PUT, &path)).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn a_chunk_that_is_not_what_it_says_is_refused() {
    let test = TestRegistry::open().await;
    let place = test.begin("a").await;
    for (range, code) in [
        ("0-2", "SIZE_INVALID"),
        ("0-4", "SIZE_INVALID"),
        ("bytes 0-3/4", "BLOB_UPLOAD_INVALID"),
        ("3-0", "BLOB_UPLOAD_INVALID"),
        ("", "BLOB_UPLOAD_INVALID"),
    ] {
        let request = test.request(Method::PATCH, &place).header("content-range", range).body("abcd");
        Answer::of(request).await.refuses(400, code);
    }
    // The same without a Content-Length: more than announced is not written, less is kept.
    let stream = |text: &'static str| Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(text)]));
    let long = test.request(Method::PATCH, &place).header("content-range", "0-2").body(stream("abcd"));
    Answer::of(long).await.refuses(400, "SIZE_INVALID");
    assert_eq!(test.get(&place).await.header("range"), "0-0");
    let short = test.request(Method::PATCH, &place).header("content-range", "0-9").body(stream("abcd"));
    Answer::of(short).await.refuses(400, "SIZE_INVALID");
    assert_eq!(test.get(&place).await.header("range"), "0-3");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_what_arrived() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let test = TestRegistry::open().await;
    let place = test.begin("a").await;
    let mut connection = tokio::net::TcpStream::connect(&test.host).await.unwrap();
    let head =
        format!("PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Range: 0-999\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(b"abc").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // Whatever the server says, it has let go of the upload when it hangs up.
    let _ = connection.read_to_end(&mut answer).await;
    let status = test.get(&place).await;
    status.is(StatusCode::NO_CONTENT);
    assert_eq!(status.header("range"), "0-2");
    test.chunk(&place, 3, b"def").await.is(StatusCode::ACCEPTED);
    let path = format!("{place}?digest={}", sha256(b"abcdef"));
    Answer::of(test.request(Method::PUT, &path)).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_leaves_nothing() {
    let test = TestRegistry::open().await;
    let other = sha256(b"other");
    let alone = test.request(Method::POST, &format!("/v2/a/blobs/uploads/?digest={other}")).body("bytes");
    Answer::of(alone).await.refuses(400, "DIGEST_INVALID");
    let place = test.begin("a").await;
    let put = test.request(Method::PUT, &format!("{place}?digest={other}")).body("bytes");
    Answer::of(put).await.refuses(400, "DIGEST_INVALID");
    test.get(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    test.get(&format!("/v2/a/blobs/{other}")).await.refuses(404, "BLOB_UNKNOWN");
    for wrong in ["", "?digest=", "?digest=sha256:aa", "?digest=md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let place = test.begin("a").await;
        let put = test.request(Method::PUT, &format!("{place}{wrong}")).body("bytes");
        Answer::of(put).await.refuses(400, "DIGEST_INVALID");
    }
    let left = std::fs::read_dir(test.folder.path().join("blobs/uploads")).unwrap().count();
    assert_eq!(left, 4, "only the uploads that no PUT with a digest reached are left");
}

#[tokio::test]
async fn an_upload_is_cancelled_and_belongs_to_its_repository() {
    let test = TestRegistry::open().await;
    let place = test.begin("a").await;
    let elsewhere = place.replace("/v2/a/", "/v2/b/");
    test.get(&elsewhere).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    test.delete(&elsewhere).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    test.delete(&place).await.is(StatusCode::NO_CONTENT);
    test.delete(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    test.get("/v2/a/blobs/uploads/not-an-upload").await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_has_it() {
    let test = TestRegistry::open().await;
    let digest = test.put_blob("from", b"bytes").await;
    let mount = |to: &str, query: &str| {
        let path = format!("/v2/{to}/blobs/uploads/?mount={digest}{query}");
        Answer::of(test.request(Method::POST, &path))
    };
    let mounted = mount("to", "&from=from").await;
    assert_eq!(mounted.is(StatusCode::CREATED).header("location"), format!("/v2/to/blobs/{digest}"));
    assert_eq!(test.get(mounted.header("location")).await.body, b"bytes");
    // From a repository without it, or from nowhere: an upload is opened instead.
    for query in ["&from=nowhere", ""] {
        let opened = mount("other", query).await;
        assert!(opened.is(StatusCode::ACCEPTED).header("location").starts_with("/v2/other/blobs/uploads/"));
    }
    mount("to", "&from=../climbs").await.refuses(400, "NAME_INVALID");
}

#[tokio::test]
async fn a_blob_over_the_limit_is_refused() {
    let limit = |mut options: sluice_registry::Options| {
        options.blob_limit_bytes = 1000;
        options
    };
    let test = TestRegistry::with(std::sync::Arc::new(sluice_registry::OpenToAll), limit).await;
    let digest = sha256(&[7; 1001]);
    let post =
        test.request(Method::POST, &format!("/v2/a/blobs/uploads/?digest={digest}")).body(vec![7; 1001]);
    Answer::of(post).await.refuses(413, "SIZE_INVALID");
    let place = test.begin("a").await;
    test.chunk(&place, 0, &[7; 600]).await.is(StatusCode::ACCEPTED);
    test.chunk(&place, 600, &[7; 401]).await.refuses(413, "SIZE_INVALID");
    test.put_blob("a", &[7; 1000]).await;
}

#[tokio::test]
async fn parallel_pushes_of_shared_layers_all_arrive() {
    let test = TestRegistry::open().await;
    let layer = vec![5; 300_000];
    let push = |n: usize| {
        let (test, layer) = (&test, &layer);
        async move {
            let name = format!("shared/{}", n % 3);
            test.push(&name, &format!("v{n}"), layer).await;
            test.put_blob(&name, format!("own {n}").as_bytes()).await;
        }
    };
    futures_util::future::join_all((0..24).map(push)).await;
    for n in 0..24 {
        test.get(&format!("/v2/shared/{}/manifests/v{n}", n % 3)).await.is(StatusCode::OK);
    }
    assert_eq!(test.events.pushed.lock().unwrap().len(), 24);
}
