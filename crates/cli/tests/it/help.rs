//! What `sluice` says of itself. The help of every verb is in `docs/cli.md`.

use crate::repository::Repository;

#[test]
fn a_wrong_word_gets_a_suggestion() {
    let said = Repository::folder(&[]).sluice(&["chek"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("check"), "{}", said.stderr);
}

#[test]
fn the_version_names_the_commit() {
    let said = Repository::folder(&[]).sluice(&["version", "--json"]);
    let version: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["commit"].as_str().is_some_and(|commit| !commit.is_empty()));
}

#[test]
fn completions_are_a_script() {
    let said = Repository::folder(&[]).sluice(&["completions", "bash"]);
    assert_eq!(said.code, 0);
    assert!(said.stdout.contains("_sluice()"), "{}", said.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
}
