//! The sample's pipelines: what each trigger runs of them.

use std::path::Path;

use snapbox::{assert_data_eq, file};

use crate::repository::Repository;

/// What a checkout of the sample holds for the pipelines, on `master`.
pub fn sample() -> Repository {
    let sample = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/storefront"));
    let paths = [
        ".circleci/config.yml",
        ".github/workflows/base-images.yml",
        ".github/workflows/build.yml",
        ".github/workflows/release.yml",
        "sluice.yaml",
    ];
    let files: Vec<_> =
        paths.iter().map(|path| (*path, std::fs::read_to_string(sample.join(path)).unwrap())).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let repository = Repository::with(&files);
    repository.git(&["branch", "--move", "main", "master"]);
    repository
}

/// Without the commit, which differs from day to day.
fn plan(repository: &Repository, args: &[&str]) -> String {
    let said = repository.sluice(&[&["plan"], args].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let (first, rest) = said.stdout.split_once('\n').unwrap();
    format!("{}\n{rest}", first.split(" at ").next().unwrap())
}

#[test]
fn nothing_is_wrong_with_its_files() {
    let said = sample().sluice(&["check"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "5 files, 0 errors, 0 warnings\n"));
}

#[test]
fn a_push_to_master_delivers() {
    assert_data_eq!(plan(&sample(), &[]), file!["../snapshots/sample-push.txt"].raw());
}

#[test]
fn a_push_to_another_branch_does_not_deploy() {
    let repository = sample();
    repository.git(&["switch", "--quiet", "--create", "topic"]);
    assert_data_eq!(plan(&repository, &[]), file!["../snapshots/sample-branch.txt"].raw());
}

#[test]
fn a_tag_is_released() {
    let said = plan(&sample(), &["--event", "push", "--ref", "refs/tags/version1.2.3"]);
    assert_data_eq!(said, file!["../snapshots/sample-tag.txt"].raw());
}

#[test]
fn a_pull_request_is_built() {
    let said = plan(&sample(), &["--event", "pull_request"]);
    assert_data_eq!(said, file!["../snapshots/sample-pull-request.txt"].raw());
}

#[test]
fn every_month_the_base_images_are_made_anew() {
    let said = plan(&sample(), &["--event", "schedule"]);
    assert_data_eq!(said, file!["../snapshots/sample-schedule.txt"].raw());
}
