use sluice_dialect_circleci::{Config, PipelineValues, Read, read};
use sluice_model::{CommitSha, Event, RepositoryName, Trigger, UserName};

pub const PATH: &str = ".circleci/config.yml";

pub fn read_with(text: &str, values: &PipelineValues) -> Read {
    read(PATH, text, &orb, values)
}

/// The repository's one local copy of a registry orb.
pub fn orb(path: &str) -> Option<String> {
    (path == ".sluice/orbs/acme/tools@1.2.3.yml").then(|| ORB.to_owned())
}

const ORB: &str = "
version: 2.1
executors:
  default:
    parameters: {tag: {type: string, default: stable}}
    docker: [{image: 'acme/base:<< parameters.tag >>'}]
commands:
  greet:
    parameters: {to: {type: string}}
    steps: [run: 'echo << parameters.to >>']
jobs:
  check:
    parameters:
      executor: {type: executor, default: default}
      after: {type: steps, default: []}
    executor: << parameters.executor >>
    steps:
      - greet: {to: orb}
      - steps: << parameters.after >>
";

/// A config that must be good.
pub fn config(text: &str) -> Config {
    config_with(text, &PipelineValues::default())
}

pub fn config_with(text: &str, values: &PipelineValues) -> Config {
    let read = read_with(text, values);
    read.config.unwrap_or_else(|| panic!("{text}\n{:#?}", read.diagnostics))
}

/// Everything that was found, one line each.
pub fn findings(text: &str) -> String {
    let read = read_with(text, &PipelineValues::default());
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    lines.join("\n").replace(&format!("{PATH}:"), "")
}

/// A push of `refs/heads/…` or `refs/tags/…`.
pub fn push(git_ref: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        action: None,
        repository: "acme/shop".parse::<RepositoryName>().unwrap(),
        git_ref: git_ref.to_owned(),
        sha: "a".repeat(40).parse::<CommitSha>().unwrap(),
        before: None,
        actor: UserName::new("ada"),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        image_chain: Vec::new(),
        inputs: Default::default(),
        payload: String::new(),
        subject: String::new(),
    }
}

/// Version 2.1, jobs `a`, `b` and `c` on an image, and what is given.
pub fn with_jobs(rest: &str) -> String {
    let jobs: String = ["a", "b", "c"]
        .map(|name| format!("  {name}: {{docker: [{{image: i}}], steps: [checkout]}}\n"))
        .concat();
    format!("version: 2.1\njobs:\n{jobs}{rest}")
}
