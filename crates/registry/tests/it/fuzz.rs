//! Seeded random input: the same seeds every time, and a failure names its seed.

use reqwest::Method;
use serde_json::json;
use sluice_registry::{ImageRepository, Manifest, Reference};

use crate::support::{Answer, Random, TestRegistry, image, sha256};

const SEEDS: u64 = 3_000;

fn mutate(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len().max(1));
        match random.below(4) {
            0 if !bytes.is_empty() => bytes[at] = random.below(256) as u8,
            1 if !bytes.is_empty() => drop(bytes.remove(at)),
            2 => bytes.insert(at.min(bytes.len()), b"\"{}[],:/.%_-0aA\0"[random.below(16)]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn no_text_makes_a_manifest_panic() {
    let digest = sha256(b"{}");
    let right = image(&[(digest.clone(), 2)], &[(digest, 2)], json!({ "annotations": { "a": "b" } }));
    let mut taken = 0;
    for seed in 0..SEEDS {
        let text = mutate(&mut Random::new(seed), &right);
        // What is taken must have a form that its own parser writes and reads again.
        if let Ok((manifest, media_type)) = Manifest::parse(&text, None) {
            taken += 1;
            let written = match &manifest {
                Manifest::Image(image) => serde_json::to_vec(image),
                Manifest::Index(index) => serde_json::to_vec(index),
            };
            let again = Manifest::parse(&written.unwrap(), Some(&media_type)).unwrap();
            assert_eq!(again.0, manifest, "seed {seed}");
        }
    }
    assert!(taken > 0, "every mutation was refused: the test reaches nothing");
}

#[test]
fn a_name_that_is_taken_stays_in_its_folder() {
    let alphabet = ["a", "b0", "..", ".", "/", "_", "__", "-", "%2e", "A", "\0", "ä", "a/b", "a.b"];
    let mut taken = 0;
    for seed in 0..SEEDS * 10 {
        let mut random = Random::new(seed);
        let text: String = (0..=random.below(6)).map(|_| alphabet[random.below(alphabet.len())]).collect();
        if let Ok(name) = text.parse::<ImageRepository>() {
            taken += 1;
            let is_inside = std::path::Path::new(name.as_str())
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(name) if !name.to_string_lossy().starts_with('_')));
            assert!(is_inside, "seed {seed}: {text:?}");
        }
        if let Ok(reference) = text.parse::<Reference>() {
            assert_eq!(reference.to_string(), text, "seed {seed}");
            assert!(!text.contains(['/', '\0']), "seed {seed}: {text:?}");
        }
    }
    assert!(taken > 100, "only {taken} names were taken");
}

#[tokio::test]
async fn no_request_makes_the_registry_fail() {
    let test = TestRegistry::open().await;
    let text = test.push("a/b", "v1", b"0123456789").await;
    let digest = sha256(b"0123456789");
    let upload = test.begin("a/b").await;
    let paths = [
        format!("/v2/a/b/blobs/{digest}"),
        "/v2/a/b/manifests/v1".to_owned(),
        "/v2/a/b/tags/list?n=2&last=a".to_owned(),
        format!("/v2/a/b/referrers/{digest}?artifactType=x"),
        format!("/v2/a/b/blobs/uploads/?mount={digest}&from=a/b"),
        format!("{upload}?digest={digest}"),
        "/v2/_catalog?n=1".to_owned(),
    ];
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH];
    let headers = [
        ("range", "bytes=2-4"),
        ("content-range", "0-9"),
        ("content-type", "application/json"),
        ("authorization", "Basic YTpi"),
        ("if-none-match", "\"x\""),
        ("accept", "*/*"),
    ];
    for seed in 0..SEEDS / 3 {
        let mut random = Random::new(seed);
        let right = &paths[random.below(paths.len())];
        let path = mutate(&mut random, right);
        let path: String =
            path.iter().filter(|b| b.is_ascii_graphic() && **b != b'#').map(|b| *b as char).collect();
        let Ok(url) = test.url(&format!("/{}", path.trim_start_matches('/'))).parse::<reqwest::Url>() else {
            continue;
        };
        let (name, value) = headers[random.below(headers.len())];
        let value = mutate(&mut random, value);
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(&value) else { continue };
        let body = mutate(&mut random, &text);
        let method = methods[random.below(methods.len())].clone();
        let answer =
            Answer::of(test.client.request(method.clone(), url.clone()).header(name, value).body(body)).await;
        assert!(answer.status.as_u16() < 500, "seed {seed}: {method} {url} gave {}", answer.status);
    }
    // It still serves what it had.
    assert_eq!(test.get("/v2/a/b/manifests/v1").await.body, text.as_bytes());
}

#[tokio::test]
async fn every_range_gives_those_bytes() {
    let test = TestRegistry::open().await;
    let bytes = Random::new(7).bytes(100_000);
    let digest = test.put_blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let (first, last) = (random.below(110_000), random.below(110_000));
        let request = test.request(Method::GET, &path).header("range", format!("bytes={first}-{last}"));
        let answer = Answer::of(request).await;
        match answer.status.as_u16() {
            206 => assert!(answer.body == bytes[first..=last.min(bytes.len() - 1)], "seed {seed}"),
            200 => assert!(last < first && answer.body == bytes, "seed {seed}"),
            416 => assert!(first >= bytes.len(), "seed {seed}"),
            other => panic!("seed {seed}: {other}"),
        }
    }
}
