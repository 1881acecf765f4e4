//! Measures a registry over HTTP: `bench HOST:PORT NAME` prints one line a figure. See scripts/bench-registry.sh.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Body, Client};
use sluice_blobs::{Algorithm, digest_of};
use sluice_model::Digest;

const LARGE_BYTES: usize = 256 * 1024 * 1024;
const SMALL_BYTES: usize = 32 * 1024;
const CLIENTS: usize = 8;
const SMALL_BLOBS: usize = 1_500;
const MANIFEST_SECONDS: u64 = 4;
const ROUNDS: usize = 3;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone)]
struct Target {
    client: Client,
    base: String,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bench HOST:PORT NAME";
    let (host, name) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    // The program may have chosen one before; this one has not.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_gzip().build()?;
    let target = Target { client, base: format!("http://{host}/v2/bench") };

    let (mut pushes, mut pulls) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bytes = noise(round as u64, LARGE_BYTES);
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let started = Instant::now();
        target.push(&digest, bytes).await?;
        pushes.push(started.elapsed());
        for _ in 0..2 {
            let started = Instant::now();
            target.pull(&digest, LARGE_BYTES).await?;
            pulls.push(started.elapsed());
        }
    }
    let mebibytes = LARGE_BYTES as f64 / 1024.0 / 1024.0;
    println!("{name}: push of one 256 MiB blob     {:8.0} MiB/s", mebibytes / median(&mut pushes));
    println!("{name}: pull of one 256 MiB blob     {:8.0} MiB/s", mebibytes / median(&mut pulls));

    let blobs: Vec<(Digest, Bytes)> = (0..SMALL_BLOBS)
        .map(|n| noise(1_000 + n as u64, SMALL_BYTES))
        .map(|bytes| (digest_of(Algorithm::Sha256, &bytes), bytes))
        .collect();
    let blobs = Arc::new(blobs);
    let push =
        |target: Target, (digest, bytes): (Digest, Bytes)| async move { target.push(&digest, bytes).await };
    println!("{name}: push of 32 KiB, 8 clients    {:8.0} /s", rate(&target, &blobs, push).await?);
    let pull =
        |target: Target, (digest, _): (Digest, Bytes)| async move { target.pull(&digest, SMALL_BYTES).await };
    println!("{name}: pull of 32 KiB, 8 clients    {:8.0} /s", rate(&target, &blobs, pull).await?);

    println!("{name}: manifest GET, 8 clients      {:8.0} /s", target.manifests(&blobs).await?);
    Ok(())
}

impl Target {
    /// POST, then PUT.
    async fn push(&self, digest: &Digest, bytes: Bytes) -> Outcome<()> {
        let begun = self.client.post(format!("{}/blobs/uploads/", self.base)).body("").send().await?;
        let begun = begun.error_for_status()?;
        let location = begun.headers().get("location").ok_or("no Location")?.to_str()?;
        let mut place = begun.url().join(location)?;
        place.query_pairs_mut().append_pair("digest", digest.as_str());
        let length = bytes.len();
        let pieces: Vec<_> = (0..length)
            .step_by(1024 * 1024)
            .map(|at| Ok::<_, std::io::Error>(bytes.slice(at..length.min(at + 1024 * 1024))))
            .collect();
        let body = Body::wrap_stream(futures_util::stream::iter(pieces));
        let put = self.client.put(place).header("content-length", length).body(body);
        put.send().await?.error_for_status()?;
        Ok(())
    }

    async fn pull(&self, digest: &Digest, expected: usize) -> Outcome<()> {
        let answer =
            self.client.get(format!("{}/blobs/{digest}", self.base)).send().await?.error_for_status()?;
        let (mut stream, mut length) = (answer.bytes_stream(), 0);
        while let Some(piece) = stream.next().await {
            length += piece?.len();
        }
        if length == expected { Ok(()) } else { Err(format!("{length} bytes, expected {expected}").into()) }
    }

    /// By tag, as a puller does it first.
    async fn manifests(&self, blobs: &[(Digest, Bytes)]) -> Outcome<f64> {
        let config = Bytes::from_static(b"{}");
        let config_digest = digest_of(Algorithm::Sha256, &config);
        self.push(&config_digest, config).await?;
        let layers: Vec<_> = blobs[..8]
            .iter()
            .map(|(digest, bytes)| {
                serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": digest, "size": bytes.len() })
            })
            .collect();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": kind, "layers": layers,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": 2 } });
        let url = format!("{}/manifests/latest", self.base);
        let put = self.client.put(&url).header("content-type", kind).body(manifest.to_string());
        put.send().await?.error_for_status()?;

        let (until, count) =
            (Instant::now() + Duration::from_secs(MANIFEST_SECONDS), Arc::new(AtomicUsize::new(0)));
        let started = Instant::now();
        let workers = (0..CLIENTS).map(|_| {
            let (target, url, count) = (self.clone(), url.clone(), count.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    let answer = target.client.get(&url).header("accept", kind).send().await?;
                    answer.error_for_status()?.bytes().await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Ok(())
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await??;
        }
        Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
    }
}

/// How many of these a second eight clients do.
async fn rate<F>(
    target: &Target,
    blobs: &Arc<Vec<(Digest, Bytes)>>,
    work: impl Fn(Target, (Digest, Bytes)) -> F + Clone + Send + 'static,
) -> Outcome<f64>
where
    F: Future<Output = Outcome<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let workers = (0..CLIENTS).map(|_| {
        let (target, blobs, next, work) = (target.clone(), blobs.clone(), next.clone(), work.clone());
        tokio::spawn(async move {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(target.clone(), blob.clone()).await?;
            }
            Outcome::Ok(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    Ok(blobs.len() as f64 / started.elapsed().as_secs_f64())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// Bytes that neither compress nor repeat from seed to seed (splitmix64).
fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.into()
}
