//! What the README shows is what happens.

use std::path::Path;

use crate::repository::Repository;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The blocks of one language in the README, in order.
fn blocks(language: &str) -> Vec<String> {
    blocks_of(&readme(), language)
}

fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The commit differs from day to day.
fn without_commit(text: &str) -> String {
    let cut = |line: &str| line.split_once(" at ").map_or(line.to_owned(), |(before, _)| before.to_owned());
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_plan_of_the_sample_is_the_one_that_is_shown() {
    let repository = crate::sample::sample();
    let said = repository.sluice(&["plan"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let shown = blocks("console").remove(0);
    let shown = shown.strip_prefix("$ sluice plan\n").unwrap();
    assert_eq!(without_commit(said.stdout.trim_end()), without_commit(shown.trim_end()));
}

#[test]
fn the_finding_is_the_one_that_is_shown() {
    let workflow = blocks("yaml").remove(0);
    let repository = Repository::with(&[(".github/workflows/ci.yml", &workflow)]);
    let said = repository.sluice(&["check", "--format", "full"]);
    assert_eq!(said.code, 1);
    let shown = blocks("console").remove(1);
    assert_eq!(
        said.stderr.trim_end(),
        shown.strip_prefix("$ sluice check --format full\n").unwrap().trim_end()
    );
}

#[test]
fn the_policy_that_is_shown_is_one() {
    let policy = blocks("yaml").remove(1);
    let repository = Repository::with(&[("sluice.yaml", &policy)]);
    let said = repository.sluice(&["check"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
}

#[test]
fn the_retention_that_the_docs_show_is_read() {
    let text = std::fs::read_to_string(root().join("docs/registry.md")).unwrap();
    let policy = blocks_of(&text, "yaml").remove(0);
    let repository = Repository::with(&[("sluice.yaml", &policy)]);
    let said = repository.sluice(&["check"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
}
