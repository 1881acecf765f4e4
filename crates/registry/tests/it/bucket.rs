//! A registry whose layers are in a bucket.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use sluice_registry::{OpenToAll, Options};

use crate::s3::{S3, options};
use crate::support::{Answer, Random, TestRegistry, sha256};

#[tokio::test]
async fn layers_are_pushed_pulled_scrubbed_and_swept_in_a_bucket() {
    let (s3, endpoint) = S3::start().await;
    let bucket = Some(options(&endpoint, "s3://images/sluice"));
    let test = TestRegistry::with(Arc::new(OpenToAll), |options| Options { bucket, ..options }).await;
    let layer = Random::new(3).bytes(300_000);
    let digest = sha256(&layer);
    let manifest = test.push("a", "v1", &layer).await;
    let key = format!("sluice/sha256/{}", digest.hex());
    assert!(s3.objects.lock().unwrap()[&key] == layer);
    // The configuration and the layer; the manifest is on the disk.
    assert_eq!(s3.objects.lock().unwrap().len(), 2);

    assert_eq!(test.get("/v2/a/manifests/v1").await.body, manifest.as_bytes());
    let blob = format!("/v2/a/blobs/{digest}");
    assert_eq!(test.head(&blob).await.is(StatusCode::OK).header("content-length"), "300000");
    assert!(test.get(&blob).await.is(StatusCode::OK).body == layer);
    let range = test.request(Method::GET, &blob).header("range", "bytes=299990-");
    assert!(Answer::of(range).await.is(StatusCode::PARTIAL_CONTENT).body == layer[299_990..]);
    // Another repository has it without a byte being sent again.
    s3.asked();
    let mount = test.request(Method::POST, &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"));
    Answer::of(mount).await.is(StatusCode::CREATED);
    assert_eq!(s3.asked(), [] as [&str; 0]);

    let mut rotten = layer.clone();
    rotten[7] ^= 1;
    s3.objects.lock().unwrap().insert(key.clone(), rotten.into());
    let scrubbed = test.registry.scrub(u64::MAX).await.unwrap();
    assert_eq!((scrubbed.rotten.len(), scrubbed.rotten[0].images.clone()), (1, vec!["a:v1".to_owned()]));
    test.get(&blob).await.refuses(404, "BLOB_UNKNOWN");
    test.push("a", "v1", &layer).await;
    assert!(test.get(&blob).await.is(StatusCode::OK).body == layer);

    test.delete(&format!("/v2/a/manifests/{}", sha256(manifest.as_bytes()))).await.is(StatusCode::ACCEPTED);
    for repository in ["a", "b"] {
        test.delete(&format!("/v2/{repository}/blobs/{digest}")).await.is(StatusCode::ACCEPTED);
    }
    test.registry.sweep(Duration::ZERO).await.unwrap();
    assert!(!s3.objects.lock().unwrap().contains_key(&key));
    s3.objects.lock().unwrap().insert(key.clone(), "left by a crash".into());
    test.registry.sweep_uploads(Duration::ZERO).await.unwrap();
    assert!(!s3.objects.lock().unwrap().contains_key(&key));
}
