//! SSH keys for CircleCI's `add_ssh_keys`: private keys of the person, named by their fingerprints.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use sluice_wire::{Secret, SshKey};

/// A larger file is no key.
const FILE_LIMIT_BYTES: u64 = 64 << 10;

/// Reads `[HOST=]FILE`s. ssh-keygen reads their public halves, which the fingerprints are of.
pub fn read(keys: &[String]) -> anyhow::Result<Vec<SshKey>> {
    keys.iter().map(|key| read_one(key)).collect()
}

/// The same key with another path.
pub fn with_path(key: &str, change: impl FnOnce(&str) -> PathBuf) -> String {
    let (host, path) = parts(key);
    let path = change(path).display().to_string();
    host.map_or(path.clone(), |host| format!("{host}={path}"))
}

/// The path holds whatever folder a later attempt is called in.
pub fn absolute(key: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(parts(key).1)?;
    Ok(with_path(key, |_| path))
}

/// A path may have an `=` too, behind its first `/`.
fn parts(key: &str) -> (Option<&str>, &str) {
    match key.split_once('=') {
        Some((host, path)) if !host.is_empty() && !host.contains('/') => (Some(host), path),
        _ => (None, key),
    }
}

fn read_one(key: &str) -> anyhow::Result<SshKey> {
    let (host, path) = parts(key);
    if host.is_some_and(|host| host.chars().any(|c| c.is_whitespace() || c.is_control())) {
        bail!("--ssh-key {key}: a host has no spaces");
    }
    let shown = format!("--ssh-key {path}");
    let size = std::fs::metadata(path).with_context(|| format!("{shown}: cannot be read"))?.len();
    if size > FILE_LIMIT_BYTES {
        bail!("{shown}: is larger than {} KiB, and no key", FILE_LIMIT_BYTES >> 10);
    }
    let private = std::fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
    let public = public_half(Path::new(path)).with_context(|| shown.clone())?;
    let [md5, sha256] = ["md5", "sha256"].map(|hash| fingerprint(&public, hash));
    let md5 = md5?.trim_start_matches("MD5:").to_owned();
    Ok(SshKey { md5, sha256: sha256?, host: host.map(str::to_owned), private: Secret::new(private) })
}

fn public_half(path: &Path) -> anyhow::Result<Vec<u8>> {
    // An empty passphrase, so that nobody is asked for one.
    let output =
        keygen(&["-y", "-P", "", "-f"]).arg(path).stdin(Stdio::null()).output().context(NO_KEYGEN)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        bail!("is no private key without a passphrase that only its owner can read: {said}");
    }
    Ok(output.stdout)
}

fn fingerprint(public: &[u8], hash: &str) -> anyhow::Result<String> {
    let mut keygen = keygen(&["-l", "-E", hash, "-f", "-"]);
    let mut child = keygen.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context(NO_KEYGEN)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(public)?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fingerprint = said.split(' ').nth(1).filter(|_| output.status.success());
    fingerprint.map(str::to_owned).context("ssh-keygen gives no fingerprint of the key")
}

const NO_KEYGEN: &str = "ssh-keygen could not be started: install openssh-client";

fn keygen(arguments: &[&str]) -> Command {
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).env("LC_ALL", "C");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stands_before_the_path() {
        assert_eq!(parts("git.example.com=~/k"), (Some("git.example.com"), "~/k"));
        assert_eq!(parts("/home/a=b/k"), (None, "/home/a=b/k"));
        assert_eq!(parts("=k"), (None, "=k"));
        assert_eq!(with_path("h=k", |path| Path::new("/x").join(path)), "h=/x/k");
    }
}
