use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sluice_blobs::{Algorithm, digest_of};
use sluice_registry::media_type;

use crate::support::{Answer, TestRegistry, image, index, sha256};

#[tokio::test]
async fn a_manifest_is_read_by_tag_and_by_digest_as_it_was_pushed() {
    let test = TestRegistry::open().await;
    let text = test.push("a/b", "v1", b"layer").await;
    let digest = sha256(text.as_bytes());
    for reference in ["v1", digest.as_str()] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let read = test.get(&path).await;
        read.is(StatusCode::OK);
        assert_eq!(read.body, text.as_bytes());
        assert_eq!(read.header("content-type"), media_type::OCI_MANIFEST);
        assert_eq!(read.header("docker-content-digest"), digest.as_str());
        let head = test.head(&path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(head.header("content-length"), text.len().to_string());
        let known = test.request(Method::GET, &path).header("if-none-match", read.header("etag"));
        Answer::of(known).await.is(StatusCode::NOT_MODIFIED);
    }
    test.get("/v2/a/b/manifests/other").await.refuses(404, "MANIFEST_UNKNOWN");
    test.get("/v2/a/manifests/v1").await.refuses(404, "MANIFEST_UNKNOWN");
    test.get(&format!("/v2/a/b/manifests/{}", sha256(b"other"))).await.refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_push_is_told_with_everything_that_a_run_must_know() {
    let test = TestRegistry::open().await;
    let text = test.push("store/api", "v1", b"layer").await;
    let digest = sha256(text.as_bytes());
    let list = index(&[&text]);
    test.put_manifest("store/api", "all", &list).await.is(StatusCode::CREATED);
    let pushed = test.events.pushed.lock().unwrap().clone();
    assert_eq!(pushed.len(), 2);
    assert_eq!(pushed[0].repository.as_str(), "store/api");
    assert_eq!(pushed[0].tag.as_ref().unwrap().as_str(), "v1");
    assert_eq!((&pushed[0].digest, pushed[0].by.as_str()), (&digest, "anonymous"));
    assert_eq!(pushed[0].config_digest, Some(sha256(b"{}")));
    assert_eq!(pushed[0].size_bytes, text.len() as u64 + 2 + 5);
    assert_eq!(pushed[1].manifests, std::slice::from_ref(&digest));
    assert_eq!(
        (pushed[1].config_digest.clone(), pushed[1].media_type.as_str()),
        (None, media_type::OCI_INDEX)
    );
    let stored = test.registry.manifest(&pushed[0].repository, &digest.into()).await.unwrap();
    assert_eq!(stored.pushes.len(), 1);
    assert_eq!(stored.pushes[0].by.as_str(), "anonymous");
}

#[tokio::test]
async fn a_push_that_cannot_be_told_is_not_acknowledged() {
    let test = TestRegistry::open().await;
    let text = test.push("a", "v1", b"layer").await;
    test.events.failing.store(true, Ordering::SeqCst);
    test.put_manifest("a", "v2", &text).await.refuses(500, "INTERNAL_ERROR");
    test.events.failing.store(false, Ordering::SeqCst);
    test.put_manifest("a", "v2", &text).await.is(StatusCode::CREATED);
    let pushed = test.events.pushed.lock().unwrap();
    assert_eq!(pushed.last().unwrap().tag.as_ref().unwrap().as_str(), "v2");
}

#[tokio::test]
async fn a_manifest_never_names_what_is_not_there() {
    let test = TestRegistry::open().await;
    let config = test.put_blob("a", b"{}").await;
    let elsewhere = test.put_blob("b", b"layer").await;
    let missing = image(&[(config.clone(), 2)], &[(elsewhere.clone(), 5)], json!({}));
    test.put_manifest("a", "v1", &missing).await.refuses(400, "MANIFEST_BLOB_UNKNOWN");
    let no_config = image(&[(sha256(b"none"), 2)], &[], json!({}));
    test.put_manifest("a", "v1", &no_config).await.refuses(400, "MANIFEST_BLOB_UNKNOWN");
    test.put_manifest("a", "v1", &index(&[&missing])).await.refuses(400, "MANIFEST_BLOB_UNKNOWN");
    let wrong_size = image(&[(config.clone(), 3)], &[], json!({}));
    test.put_manifest("a", "v1", &wrong_size).await.refuses(400, "MANIFEST_INVALID");
    test.get("/v2/a/manifests/v1").await.refuses(404, "MANIFEST_UNKNOWN");

    // No layers at all, and a layer that is fetched elsewhere, are both right.
    test.put_manifest("a", "none", &image(&[(config.clone(), 2)], &[], json!({})))
        .await
        .is(StatusCode::CREATED);
    let foreign = json!({ "layers": [{
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": elsewhere.as_str(), "size": 5, "urls": ["https://example.org/layer"],
    }] });
    test.put_manifest("a", "foreign", &image(&[(config, 2)], &[], foreign)).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let test = TestRegistry::open().await;
    let config = test.put_blob("a", b"{}").await;
    let right = image(&[(config, 2)], &[], json!({}));
    for wrong in ["", "{}", "[]", "no json", &right.replace("\"schemaVersion\":2", "\"schemaVersion\":1")] {
        test.put_manifest("a", "v1", wrong).await.refuses(400, "MANIFEST_INVALID");
    }
    let typed = |kind: &str| {
        let request = test.request(Method::PUT, "/v2/a/manifests/v1").header("content-type", kind);
        Answer::of(request.body(right.clone()))
    };
    typed(media_type::DOCKER_MANIFEST).await.refuses(400, "MANIFEST_INVALID");
    typed("application/json").await.refuses(400, "MANIFEST_INVALID");
    typed(&format!("{}; charset=utf-8", media_type::OCI_MANIFEST)).await.is(StatusCode::CREATED);
    test.put_manifest("a", ".wrong", &right).await.refuses(400, "MANIFEST_INVALID");
    test.put_manifest("a", &"x".repeat(129), &right).await.refuses(400, "MANIFEST_INVALID");
    test.put_manifest("a", sha256(b"other").as_str(), &right).await.refuses(400, "DIGEST_INVALID");
    test.put_manifest("a", "sha256:short", &right).await.refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn a_manifest_of_four_mebibytes_is_taken_and_of_five_refused() {
    let test = TestRegistry::open().await;
    let config = test.put_blob("a", b"{}").await;
    let padded = |length: usize| {
        let bare = image(&[(config.clone(), 2)], &[], json!({ "annotations": { "pad": "" } }));
        let pad = "x".repeat(length - bare.len());
        image(&[(config.clone(), 2)], &[], json!({ "annotations": { "pad": pad } }))
    };
    let largest = padded(4 * 1024 * 1024);
    test.put_manifest("a", "large", &largest).await.is(StatusCode::CREATED);
    assert_eq!(test.get("/v2/a/manifests/large").await.body.len(), largest.len());
    test.put_manifest("a", "over", &padded(4 * 1024 * 1024 + 1)).await.refuses(413, "SIZE_INVALID");
    test.put_manifest("a", "over", &padded(5_000_000)).await.refuses(413, "SIZE_INVALID");
}

#[tokio::test]
async fn dockers_media_types_and_sha512_are_taken() {
    let test = TestRegistry::open().await;
    let config = test.put_blob("a", b"{}").await;
    let docker = image(&[(config, 2)], &[], json!({ "mediaType": media_type::DOCKER_MANIFEST }));
    let digest = digest_of(Algorithm::Sha512, docker.as_bytes());
    let put = test.put_manifest("a", digest.as_str(), &docker).await;
    assert_eq!(put.is(StatusCode::CREATED).header("docker-content-digest"), digest.as_str());
    let read = test.get(&format!("/v2/a/manifests/{digest}")).await;
    assert_eq!(read.is(StatusCode::OK).header("content-type"), media_type::DOCKER_MANIFEST);
    let list = json!({ "schemaVersion": 2, "mediaType": media_type::DOCKER_LIST, "manifests": [{
        "mediaType": media_type::DOCKER_MANIFEST, "digest": digest.as_str(), "size": docker.len(),
        "platform": { "os": "linux", "architecture": "amd64" },
    }] });
    test.put_manifest("a", "list", &list.to_string()).await.is(StatusCode::CREATED);
    assert_eq!(test.get("/v2/a/manifests/list").await.header("content-type"), media_type::DOCKER_LIST);
}

#[tokio::test]
async fn deleting_a_tag_keeps_the_manifest_and_deleting_the_manifest_takes_its_tags() {
    let test = TestRegistry::open().await;
    let text = test.push("a", "v1", b"layer").await;
    test.put_manifest("a", "v2", &text).await.is(StatusCode::CREATED);
    test.push("a", "other", b"other").await;
    let digest = sha256(text.as_bytes());
    test.delete("/v2/a/manifests/v1").await.is(StatusCode::ACCEPTED);
    test.delete("/v2/a/manifests/v1").await.refuses(404, "MANIFEST_UNKNOWN");
    test.get(&format!("/v2/a/manifests/{digest}")).await.is(StatusCode::OK);
    test.delete(&format!("/v2/a/manifests/{digest}")).await.is(StatusCode::ACCEPTED);
    test.get("/v2/a/manifests/v2").await.refuses(404, "MANIFEST_UNKNOWN");
    test.get(&format!("/v2/a/manifests/{digest}")).await.refuses(404, "MANIFEST_UNKNOWN");
    assert_eq!(test.get("/v2/a/tags/list").await.json()["tags"], json!(["other"]));
    test.delete(&format!("/v2/a/manifests/{digest}")).await.refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_that_an_index_names_stays() {
    let test = TestRegistry::open().await;
    let text = test.push("a", "v1", b"layer").await;
    let list = index(&[&text]);
    test.put_manifest("a", "all", &list).await.is(StatusCode::CREATED);
    let (image, all) = (sha256(text.as_bytes()), sha256(list.as_bytes()));
    test.delete(&format!("/v2/a/manifests/{image}")).await.refuses(405, "UNSUPPORTED");
    test.delete(&format!("/v2/a/manifests/{all}")).await.is(StatusCode::ACCEPTED);
    test.delete(&format!("/v2/a/manifests/{image}")).await.is(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_immutable_tag_is_set_once() {
    let once = |mut options: sluice_registry::Options| {
        options.immutable_tags = vec!["version*".parse().unwrap()];
        options
    };
    let test = TestRegistry::with(std::sync::Arc::new(sluice_registry::OpenToAll), once).await;
    let text = test.push("a", "version1", b"one").await;
    test.put_manifest("a", "version1", &text).await.is(StatusCode::CREATED);
    let other = test.push("a", "latest", b"two").await;
    test.put_manifest("a", "version1", &other).await.refuses(403, "DENIED");
    test.put_manifest("a", "latest", &text).await.is(StatusCode::CREATED);
    test.delete("/v2/a/manifests/version1").await.refuses(403, "DENIED");
    test.delete(&format!("/v2/a/manifests/{}", sha256(text.as_bytes()))).await.refuses(403, "DENIED");
    test.delete("/v2/a/manifests/version2").await.refuses(404, "MANIFEST_UNKNOWN");
    assert_eq!(test.get("/v2/a/manifests/version1").await.body, text.as_bytes());
}
