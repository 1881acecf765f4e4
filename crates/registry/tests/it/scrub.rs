//! Rot is found, named and set aside, and a push heals it.

use reqwest::{Method, StatusCode};

use crate::support::{Answer, TestRegistry, index, sha256};

const NO_LIMIT: u64 = u64::MAX;

#[tokio::test]
async fn a_rotten_blob_is_set_aside_with_the_names_of_the_images_that_it_hurts() {
    let test = TestRegistry::open().await;
    let image = test.push("a", "v1", b"a layer that rots").await;
    test.put_manifest("a", "both", &index(&[&image])).await.is(StatusCode::CREATED);
    test.push("b", "other", b"a sound layer").await;
    test.push("c", "short", b"a layer that is cut off").await;
    let sound = test.registry.scrub(NO_LIMIT).await.unwrap();
    assert_eq!((sound.blobs, sound.rotten.len(), sound.missing.len()), (8, 0, 0));

    let path = |digest: &sluice_model::Digest| {
        test.folder.path().join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
    };
    let (rots, cut) = (sha256(b"a layer that rots"), sha256(b"a layer that is cut off"));
    let lost = sha256(b"a sound layer");
    std::fs::write(path(&rots), b"a layer that rotS").unwrap();
    std::fs::write(path(&cut), b"a layer").unwrap();
    std::fs::remove_file(path(&lost)).unwrap();
    let found = test.registry.scrub(NO_LIMIT).await.unwrap();
    let told = |damages: &[sluice_registry::Damage]| {
        let mut told: Vec<_> = damages.iter().map(|one| (one.digest.clone(), one.images.clone())).collect();
        told.sort();
        told
    };
    let named = |digest: &sluice_model::Digest, images: &[&str]| {
        (digest.clone(), images.iter().map(|image| (*image).to_owned()).collect::<Vec<_>>())
    };
    let mut expected = vec![named(&rots, &["a:both", "a:v1"]), named(&cut, &["c:short"])];
    expected.sort();
    assert_eq!(told(&found.rotten), expected);
    assert_eq!(told(&found.missing), [named(&lost, &["b:other"])]);
    assert!(found.rotten.iter().all(|one| one.problem.contains("have the digest sha256:")), "{found:?}");

    // Nobody gets wrong bytes, nor a manifest's promise of them.
    test.get(&format!("/v2/a/blobs/{rots}")).await.refuses(404, "BLOB_UNKNOWN");
    test.head(&format!("/v2/a/blobs/{rots}")).await.is(StatusCode::NOT_FOUND);
    assert!(test.folder.path().join("blobs/quarantine").join(format!("sha256-{}", rots.hex())).exists());
    // The next push of it heals the image.
    test.push("a", "v1", b"a layer that rots").await;
    let healed = Answer::of(test.request(Method::GET, &format!("/v2/a/blobs/{rots}"))).await;
    assert_eq!(healed.body, b"a layer that rots");
    assert!(test.registry.scrub(NO_LIMIT).await.unwrap().rotten.is_empty());
}

#[tokio::test]
async fn a_scrub_reads_no_faster_than_it_may() {
    let test = TestRegistry::open().await;
    test.put_blob("a", &vec![1; 30_000]).await;
    let began = std::time::Instant::now();
    test.registry.scrub(100_000).await.unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_millis(290), "{:?}", began.elapsed());
}
