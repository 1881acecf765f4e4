//! What shows that production runs the very images that were tested: digests, from two sides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use futures_util::StreamExt;
use sluice_model::{InstanceId, RepositoryName};
use sluice_wire::{Client, RunDetail};

use super::people::Person;
use super::room::Room;
use super::watch::present;

/// A service, and the digest of its image's configuration, which names every layer by content.
pub type Digests = BTreeMap<String, String>;

/// What the e2e job says that it tested: lines `tested: api sha256:…` of its log.
pub async fn tested(
    client: &Client,
    repository: &RepositoryName,
    run: &RunDetail,
) -> anyhow::Result<Digests> {
    let e2e = InstanceId::new(sluice_model::JobId::new("e2e"), 0);
    let log = log(client, repository, run.run.number, &e2e).await?;
    let digests: Digests = log
        .lines()
        .filter_map(|line| line.strip_prefix("tested: ")?.split_once(' '))
        .map(|(name, digest)| (name.to_owned(), digest.trim().to_owned()))
        .collect();
    ensure!(!digests.is_empty(), "the e2e job does not say what it tested");
    Ok(digests)
}

/// What the release in production names, read from the registry by its manifests' digests.
pub async fn delivered(
    room: &Room,
    person: &Person,
    repository: &RepositoryName,
    version: &str,
) -> anyhow::Result<Digests> {
    let releases = patiently(|| person.client.releases(repository)).await?;
    let release =
        releases.iter().find(|release| release.version == version).context("the release is not listed")?;
    let http = reqwest::Client::new();
    let mut digests = Digests::new();
    for (service, image) in &release.images {
        let address = format!("{}/v2/{}/manifests/{}", room.url(), image.image, image.digest);
        let account = format!("{}:{}", person.name, person.token.expose());
        let basic = base64::engine::general_purpose::STANDARD.encode(account);
        let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let deadline = Instant::now() + Duration::from_secs(30);
        let answer = loop {
            let request =
                http.get(&address).header("authorization", format!("Basic {basic}")).header("accept", accept);
            match request.send().await {
                Ok(answer) => break answer.error_for_status()?,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let manifest: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        let config = manifest["config"]["digest"].as_str().context("a manifest names no configuration")?;
        digests.insert(service.to_string(), config.to_owned());
    }
    Ok(digests)
}

/// `api 1a2b3c4d5e6f, web …`
pub fn in_short(digests: &Digests) -> String {
    let short = |(name, digest): (&String, &String)| {
        format!("{name} {}", digest.trim_start_matches("sha256:").chars().take(12).collect::<String>())
    };
    digests.iter().map(short).collect::<Vec<_>>().join(", ")
}

/// The whole log of a job.
pub async fn log(
    client: &Client,
    repository: &RepositoryName,
    number: u64,
    instance: &InstanceId,
) -> anyhow::Result<String> {
    let mut stream = Box::pin(patiently(|| client.log(repository, number, instance, 1, false)).await?);
    let mut text = Vec::new();
    while let Some(chunk) = stream.next().await {
        text.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Asks until a server that is away for a moment is back.
async fn patiently<T, F: Future<Output = Result<T, sluice_wire::ClientError>>>(
    ask: impl Fn() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = present(ask().await)? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("the server has been away for 30 s");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
