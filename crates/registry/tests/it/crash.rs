//! The registry as a process of its own, killed at random moments while clients push, pull and delete and it collects
//! its garbage. `SLUICE_CRASH_ROUNDS=200` kills it as often, `SLUICE_SEED=n` begins elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sluice_model::Digest;
use sluice_registry::{NoEvents, OpenToAll, Options, Registry};
use tokio::sync::mpsc;

use crate::age::age;
use crate::support::{Random, image, sha256};

/// The example `serve`, which Cargo builds beside the tests.
fn serve(folder: &Path) -> (Child, String) {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("examples/serve");
    let mut child = Command::new(&binary)
        .arg(folder)
        .arg("127.0.0.1:0")
        .env("SERVE_COLLECT", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

const WORKERS: u64 = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// What the registry has acknowledged.
#[derive(Debug)]
enum Event {
    Pushed { tag: String, manifest: String },
    Deleting(String),
    Deleted(String),
    Pulled,
}

/// Layers that many images share, so that what is garbage for one is wanted by the next.
fn layer(n: usize) -> Vec<u8> {
    Random::new(n as u64).bytes(5_000 + n * 100)
}

/// Pushes, pulls and deletes, telling all that is acknowledged, until the registry goes away.
async fn work(host: String, seed: u64, prefix: String, done: mpsc::UnboundedSender<Event>) -> Option<()> {
    let client = Client { http: reqwest::Client::new(), host };
    let mut random = Random::new(seed);
    let mut own: Vec<(String, String)> = Vec::new();
    for n in 0.. {
        match random.below(10) {
            0 if !own.is_empty() => {
                let (tag, _) = own.swap_remove(random.below(own.len()));
                done.send(Event::Deleting(tag.clone())).ok()?;
                let answer = client.delete(&format!("manifests/{tag}")).await?;
                if answer == StatusCode::ACCEPTED {
                    done.send(Event::Deleted(tag)).ok()?;
                }
            }
            1 | 2 if !own.is_empty() => {
                let (tag, manifest) = &own[random.below(own.len())];
                let (status, bytes) = client.get(&format!("manifests/{tag}")).await?;
                assert_eq!((status, bytes.as_slice()), (StatusCode::OK, manifest.as_bytes()), "{tag}");
                client.pull(manifest).await?;
                done.send(Event::Pulled).ok()?;
            }
            // Takes the tag from the image before, which is garbage from then on.
            3..=5 => drop(client.push("moving", &random_image(&mut random, &format!("{prefix}{n}"))).await?),
            _ => {
                let tag = format!("{prefix}{n}");
                let parts = random_image(&mut random, &tag);
                if let Some(manifest) = client.push(&tag, &parts).await? {
                    own.push((tag.clone(), manifest.clone()));
                    done.send(Event::Pushed { tag, manifest }).ok()?;
                }
            }
        }
    }
    Some(())
}

/// A configuration of its own and one to three shared layers.
fn random_image(random: &mut Random, name: &str) -> Vec<Vec<u8>> {
    let mut parts = vec![format!("{{\"name\":\"{name}\"}}").into_bytes()];
    let mut layers: BTreeSet<usize> = BTreeSet::new();
    layers.extend((0..=random.below(3)).map(|_| random.below(40)));
    parts.extend(layers.into_iter().map(layer));
    parts
}

/// Every method gives none when the registry has gone.
struct Client {
    http: reqwest::Client,
    host: String,
}

impl Client {
    fn url(&self, path: &str) -> String {
        format!("http://{}/v2/crash/test/{path}", self.host)
    }

    async fn get(&self, path: &str) -> Option<(StatusCode, Vec<u8>)> {
        let answer = self.http.get(self.url(path)).send().await.ok()?;
        Some((answer.status(), answer.bytes().await.ok()?.to_vec()))
    }

    async fn delete(&self, path: &str) -> Option<StatusCode> {
        Some(self.http.delete(self.url(path)).send().await.ok()?.status())
    }

    async fn pull(&self, manifest: &str) -> Option<()> {
        let manifest: Value = serde_json::from_str(manifest).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let digest = layer["digest"].as_str().unwrap();
            let (status, bytes) = self.get(&format!("blobs/{digest}")).await?;
            assert_eq!((status, sha256(&bytes).as_str()), (StatusCode::OK, digest));
        }
        Some(())
    }

    /// As Docker does: what is there already is not sent. The manifest where the push was acknowledged.
    async fn push(&self, tag: &str, parts: &[Vec<u8>]) -> Option<Option<String>> {
        for blob in parts {
            let digest = sha256(blob);
            let head = self.http.head(self.url(&format!("blobs/{digest}"))).send().await.ok()?;
            if head.status() == StatusCode::OK {
                continue;
            }
            let url = self.url(&format!("blobs/uploads/?digest={digest}"));
            let answer = self.http.post(url).body(blob.clone()).send().await.ok()?;
            assert_eq!(answer.status(), StatusCode::CREATED, "{tag}");
        }
        let described = |blob: &Vec<u8>| (sha256(blob), blob.len());
        let layers: Vec<_> = parts[1..].iter().map(described).collect();
        let manifest = image(&[described(&parts[0])], &layers, json!({}));
        let answer =
            self.http.put(self.url(&format!("manifests/{tag}"))).body(manifest.clone()).send().await.ok()?;
        Some((answer.status() == StatusCode::CREATED).then_some(manifest))
    }
}

/// On the disk of a registry that is not running: no tag without its manifest, no manifest without what it names.
fn assert_whole(folder: &Path, round: u64) {
    let repository = folder.join("repositories/crash/test");
    let blob = |digest: &Digest| folder.join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    let files = |kind: &str| -> Vec<(String, String)> {
        let Ok(entries) = std::fs::read_dir(repository.join(kind)) else { return Vec::new() };
        let read = |path: std::path::PathBuf| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        };
        entries.map(|entry| read(entry.unwrap().path())).collect()
    };
    for (tag, record) in files("_tags") {
        let record: Value = serde_json::from_str(&record).unwrap();
        let digest: Digest = record["digest"].as_str().unwrap().parse().unwrap();
        let manifest = repository.join("_manifests/sha256").join(digest.hex());
        assert!(manifest.exists(), "round {round}: the tag {tag} points to {digest}, which is not there");
    }
    for (hex, record) in files("_manifests/sha256") {
        let record: Value = serde_json::from_str(&record).unwrap();
        assert!(
            blob(&format!("sha256:{hex}").parse().unwrap()).exists(),
            "round {round}: {hex} has no bytes"
        );
        for name in record["names"].as_array().unwrap() {
            let digest: Digest = name.as_str().unwrap().parse().unwrap();
            let link = repository.join("_blobs/sha256").join(digest.hex());
            assert!(link.exists() && blob(&digest).exists(), "round {round}: {hex} lacks {digest}");
        }
    }
}

