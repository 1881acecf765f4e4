//! A mirror in front of another registry that may be away, be changed, or send what it should not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use sluice_model::Digest;
use sluice_registry::garbage::Keeping;
use sluice_registry::{
    Access, Credentials, MirrorOptions, NoEvents, OpenToAll, Options, Quotas, Registry, RegistryError, router,
};
use tokio::sync::Notify;

use crate::support::{Accounts, Answer, Random, TestRegistry, sha256};

/// A registry that can be made to misbehave, and what it was asked.
struct Upstream {
    own: TestRegistry,
    host: String,
    faults: Arc<Faults>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Faults {
    asked: Mutex<Vec<String>>,
    /// What is sent instead, by the end of the path.
    answers: Mutex<HashMap<String, Fault>>,
    is_down: AtomicBool,
    go_on: Notify,
}

#[derive(Clone)]
enum Fault {
    Bytes(Bytes),
    /// So many bytes are announced, and the connection ends after these when it is told to go on.
    Truncated(usize, Bytes),
    /// The first half, and the second when it is told to go on.
    Halves(Bytes),
    Redirect(String),
}

impl Upstream {
    async fn start(access: Arc<dyn Access>) -> Self {
        let own = TestRegistry::with(access, |options| options).await;
        let faults = Arc::<Faults>::default();
        let app = router(own.registry.clone()).layer(from_fn_with_state(faults.clone(), misbehave));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { own, host, faults, serving }
    }

    fn fault(&self, path_end: &str, fault: Fault) {
        self.faults.answers.lock().unwrap().insert(path_end.to_owned(), fault);
    }

    fn heal(&self) {
        self.faults.answers.lock().unwrap().clear();
    }

    /// What it was asked since the last call, but for tokens.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.faults.asked.lock().unwrap())
    }

    fn options(&self) -> MirrorOptions {
        format!("hub=http://{}", self.host).parse().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn misbehave(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if faults.is_down.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if request.headers().contains_key(AUTHORIZATION) || !path.ends_with("/token") {
        faults.asked.lock().unwrap().push(format!("{} {path}", request.method()));
    }
    let is_get = request.method() == Method::GET;
    let fault =
        faults.answers.lock().unwrap().iter().find(|(end, _)| path.ends_with(*end)).map(|(_, f)| f.clone());
    match fault.filter(|_| is_get) {
        None => next.run(request).await,
        Some(Fault::Bytes(bytes)) => bytes.into_response(),
        Some(Fault::Redirect(to)) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response(),
        Some(Fault::Truncated(length, bytes)) => {
            let broken =
                futures_util::stream::iter([Ok(bytes)]).chain(futures_util::stream::once(async move {
                    faults.go_on.notified().await;
                    Err(std::io::Error::other("broken"))
                }));
            ([(CONTENT_LENGTH, length.to_string())], Body::from_stream(broken)).into_response()
        }
        Some(Fault::Halves(bytes)) => {
            let (first, second) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
            let length = bytes.len().to_string();
            let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(first)]).chain(
                futures_util::stream::once(async move {
                    faults.go_on.notified().await;
                    Ok(second)
                }),
            );
            ([(CONTENT_LENGTH, length)], Body::from_stream(pieces)).into_response()
        }
    }
}

async fn mirror(set: impl FnOnce(MirrorOptions) -> MirrorOptions, upstream: &Upstream) -> TestRegistry {
    let mirror = set(upstream.options());
    TestRegistry::with(Arc::new(OpenToAll), |options| Options { mirrors: vec![mirror], ..options }).await
}

/// Every tag is asked about again.
fn always(options: MirrorOptions) -> MirrorOptions {
    MirrorOptions { tag_age: Duration::ZERO, ..options }
}

fn noise(count: usize) -> Vec<u8> {
    Random::new(7).bytes(count)
}

