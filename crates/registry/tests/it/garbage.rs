//! What is removed, what stays, and that pushes go on meanwhile.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use sluice_registry::garbage::Keeping;
use sluice_registry::{ImageRepository, media_type};

use crate::support::{Answer, Random, TestRegistry, image, index, sha256};

fn a() -> ImageRepository {
    "a".parse().unwrap()
}

#[tokio::test]
async fn what_nothing_refers_to_goes_and_the_rest_is_served_as_before() {
    let test = TestRegistry::open().await;
    let kept = test.push("a", "v1", b"layer of v1").await;
    let moved = test.push("a", "v2", b"the first layer of v2").await;
    let newer = test.push("a", "v2", b"the second layer of v2").await;
    let subject = json!({ "mediaType": media_type::OCI_MANIFEST, "digest": sha256(moved.as_bytes()).as_str(), "size": moved.len() });
    let config = test.put_blob("a", b"{}").await;
    let about = image(&[(config, 2)], &[], json!({ "subject": subject }));
    test.put_manifest("a", sha256(about.as_bytes()).as_str(), &about).await.is(StatusCode::CREATED);
    let young = test.registry.garbage(&a(), &Keeping::default()).await.unwrap();
    assert!(young.is_empty(), "{young:?}");

    test.age();
    let planned = test.registry.garbage(&a(), &Keeping::default()).await.unwrap();
    let would_go = test.registry.would_free(Duration::ZERO, std::slice::from_ref(&planned)).await.unwrap();
    let gone = test.registry.collect(&a(), &Keeping::default()).await.unwrap();
    assert_eq!(gone, planned);
    assert_eq!((gone.tags.len(), gone.manifests.len(), gone.blobs.len()), (0, 2, 1));
    assert!(test.registry.garbage(&a(), &Keeping::default()).await.unwrap().is_empty());
    // Its bytes stay until the sweep.
    let swept = test.registry.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((swept.blobs, swept.bytes), (3, gone.size_bytes()));
    assert_eq!(would_go, swept);
    for (tag, text) in [("v1", &kept), ("v2", &newer)] {
        assert_eq!(test.get(&format!("/v2/a/manifests/{tag}")).await.body, text.as_bytes());
    }
    for layer in [&b"layer of v1"[..], b"the second layer of v2"] {
        test.get(&format!("/v2/a/blobs/{}", sha256(layer))).await.is(StatusCode::OK);
    }
    let old = sha256(moved.as_bytes());
    test.get(&format!("/v2/a/manifests/{old}")).await.refuses(404, "MANIFEST_UNKNOWN");
    test.get(&format!("/v2/a/blobs/{}", sha256(b"the first layer of v2"))).await.refuses(404, "BLOB_UNKNOWN");
    assert_eq!(test.get(&format!("/v2/a/referrers/{old}")).await.json()["manifests"], json!([]));
}

#[tokio::test]
async fn what_the_server_keeps_and_what_an_index_names_stays() {
    let test = TestRegistry::open().await;
    let released = test.push("a", "v1", b"released").await;
    let part = test.push("a", "part", b"part").await;
    test.put_manifest("a", "both", &index(&[&part])).await.is(StatusCode::CREATED);
    test.delete("/v2/a/manifests/v1").await.is(StatusCode::ACCEPTED);
    test.delete("/v2/a/manifests/part").await.is(StatusCode::ACCEPTED);
    test.age();
    let digest = sha256(released.as_bytes());
    let mut keeping = Keeping::default();
    keeping.manifests.insert(digest.clone(), "release version1".to_owned());
    assert!(test.registry.collect(&a(), &keeping).await.unwrap().is_empty());
    let gone = test.registry.collect(&a(), &Keeping::default()).await.unwrap();
    assert_eq!(gone.manifests.iter().map(|gone| &gone.what).collect::<Vec<_>>(), [&digest]);
}

#[tokio::test]
async fn a_blob_that_a_client_asks_about_stays_for_its_manifest() {
    let test = TestRegistry::open().await;
    let layer = test.put_blob("a", b"a layer of long ago").await;
    let config = test.put_blob("a", b"{}").await;
    test.age();
    test.head(&format!("/v2/a/blobs/{layer}")).await.is(StatusCode::OK);
    let gone = test.registry.collect(&a(), &Keeping::default()).await.unwrap();
    assert_eq!(gone.blobs.iter().map(|gone| &gone.what).collect::<Vec<_>>(), [&config]);
    // Sending it again makes it wanted too.
    test.age();
    test.put_blob("a", b"a layer of long ago").await;
    assert!(test.registry.collect(&a(), &Keeping::default()).await.unwrap().is_empty());
}

/// Old images lose their tags to new ones while clients push, and every push that is acknowledged is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_go_on_while_garbage_is_collected() {
    const ROUNDS: u64 = 12;
    let test = TestRegistry::open().await;
    for n in 0..80u32 {
        test.push("a", "moving", &n.to_be_bytes()).await;
    }
    test.age();
    let collecting = async {
        let mut gone = 0;
        for _ in 0..ROUNDS {
            gone += test.registry.collect(&a(), &Keeping::default()).await.unwrap().manifests.len();
            test.registry.sweep(Duration::ZERO).await.unwrap();
        }
        gone
    };
    let pushing = async {
        let mut pushed = Vec::new();
        for n in 0..ROUNDS {
            // Layers that the old images have too, and that only these kept alive.
            let layer = (Random::new(n).below(80) as u32).to_be_bytes();
            let tag = format!("new{n}");
            pushed.push((test.push("a", &tag, &layer).await, tag, layer));
        }
        pushed
    };
    let (gone, pushed) = tokio::join!(collecting, pushing);
    assert!(gone >= 60, "{gone} old manifests went");
    for (text, tag, layer) in pushed {
        assert_eq!(test.get(&format!("/v2/a/manifests/{tag}")).await.body, text.as_bytes());
        let answer = test.get(&format!("/v2/a/blobs/{}", sha256(&layer))).await;
        assert_eq!(answer.is(StatusCode::OK).body, layer);
    }
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_thrown_away() {
    let test = TestRegistry::open().await;
    let place = test.begin("a").await;
    test.chunk(&place, 0, b"half").await.is(StatusCode::ACCEPTED);
    assert_eq!(test.registry.sweep_uploads(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(test.registry.sweep_uploads(Duration::ZERO).await.unwrap(), 1);
    // Neither the file that this process had open nor its name is left.
    test.get(&place).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
    let finish = test.request(reqwest::Method::PUT, &format!("{place}?digest={}", sha256(b"half")));
    Answer::of(finish).await.refuses(404, "BLOB_UPLOAD_UNKNOWN");
}
