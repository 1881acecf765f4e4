use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use sluice_pipelines::{Files, Pipelines};

const URL_VARIABLE: &str = "SLUICE_ORBS_URL";
/// Where CircleCI's own orbs come from.
const REGISTRY: &str = "https://circleci.com";
/// Orbs import orbs no deeper than a config is read for.
const ROUNDS: usize = 10;
/// A longer source is none that a config was ever written with.
const SOURCE_LIMIT_BYTES: usize = 8 << 20;
/// As CircleCI's command line asks for a source (`OrbSource` of `api/orb`, CircleCI-Public/circleci-cli).
const QUERY: &str =
    "query($orbVersionRef: String!) { orbVersion(orbVersionRef: $orbVersionRef) { id version source } }";

/// Where orbs come from that a CircleCI config imports.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct OrbArgs {
    /// Ask this registry for orbs of which `.sluice/orbs` has no copy [default: https://circleci.com]
    #[arg(long, env = URL_VARIABLE, value_name = "URL")]
    orbs_url: Option<String>,
}

impl OrbArgs {
    /// What was given, as words of a command line. The environment says it again.
    pub fn words(&self) -> Vec<String> {
        let is_given = |url: &&String| std::env::var(URL_VARIABLE).as_ref() != Ok(*url);
        self.orbs_url.iter().filter(is_given).flat_map(|url| ["--orbs-url".to_owned(), url.clone()]).collect()
    }
}

/// Sources of registry orbs. Those of whole versions (`5.2.0`) never change, and are kept.
pub struct Orbs {
    url: String,
    folder: PathBuf,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    orb_version: Option<OrbVersion>,
}

#[derive(Deserialize)]
struct OrbVersion {
    source: String,
}

impl Orbs {
    /// `folder` keeps what was fetched; it is made when it is needed.
    pub fn new(args: &OrbArgs, folder: PathBuf) -> anyhow::Result<Self> {
        let url = args.orbs_url.as_deref().unwrap_or(REGISTRY).trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("--orbs-url `{url}`: expected https://HOST");
        }
        // An error means that the program has chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { url, folder, http })
    }

    /// Puts the source of every orb that configs import into `files`, as their local copies are. Tells which could not be
    /// had: whether that counts depends on what runs.
    pub async fn fetch(&self, files: &mut Files) -> Vec<(String, anyhow::Error)> {
        let mut missed: Vec<(String, anyhow::Error)> = Vec::new();
        for _ in 0..ROUNDS {
            let mut missing = Pipelines::new(files).missing_orbs();
            missing.retain(|(reference, _)| !missed.iter().any(|(known, _)| known == reference));
            if missing.is_empty() {
                break;
            }
            for (reference, path) in missing {
                match self.source(&reference).await {
                    Ok(source) => drop(files.insert(path, source)),
                    Err(error) => {
                        let is_silent = error.downcast_ref::<reqwest::Error>().is_some();
                        missed.push((reference, error));
                        // Who does not answer once is not asked for the others.
                        if is_silent {
                            return missed;
                        }
                    }
                }
            }
        }
        missed
    }

    async fn source(&self, reference: &str) -> anyhow::Result<String> {
        let kept = self.folder.join(format!("{reference}.yml"));
        if is_whole_version(reference)
            && let Ok(source) = std::fs::read_to_string(&kept)
        {
            return Ok(source);
        }
        match self.ask(reference).await {
            Ok(source) => {
                keep(&kept, &source).with_context(|| format!("cannot write {}", kept.display()))?;
                Ok(source)
            }
            // The last that is known of `5.2` or `volatile` is better than nothing.
            Err(error) => std::fs::read_to_string(&kept).map_err(|_| error),
        }
    }

    async fn ask(&self, reference: &str) -> anyhow::Result<String> {
        let body = serde_json::json!({ "query": QUERY, "variables": { "orbVersionRef": reference } });
        let asked = self.http.post(format!("{}/graphql-unstable", self.url)).json(&body);
        let mut answer = asked.send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            text.extend_from_slice(&piece);
            if text.len() > SOURCE_LIMIT_BYTES {
                bail!("its source has more than {} MiB", SOURCE_LIMIT_BYTES >> 20);
            }
        }
        let answer: Answer = serde_json::from_slice(&text).context("what came is no answer about an orb")?;
        let found = answer.data.and_then(|data| data.orb_version);
        found
            .map(|version| version.source)
            .context("the registry has no such orb or version, or it is private")
    }
}

/// `namespace/name@1.2.3`; `1.2`, `volatile` and `dev:…` stand for another source later.
fn is_whole_version(reference: &str) -> bool {
    let version = reference.rsplit_once('@').map_or("", |(_, version)| version);
    version.split('.').count() == 3
        && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whole or not there, for another run may read it.
fn keep(path: &std::path::Path, source: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = path.with_extension(format!("part-{:016x}", rand::random::<u64>()));
    std::fs::write(&part, source)?;
    std::fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_whole_versions_stay_what_they_are() {
        for (reference, is_whole) in [("a/b@1.2.3", true), ("a/b@1.2", false), ("a/b@volatile", false)] {
            assert_eq!(super::is_whole_version(reference), is_whole, "{reference}");
        }
        assert!(!super::is_whole_version("a/b@dev:1.2.3"));
    }
}
