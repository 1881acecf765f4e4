//! Hands the commit to the binary, so that `sluice version` and `/version` can name it.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SLUICE_COMMIT");
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/refs/heads");
    let commit = std::env::var("SLUICE_COMMIT").ok().or_else(commit_of_checkout);
    println!("cargo:rustc-env=SLUICE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

fn commit_of_checkout() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
