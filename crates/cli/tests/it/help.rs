//! `--help` of every verb, as a person reads it.

use crate::repository::Repository;

#[test]
fn the_help_of_every_verb() {
    let repository = Repository::folder(&[]);
    let top = repository.sluice(&["--help"]);
    assert_eq!(top.code, 0);
    let verbs = top.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs: Vec<_> = verbs
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut text = top.stdout.clone();
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        let said = repository.sluice(&[verb, "--help"]);
        assert_eq!(said.code, 0, "{verb}");
        text.push_str(&format!("\n## sluice {verb}\n\n{}", said.stdout));
    }
    insta::assert_snapshot!("help", text);
}

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
