//! The image that cases run in where there is Docker: made of Debian packages, once.

use std::path::Path;
use std::process::Command;

const IMAGE: &str = "sluice-test/cases";
const PACKAGES: &str = "ca-certificates,git,python3,nodejs";

/// What does not change without the image being made again.
fn tag() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (PACKAGES, include_str!("image.rs")).hash(&mut hasher);
    format!("{IMAGE}:{:016x}", hasher.finish())
}

/// The image's name; none (and a printed line) where no engine answers or it cannot be made, unless it has to be.
pub fn ready() -> Option<String> {
    let tag = tag();
    match make(&tag) {
        Ok(()) => Some(tag),
        Err(problem) if std::env::var("SLUICE_TEST_DOCKER").as_deref() == Ok("1") => panic!("{problem}"),
        Err(problem) => {
            println!("skipped: {problem}");
            None
        }
    }
}

fn make(tag: &str) -> Result<(), String> {
    docker(&["version"]).map_err(|error| format!("no container engine answers: {error}"))?;
    if docker(&["image", "inspect", tag]).is_ok() {
        return Ok(());
    }
    let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cases-{}.tar", std::process::id()));
    let made = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--include", PACKAGES])
        .args(["doc", "man", "locale"].map(|what| format!("--dpkgopt=path-exclude=/usr/share/{what}/*")))
        .arg("--customize-hook=ln -s python3 \"$1/usr/bin/python\"")
        .arg("bookworm")
        .arg(&archive)
        .output()
        .map_err(|error| format!("mmdebstrap makes the image of the cases, and cannot be called: {error}"))?;
    if !made.status.success() {
        return Err(format!("mmdebstrap: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let imported = docker(&["import", "--change", path, &archive.to_string_lossy(), tag]);
    std::fs::remove_file(&archive).unwrap();
    imported
}

fn docker(words: &[&str]) -> Result<(), String> {
    let output = Command::new("docker").args(words).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