#[tokio::test]
async fn what_is_pulled_through_comes_once_and_stays() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let layer = noise(300_000);
    let text = upstream.own.push("library/alpine", "3", &layer).await;
    let test = mirror(|options| options, &upstream).await;
    let (manifest, layer_digest) = (sha256(text.as_bytes()), sha256(&layer));

    for round in 0..2 {
        let head = test.head("/v2/hub/library/alpine/manifests/3").await;
        assert_eq!(head.is(StatusCode::OK).header("docker-content-digest"), manifest.as_str());
        assert_eq!(test.get("/v2/hub/library/alpine/manifests/3").await.body, text.as_bytes());
        assert_eq!(
            test.get(&format!("/v2/hub/library/alpine/manifests/{manifest}")).await.body,
            text.as_bytes()
        );
        let blob = format!("/v2/hub/library/alpine/blobs/{layer_digest}");
        assert_eq!(test.head(&blob).await.is(StatusCode::OK).header("content-length"), "300000");
        assert_eq!(test.get(&blob).await.body, layer);
        let range = test.request(Method::GET, &blob).header("range", "bytes=5-9");
        assert_eq!(Answer::of(range).await.is(StatusCode::PARTIAL_CONTENT).body, layer[5..10]);
        let asked = upstream.asked();
        let expected: &[String] = &[
            "GET /v2/library/alpine/manifests/3".to_owned(),
            format!("HEAD /v2/library/alpine/blobs/{layer_digest}"),
            format!("GET /v2/library/alpine/blobs/{layer_digest}"),
        ];
        assert_eq!(asked, if round == 0 { expected } else { &[] });
    }
    assert_eq!(test.get("/v2/_catalog").await.json()["repositories"][0], "hub/library/alpine");
    assert_eq!(test.get("/v2/hub/library/alpine/tags/list").await.json()["tags"][0], "3");
    assert!(test.events.pushed.lock().unwrap().is_empty());
    let uses = test.registry.mirrors().await.unwrap();
    assert_eq!((uses[0].fetched, uses[0].fetched_bytes), (2, 300_000 + text.len() as u64));
    assert_eq!((uses[0].repositories, uses[0].size_bytes), (1, 300_000 + text.len() as u64));
    assert!(uses[0].cached >= 8, "{uses:?}");
}

#[tokio::test]
async fn nobody_pushes_to_a_mirror_and_its_name_is_taken_from_nobody() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let test = mirror(|options| options, &upstream).await;
    for path in ["/v2/hub/alpine/blobs/uploads/", "/v2/hub/blobs/uploads/"] {
        Answer::of(test.request(Method::POST, path)).await.refuses(405, "UNSUPPORTED");
    }
    test.put_manifest("hub/alpine", "3", "{}").await.refuses(405, "UNSUPPORTED");
    assert!(upstream.asked().is_empty());
    // Of a name that only begins alike, everybody pushes.
    test.push("hubble/alpine", "3", b"layer").await;

    let open = |name: &str| {
        let mirrors = vec![format!("{name}=http://{}", upstream.host).parse().unwrap()];
        let options = Options::new(Arc::new(OpenToAll), Arc::new(NoEvents));
        Registry::open(test.folder.path().to_owned(), Options { mirrors, ..options })
    };
    let taken = open("hubble").await.err().unwrap();
    assert!(matches!(taken, RegistryError::MirrorTaken { .. }), "{taken}");
    // What was a mirror is pushed to when it is none, and then it cannot become one again.
    open("other").await.unwrap();
    let again = open("hub").await.err().unwrap();
    assert!(matches!(again, RegistryError::MirrorTaken { .. }), "{again}");
    let mut options = Options::new(Arc::new(OpenToAll), Arc::new(NoEvents));
    options.mirrors = vec![upstream.options(), upstream.options()];
    let twice = Registry::open(test.folder.path().join("twice"), options).await.err().unwrap();
    assert!(matches!(twice, RegistryError::MirrorTwice { .. }), "{twice}");
}