/// Every byte that is there has its digest.
async fn assert_sound(folder: &Path) -> u64 {
    let options = Options::new(Arc::new(OpenToAll), Arc::new(NoEvents));
    let registry = Registry::open(folder, options).await.unwrap();
    let found = registry.scrub(u64::MAX).await.unwrap();
    assert!(found.rotten.is_empty() && found.missing.is_empty(), "{found:?}");
    found.blobs
}

#[derive(Default)]
struct Acknowledged {
    images: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
    events: u64,
}

impl Acknowledged {
    fn take(&mut self, event: Event) {
        self.events += 1;
        match event {
            Event::Pushed { tag, manifest } => drop(self.images.insert(tag, manifest)),
            // Whether it has gone is not known before the answer.
            Event::Deleting(tag) => drop(self.images.remove(&tag)),
            Event::Deleted(tag) => drop(self.deleted.insert(tag)),
            Event::Pulled => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (rounds, seed) = (setting("SLUICE_CRASH_ROUNDS", 15), setting("SLUICE_SEED", 1));
    println!("SLUICE_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds {
        let (mut child, host) = serve(folder.path());
        let (done, mut arriving) = mpsc::unbounded_channel();
        let worker = |n| {
            let prefix = format!("r{round}-w{n}-");
            tokio::spawn(work(host.clone(), seed * 1_000_000 + round * WORKERS + n, prefix, done.clone()))
        };
        let workers: Vec<_> = (0..WORKERS).map(worker).collect();
        drop(done);
        // The other workers, and the collection, are anywhere when this one is acknowledged.
        for _ in 0..=Random::new(seed * 1_000 + round).below(20) {
            let next = tokio::time::timeout(DEADLINE, arriving.recv()).await;
            acknowledged.take(next.expect("something is acknowledged in time").expect("the registry is up"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        while let Some(late) = arriving.recv().await {
            acknowledged.take(late);
        }
        assert_whole(folder.path(), round);
        // What nothing refers to is old enough for the next process to remove it.
        age(folder.path());
    }
    let sound = assert_sound(folder.path()).await;

    let (mut child, host) = serve(folder.path());
    let client = Client { http: reqwest::Client::new(), host };
    for (tag, manifest) in &acknowledged.images {
        let (status, bytes) = client.get(&format!("manifests/{tag}")).await.unwrap();
        assert_eq!((status, bytes.as_slice()), (StatusCode::OK, manifest.as_bytes()), "{tag}");
        client.pull(manifest).await.unwrap();
    }
    for tag in &acknowledged.deleted {
        let (status, _) = client.get(&format!("manifests/{tag}")).await.unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND, "{tag} is back");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let Acknowledged { images, deleted, events } = acknowledged;
    println!(
        "{rounds} kills: {events} acknowledgements, {} images there, {} deletions kept, {sound} blobs sound",
        images.len(),
        deleted.len()
    );
    assert!(events >= rounds);
}
