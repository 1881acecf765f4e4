//! What `sluice serve` lets the registry do: seen by its clients.

use reqwest::{Method, StatusCode};
use sluice_registry::image;
use sluice_server::RegistryOptions;

use crate::registry::{location, push};
use crate::world::World;

/// What the registry answers to a request, with the administrator's token or without one.
async fn ask(world: &World, method: Method, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", world.url));
    let request = match token {
        Some(token) => request.basic_auth("admin", Some(token)),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_is_set_once_and_stays() {
    let immutable_tags = vec!["version*".parse().unwrap()];
    let mut world =
        World::with_registry(RegistryOptions { immutable_tags, ..RegistryOptions::default() }).await;
    let token = world.token().await;
    let first = push(&world, "shop/api:version1", &token, "first").await;
    // The same again is no change.
    assert_eq!(push(&world, "shop/api:version1", &token, "first").await, first);
    let second = push(&world, "shop/api:latest", &token, "second").await;
    let from = location(&world, &format!("shop/api@{second}"), &token);
    let moved = image::copy(&from, &location(&world, "shop/api:version1", &token), &Default::default()).await;
    let refusal = moved.unwrap_err().to_string();
    assert!(refusal.contains("`shop/api:version1` is immutable"), "{refusal}");
    for reference in ["version1", first.as_str()] {
        let path = format!("/v2/shop/api/manifests/{reference}");
        let (status, body) = ask(&world, Method::DELETE, &path, Some(&token)).await;
        assert!(status == StatusCode::FORBIDDEN && body.contains("DENIED"), "{status} {body}");
    }
    let kept = image::inspect(&location(&world, "shop/api:version1", &token), None).await.unwrap();
    assert_eq!(kept.digest.to_string(), first);
    // Other tags move and go.
    push(&world, "shop/api:latest", &token, "third").await;
    image::remove(&location(&world, "shop/api:latest", &token)).await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_pulls_what_is_public_and_does_nothing_else() {
    let anonymous_pull = vec!["public/*".parse().unwrap()];
    let mut world =
        World::with_registry(RegistryOptions { anonymous_pull, ..RegistryOptions::default() }).await;
    let token = world.token().await;
    let digest = push(&world, "public/cat:v1", &token, "for all").await;
    push(&world, "private/cat:v1", &token, "for some").await;

    let (status, body) = ask(&world, Method::GET, "/v2/public/cat/manifests/v1", None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let manifest: serde_json::Value = serde_json::from_str(&body).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(
        ask(&world, Method::GET, &format!("/v2/public/cat/blobs/{layer}"), None).await.0,
        StatusCode::OK
    );
    assert_eq!(ask(&world, Method::GET, "/v2/public/cat/tags/list", None).await.0, StatusCode::OK);
    // As a client does it that asks for a token first.
    let (_, body) = ask(&world, Method::GET, "/v2/token?scope=repository:public/cat:pull", None).await;
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let request = reqwest::Client::new().get(format!("{}/v2/public/cat/manifests/{digest}", world.url));
    let pulled = request.bearer_auth(answer["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(pulled.status(), StatusCode::OK);

    for (method, path) in [
        (Method::GET, "/v2/"),
        (Method::GET, "/v2/_catalog"),
        (Method::GET, "/v2/private/cat/manifests/v1"),
        (Method::GET, &format!("/v2/private/cat/blobs/{layer}")),
        (Method::GET, "/v2/publicity/cat/manifests/v1"),
        (Method::POST, "/v2/public/cat/blobs/uploads/"),
        (Method::PUT, "/v2/public/cat/manifests/v2"),
        (Method::DELETE, "/v2/public/cat/manifests/v1"),
    ] {
        let (status, body) = ask(&world, method.clone(), path, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}: {body}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_pulled_from_and_seen_on_the_pages() {
    let anonymous_pull = vec!["os/*".parse().unwrap()];
    let mut upstream =
        World::with_registry(RegistryOptions { anonymous_pull, ..RegistryOptions::default() }).await;
    let theirs = upstream.token().await;
    let digest = push(&upstream, "os/base:1", &theirs, "base").await;

    let mirrors = vec![format!("shop={}/os", upstream.url).parse().unwrap()];
    let mut world = World::with_registry(RegistryOptions { mirrors, ..RegistryOptions::default() }).await;
    world.write("README", "shop");
    world.push().await.unwrap();
    let token = world.token().await;
    let base = location(&world, "shop/base:1", &token);
    assert_eq!(image::inspect(&base, None).await.unwrap().digest.to_string(), digest);
    assert_eq!(ask(&world, Method::GET, "/v2/shop/base/manifests/1", None).await.0, StatusCode::UNAUTHORIZED);
    let (status, body) = ask(&world, Method::POST, "/v2/shop/base/blobs/uploads/", Some(&token)).await;
    assert!(status == StatusCode::METHOD_NOT_ALLOWED && body.contains("is a mirror of"), "{status} {body}");
    upstream.end().await;
    assert_eq!(image::inspect(&base, None).await.unwrap().digest.to_string(), digest);
    // The repository is called like the mirror: what it mirrors is not this repository's.
    let page = reqwest::Client::new().get(format!("{}/{}/images", world.url, world.repository));
    let page = page.bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Mirrored registries") && page.contains("2 fetched"), "{page}");
    assert!(page.contains("No image yet"), "{page}");
    world.end().await;
}
