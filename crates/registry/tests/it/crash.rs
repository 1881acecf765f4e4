//! The registry as a process of its own, killed at random moments.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Random, image, sha256};

/// The example `serve`, which Cargo builds beside the tests.
fn serve(folder: &std::path::Path) -> (Child, String) {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("examples/serve");
    let mut child = Command::new(&binary)
        .arg(folder)
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

const ROUNDS: u64 = 8;
const DEADLINE: Duration = Duration::from_secs(60);

struct Acknowledged {
    tag: String,
    manifest: String,
    layer: Vec<u8>,
}

/// Pushes one image after the other, telling each that is acknowledged, until the registry goes away.
async fn push_until_killed(host: String, worker: u64, round: u64, done: mpsc::UnboundedSender<Acknowledged>) {
    let client = reqwest::Client::new();
    for n in 0.. {
        let tag = format!("r{round}-w{worker}-{n}");
        let layer = Random::new(round * 1_000_000 + worker * 1_000 + n).bytes(20_000);
        let Some(manifest) = push(&client, &host, &tag, &layer).await else { break };
        done.send(Acknowledged { tag, manifest, layer }).unwrap();
    }
}

/// None when any step was not acknowledged.
async fn push(client: &reqwest::Client, host: &str, tag: &str, layer: &[u8]) -> Option<String> {
    for blob in [&b"{}"[..], layer] {
        let url = format!("http://{host}/v2/crash/test/blobs/uploads/?digest={}", sha256(blob));
        let answer = client.post(url).body(blob.to_vec()).send().await.ok()?;
        (answer.status() == StatusCode::CREATED).then_some(())?;
    }
    let manifest = image(&[(sha256(b"{}"), 2)], &[(sha256(layer), layer.len())], json!({}));
    let url = format!("http://{host}/v2/crash/test/manifests/{tag}");
    let answer = client.put(url).body(manifest.clone()).send().await.ok()?;
    (answer.status() == StatusCode::CREATED).then_some(manifest)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (mut child, host) = serve(folder.path());
        let (done, mut arriving) = mpsc::unbounded_channel();
        let workers =
            (0..4).map(|worker| tokio::spawn(push_until_killed(host.clone(), worker, round, done.clone())));
        let workers: Vec<_> = workers.collect();
        drop(done);
        // The other workers are anywhere in their pushes when this one is acknowledged.
        for _ in 0..=Random::new(round).below(6) {
            let next = tokio::time::timeout(DEADLINE, arriving.recv()).await;
            acknowledged.push(next.expect("a push is acknowledged in time").expect("the registry is up"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        futures_util::future::join_all(workers).await;
        while let Some(late) = arriving.recv().await {
            acknowledged.push(late);
        }
    }
    assert!(acknowledged.len() >= ROUNDS as usize);

    let (mut child, host) = serve(folder.path());
    let client = reqwest::Client::new();
    let read = |path: String| {
        let request = client.get(format!("http://{host}/v2/crash/test/{path}"));
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            answer.bytes().await.unwrap()
        }
    };
    for Acknowledged { tag, manifest, layer } in &acknowledged {
        assert_eq!(read(format!("manifests/{tag}")).await, manifest.as_bytes());
        assert!(read(format!("blobs/{}", sha256(layer))).await == layer[..]);
    }
    // Also what was not acknowledged is whole: no tag without its manifest, no manifest without its blobs.
    let tags: serde_json::Value = serde_json::from_slice(&read("tags/list".to_owned()).await).unwrap();
    for tag in tags["tags"].as_array().unwrap() {
        let text = read(format!("manifests/{}", tag.as_str().unwrap())).await;
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let digest = layer["digest"].as_str().unwrap();
            assert_eq!(sha256(&read(format!("blobs/{digest}")).await).as_str(), digest);
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
