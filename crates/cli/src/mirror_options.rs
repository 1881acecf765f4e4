use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sluice_registry::{Credentials, MirrorOptions};

/// The registries that this one mirrors.
#[derive(clap::Args)]
pub struct MirrorArgs {
    /// Serve images of another registry under a name here, and keep them, as in hub=https://registry-1.docker.io:
    /// hub/library/alpine is its library/alpine; may be repeated
    #[arg(long = "mirror", value_name = "NAME=URL")]
    mirrors: Vec<MirrorOptions>,
    /// Credentials for mirrored registries, in a file as `docker login` writes it (config.json)
    #[arg(long, env = "SLUICE_MIRROR_CREDENTIALS", value_name = "FILE", requires = "mirrors")]
    mirror_credentials: Option<PathBuf>,
    /// Remove from mirrors what nobody has asked for in so many days
    #[arg(long, value_name = "DAYS", default_value_t = MirrorOptions::UNUSED_DAYS)]
    mirror_days: u32,
}

impl MirrorArgs {
    pub fn options(&self) -> anyhow::Result<Vec<MirrorOptions>> {
        let known = match &self.mirror_credentials {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("--mirror-credentials {}", path.display()))?;
                read(&text, path)?
            }
            None => BTreeMap::new(),
        };
        let complete = |mirror: &MirrorOptions| {
            let mirror = MirrorOptions { unused_days: self.mirror_days, ..mirror.clone() };
            match known.get(login_host(mirror.upstream.host())) {
                Some(credentials) => mirror.with_credentials(credentials.clone()),
                None => mirror,
            }
        };
        Ok(self.mirrors.iter().map(complete).collect())
    }
}

/// Docker Hub's images come from a host of their own, and `docker login` writes down another one.
fn login_host(host: &str) -> &str {
    if matches!(host, "registry-1.docker.io" | "docker.io") { "index.docker.io" } else { host }
}

/// Docker's `config.json`, as far as it holds credentials.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    /// `user:password` in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// By host. What the file holds is in no message.
fn read(text: &str, path: &Path) -> anyhow::Result<BTreeMap<String, Credentials>> {
    let file = path.display();
    let config: DockerConfig = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        anyhow::anyhow!("{file}:{line}:{column}: expected JSON as `docker login` writes it, with `auths`")
    })?;
    let mut known = BTreeMap::new();
    for (key, auth) in config.auths {
        // `https://index.docker.io/v1/`
        let host = key.split_once("://").map_or(key.as_str(), |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or(host).to_owned();
        let Some(credentials) = credentials(auth) else {
            bail!(
                "{file}: `{key}` has no user and password: it needs `auth`, or `username` and `password`; \
                 credential helpers are not asked"
            );
        };
        known.insert(host, credentials);
    }
    Ok(known)
}

fn credentials(auth: Auth) -> Option<Credentials> {
    if let (Some(username), Some(password)) = (auth.username, auth.password) {
        return Some(Credentials::Basic { username, password });
    }
    let decoded = String::from_utf8(STANDARD.decode(auth.auth?).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Credentials::Basic { username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_docker_writes_them() {
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YW5uOnM6M2NyZXQ="},
            "ghcr.io": {"username": "ben", "password": "pw"}
        }, "credsStore": "desktop"}"#;
        let known = read(text, Path::new("config.json")).unwrap();
        let basic = |name: &str, password: &str| Credentials::Basic {
            username: name.to_owned(),
            password: password.to_owned(),
        };
        assert_eq!(known.get(login_host("registry-1.docker.io")), Some(&basic("ann", "s:3cret")));
        assert_eq!(known.get(login_host("ghcr.io")), Some(&basic("ben", "pw")));
        for (wrong, expected) in [
            ("{\"auths\": {\"a\": \"s3cret\"}}", "config.json:1:"),
            ("{\"auths\": {\"a\": {}}}", "`a` has no user and password"),
            ("{\"auths\": {\"a\": {\"auth\": \"s3cret\"}}}", "`a` has no user and password"),
        ] {
            let refusal = format!("{:#}", read(wrong, Path::new("config.json")).unwrap_err());
            assert!(refusal.contains(expected) && !refusal.contains("s3cret"), "{refusal}");
        }
    }
}