#[tokio::test]
async fn a_tag_follows_its_upstream_and_survives_it() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let first = upstream.own.push("os", "latest", b"first").await;
    let test = mirror(always, &upstream).await;
    let tag = "/v2/hub/os/manifests/latest";
    assert_eq!(test.get(tag).await.body, first.as_bytes());
    assert_eq!(test.get(tag).await.body, first.as_bytes());
    assert_eq!(upstream.asked(), ["GET", "HEAD"].map(|method| format!("{method} /v2/os/manifests/latest")));

    let second = upstream.own.push("os", "latest", b"second").await;
    assert_eq!(test.get(tag).await.body, second.as_bytes());
    let layer = format!("/v2/hub/os/blobs/{}", sha256(b"second"));
    test.get(&layer).await.is(StatusCode::OK);

    upstream.faults.is_down.store(true, SeqCst);
    assert_eq!(test.get(tag).await.body, second.as_bytes());
    assert_eq!(
        test.get(&format!("/v2/hub/os/manifests/{}", sha256(first.as_bytes()))).await.body,
        first.as_bytes()
    );
    assert_eq!(test.get(&layer).await.body, b"second");
    assert_eq!(test.get("/v2/hub/os/tags/list").await.json()["tags"][0], "latest");
    test.get("/v2/hub/os/manifests/other").await.refuses(502, "UNAVAILABLE");
    test.get(&format!("/v2/hub/os/blobs/{}", sha256(b"first"))).await.refuses(502, "UNAVAILABLE");

    upstream.faults.is_down.store(false, SeqCst);
    upstream.own.delete("/v2/os/manifests/latest").await.is(StatusCode::ACCEPTED);
    test.get(tag).await.refuses(404, "MANIFEST_UNKNOWN");
    test.get("/v2/hub/nothing/manifests/latest").await.refuses(404, "MANIFEST_UNKNOWN");
    test.get(&format!("/v2/hub/os/blobs/{}", sha256(b"never"))).await.refuses(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_registry_that_takes_no_connection_is_not_asked_by_every_client() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let text = upstream.own.push("os", "latest", b"first").await;
    let test = mirror(always, &upstream).await;
    test.get("/v2/hub/os/manifests/latest").await.is(StatusCode::OK);
    upstream.serving.abort();
    // The listener goes with its task; connections that are open may still be served.
    let ended = async {
        while test.registry.mirrors().await.unwrap()[0].problem.is_none() {
            assert_eq!(test.get("/v2/hub/os/manifests/latest").await.body, text.as_bytes());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert_eq!(test.get("/v2/hub/os/manifests/latest").await.body, text.as_bytes());
    let refused = test.get("/v2/hub/os/manifests/other").await;
    assert!(String::from_utf8_lossy(&refused.refuses(502, "UNAVAILABLE").body).contains("cannot be reached"));
}

#[tokio::test]
async fn the_upstream_registry_gets_the_mirrors_credentials_and_nobody_else_does() {
    let upstream = Upstream::start(Arc::new(Accounts)).await;
    let ann = Credentials::Basic { username: "ann".to_owned(), password: "secret".to_owned() };
    // Pushes with her credentials, straight into the registry.
    let layer = noise(200_000);
    let manifest = {
        let open =
            TestRegistry::at(tempfile::tempdir().unwrap(), Arc::new(OpenToAll), |options| options).await;
        let text = open.push("private/os", "latest", &layer).await;
        let from = format!("{}/private/os:latest", open.host).parse().unwrap();
        let to: sluice_registry::image::Location =
            format!("{}/private/os:latest", upstream.host).parse().unwrap();
        let to = to.with_credentials(ann.clone());
        sluice_registry::image::copy(&from, &to, &Default::default()).await.unwrap();
        text
    };
    upstream.asked();

    let anonymous = mirror(|options| options, &upstream).await;
    let refused = anonymous.get("/v2/hub/private/os/manifests/latest").await;
    refused.refuses(403, "DENIED");

    let test = mirror(|options| options.with_credentials(ann), &upstream).await;
    assert_eq!(test.get("/v2/hub/private/os/manifests/latest").await.body, manifest.as_bytes());
    // Another host that has the bytes sees no credentials.
    let seen = Arc::<Mutex<Vec<bool>>>::default();
    let body = Bytes::from(layer.clone());
    let elsewhere = {
        let seen = seen.clone();
        axum::Router::new().fallback(move |request: Request| async move {
            seen.lock().unwrap().push(request.headers().contains_key(AUTHORIZATION));
            body
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, elsewhere).await.unwrap() });
    let digest = sha256(&layer);
    upstream.fault(&format!("/blobs/{digest}"), Fault::Redirect(format!("http://{other}/bytes")));
    assert_eq!(test.get(&format!("/v2/hub/private/os/blobs/{digest}")).await.body, layer);
    assert_eq!(*seen.lock().unwrap(), [false]);
    serving.abort();
}

#[tokio::test]
async fn damaged_content_reaches_no_client_whole_and_is_not_kept() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let (large, small) = (noise(400_000), noise(1000));
    let text = upstream.own.push("os", "large", &large).await;
    upstream.own.put_blob("os", &small).await;
    let test = mirror(|options| options, &upstream).await;
    let path = |bytes: &[u8]| format!("/v2/hub/os/blobs/{}", sha256(bytes));
    let end = |digest: &Digest| format!("/{digest}");
    let mut wrong = large.clone();
    wrong[200_000] ^= 1;

    for fault in [Fault::Bytes(wrong.into()), Fault::Truncated(large.len(), large[..300_000].to_vec().into())]
    {
        let is_truncated = matches!(fault, Fault::Truncated(..));
        upstream.fault(&end(&sha256(&large)), fault);
        let response = test.request(Method::GET, &path(&large)).send().await.unwrap();
        assert_eq!(response.headers()["content-length"], "400000");
        if is_truncated {
            upstream.faults.go_on.notify_one();
        }
        let (mut pieces, mut got) = (response.bytes_stream(), 0);
        let broken = loop {
            match pieces.next().await {
                Some(Ok(piece)) => got += piece.len(),
                other => break matches!(other, Some(Err(_))),
            }
        };
        assert!(broken && got < large.len(), "{got} bytes came");
    }
    upstream.fault(&end(&sha256(&small)), Fault::Bytes(noise(999).into()));
    test.get(&path(&small)).await.refuses(502, "UNAVAILABLE");
    let digest = sha256(text.as_bytes());
    upstream.fault(&end(&digest), Fault::Bytes(text.replace("layers", "Layers").into()));
    test.get(&format!("/v2/hub/os/manifests/{digest}")).await.refuses(502, "UNAVAILABLE");
    upstream.fault("/manifests/strange", Fault::Bytes("<html>".into()));
    test.get("/v2/hub/os/manifests/strange").await.refuses(502, "UNAVAILABLE");
    upstream.fault("/manifests/long", Fault::Bytes(vec![b' '; 5 << 20].into()));
    test.get("/v2/hub/os/manifests/long").await.refuses(502, "UNAVAILABLE");
    assert_eq!(test.registry.mirrors().await.unwrap()[0].size_bytes, 0);
    let uploads = test.folder.path().join("blobs/uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0);

    upstream.heal();
    assert_eq!(test.get(&path(&large)).await.body, large);
    assert_eq!(test.get(&path(&small)).await.body, small);
    assert_eq!(test.get(&format!("/v2/hub/os/manifests/{digest}")).await.body, text.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_get_one_download_as_it_arrives() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let layer = Bytes::from(noise(2_000_000));
    upstream.own.put_blob("os", &layer).await;
    let digest = sha256(&layer);
    upstream.fault(&format!("/blobs/{digest}"), Fault::Halves(layer.clone()));
    let test = mirror(|options| options, &upstream).await;
    let path = format!("/v2/hub/os/blobs/{digest}");
    let mut bodies = Vec::new();
    for n in 0..8 {
        let request = test.request(Method::GET, &path);
        let request = if n == 7 { request.header("range", "bytes=500000-") } else { request };
        bodies.push((n, request.send().await.unwrap().bytes_stream()));
    }
    // Each has bytes before the second half has left the upstream registry.
    let mut got = vec![Vec::new(); 8];
    for (n, body) in &mut bodies {
        got[*n].extend_from_slice(&body.next().await.unwrap().unwrap());
    }
    upstream.faults.go_on.notify_one();
    for (n, mut body) in bodies {
        while let Some(piece) = body.next().await {
            got[n].extend_from_slice(&piece.unwrap());
        }
        assert!(got[n] == layer[if n == 7 { 500_000 } else { 0 }..], "client {n} got other bytes");
    }
    assert_eq!(upstream.asked().iter().filter(|line| line.starts_with("GET")).count(), 1);
    assert_eq!(test.registry.mirrors().await.unwrap()[0].fetched, 1);
}

#[tokio::test]
async fn what_nobody_asks_for_goes_tagged_or_not() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    upstream.own.push("os", "old", b"old layer").await;
    upstream.own.push("os", "used", b"used layer").await;
    let test = mirror(|options| MirrorOptions { unused_days: 1, ..options }, &upstream).await;
    for name in ["old", "used"] {
        test.get(&format!("/v2/hub/os/manifests/{name}")).await.is(StatusCode::OK);
        let layer = sha256(format!("{name} layer").as_bytes());
        test.get(&format!("/v2/hub/os/blobs/{layer}")).await.is(StatusCode::OK);
    }
    let os = "hub/os".parse().unwrap();
    assert!(test.registry.garbage(&os, &Keeping::default()).await.unwrap().is_empty());
    test.age();
    test.get("/v2/hub/os/manifests/used").await.is(StatusCode::OK);
    let gone = test.registry.collect(&os, &Keeping::default()).await.unwrap();
    let tags: Vec<&str> = gone.tags.iter().map(|gone| gone.what.as_str()).collect();
    assert_eq!((tags, gone.manifests.len()), (vec!["old"], 1));
    assert_eq!(gone.tags[0].why.to_string(), "not asked for in 1 days");
    assert_eq!(gone.blobs.iter().map(|gone| gone.what.clone()).collect::<Vec<_>>(), [sha256(b"old layer")]);
    // What went comes again.
    test.get("/v2/hub/os/manifests/old").await.is(StatusCode::OK);
}

#[tokio::test]
async fn a_full_mirror_lets_go_of_what_is_not_in_use() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    let layers = [noise(60_000), noise(70_000), noise(80_000)];
    for layer in &layers {
        upstream.own.put_blob("os", layer).await;
    }
    let mirrors = vec![upstream.options()];
    let quotas = Quotas { each_bytes: Some(100_000), ..Quotas::default() };
    let test =
        TestRegistry::with(Arc::new(OpenToAll), |options| Options { mirrors, quotas, ..options }).await;
    let path = |n: usize| format!("/v2/hub/os/blobs/{}", sha256(&layers[n]));
    test.get(&path(0)).await.is(StatusCode::OK);
    // It was asked for just now.
    test.get(&path(1)).await.refuses(403, "DENIED");
    test.age();
    test.get(&path(1)).await.is(StatusCode::OK);
    test.age();
    test.get(&path(2)).await.is(StatusCode::OK);
    assert_eq!(test.registry.mirrors().await.unwrap()[0].size_bytes, 80_000);
}

#[tokio::test]
async fn who_may_pull_is_asked_before_the_upstream_registry_is() {
    let upstream = Upstream::start(Arc::new(OpenToAll)).await;
    upstream.own.push("os", "1", b"layer").await;
    let mirrors = vec![upstream.options(), format!("public=http://{}", upstream.host).parse().unwrap()];
    let test = TestRegistry::with(Arc::new(Accounts), |options| Options { mirrors, ..options }).await;
    test.get("/v2/hub/os/manifests/1").await.refuses(401, "UNAUTHORIZED");
    assert!(upstream.asked().is_empty());
    test.get("/v2/public/os/manifests/1").await.is(StatusCode::OK);
    assert_eq!(upstream.asked(), ["GET /v2/os/manifests/1"]);
}
