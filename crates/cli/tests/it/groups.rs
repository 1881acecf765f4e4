//! Concurrency groups of `sluice run`: between the workflows of one process, and between processes.

use std::time::{Duration, Instant};

use crate::repository::Repository;
use crate::under_way::UnderWay;

/// Longer than anything takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A workflow whose one job goes on until the file `go` is there.
fn until_go(repository: &Repository, head: &str, job: &str) -> String {
    let go = repository.state().join("go");
    format!(
        "{head}on: push\njobs:\n  build:\n{job}    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          echo begun\n          \
         trap 'echo stopped; exit 1' INT TERM\n          until [ -e {} ]; do sleep 0.02; done\n",
        go.display()
    )
}

fn repository(head: &str, job: &str) -> Repository {
    let repository = Repository::with(&[]);
    let text = until_go(&repository, head, job);
    repository.write(".github/workflows/ci.yml", text.as_bytes());
    std::fs::create_dir_all(repository.state()).unwrap();
    repository
}

fn go(repository: &Repository) {
    std::fs::write(repository.state().join("go"), "").unwrap();
}

fn start(repository: &Repository) -> UnderWay {
    UnderWay::start(repository.command(&["run", "--runner", "host"]))
}

#[test]
fn another_process_waits_for_its_turn_and_says_who_holds_the_group() {
    let repository = repository("concurrency: deploy\n", "");
    let mut first = start(&repository);
    first.until("build | begun");
    let mut second = start(&repository);
    second.until("ci.yml waits for the group `deploy`, which run 1 holds");
    let runs = repository.sluice(&["runs"]).stdout;
    assert!(runs.contains("⏸ queued") && runs.contains("⏸ run 2 waits for the group `deploy`"), "{runs}");
    go(&repository);
    assert_eq!(first.end().code, 0);
    let second = second.end();
    assert!(second.code == 0 && second.stdout.contains("build | begun"), "{second:?}");
}

#[test]
fn the_newest_process_takes_the_place_of_one_that_waits() {
    let repository = repository("", "    concurrency: deploy\n");
    let mut first = start(&repository);
    first.until("build | begun");
    let mut second = start(&repository);
    second.until("build waits for the group `deploy`, which `build` of run 1 holds");
    let mut third = start(&repository);
    third.until("waits for the group");
    let second = second.end();
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stdout.contains("`deploy`, but build of run 3 came later"), "{}", second.stdout);
    go(&repository);
    assert_eq!((first.end().code, third.end().code), (0, 0));
}

#[test]
fn cancel_in_progress_reaches_another_process() {
    let repository = repository("concurrency: { group: deploy, cancel-in-progress: true }\n", "");
    let mut first = start(&repository);
    first.until("build | begun");
    let mut second = start(&repository);
    let first = first.end();
    assert!(first.code == 1 && first.stdout.contains("cancelled"), "{first:?}");
    second.until("build | begun");
    go(&repository);
    assert_eq!(second.end().code, 0);
}

#[test]
fn a_process_that_is_killed_leaves_its_turn_to_the_next() {
    let repository = repository("", "    concurrency: { group: deploy, queue: max }\n");
    let mut first = start(&repository);
    first.until("build | begun");
    let mut waiting = start(&repository);
    waiting.until("waits for the group");
    let mut last = start(&repository);
    last.until("waits for the group");
    // One that waits, and the one that holds the group.
    waiting.kill();
    let killed = Instant::now();
    first.kill();
    last.until("build | begun");
    assert!(killed.elapsed() < WITHIN);
    go(&repository);
    assert_eq!(last.end().code, 0);
}

#[test]
fn who_is_cancelled_while_it_waits_ends_at_once() {
    let repository = repository("concurrency: { group: deploy, queue: max }\n", "");
    let mut first = start(&repository);
    first.until("build | begun");
    let mut second = start(&repository);
    second.until("waits for the group");
    second.send("INT");
    let second = second.end();
    assert!(second.code == 130 && second.stdout.contains("cancelled"), "{second:?}");
    go(&repository);
    assert_eq!(first.end().code, 0);
}

#[test]
fn a_run_that_stands_at_a_gate_nobody_opens_holds_up_no_other() {
    let text = concat!(
        "version: 2.1\njobs:\n  a: { docker: [{ image: any }], steps: [{ run: echo ran }] }\n",
        "workflows: { all: { jobs: [{ hold: { type: approval, serial-group: x } }, { a: { requires: [hold] } }] } }\n",
    );
    let repository = Repository::with(&[(".circleci/config.yml", text)]);
    for approve in ["none", "all"] {
        let said = repository.sluice(&["run", "--runner", "host", "--approve", approve]);
        assert_eq!(said.code, if approve == "none" { 3 } else { 0 }, "{said:?}");
    }
}

#[test]
fn workflows_and_jobs_of_one_process_take_turns() {
    let job = |group: &str, text: &str| {
        format!(
            "on: push\n{group}jobs:\n  one:\n    runs-on: x\n    steps:\n      - run: 'mkdir {}; sleep 0.3; rmdir {}'\n",
            text, text
        )
    };
    let repository = Repository::with(&[]);
    std::fs::create_dir_all(repository.state()).unwrap();
    let held = repository.state().join("held");
    let held = held.to_string_lossy();
    let group = "concurrency: { group: Deploy, queue: max }\n";
    let inner =
        job("", &held).replace("    runs-on", "    concurrency: { group: deploy, queue: max }\n    runs-on");
    repository.write(".github/workflows/a.yml", job(group, &held).as_bytes());
    repository.write(".github/workflows/b.yml", inner.as_bytes());
    repository.write(".github/workflows/c.yml", job(group, &held).as_bytes());
    let said = repository.sluice(&["run", "--runner", "host", "--jobs", "3"]);
    assert_eq!(said.code, 0, "{said:?}");
    for waits in [
        "⏸ one waits for the group `deploy`, which run 1 holds",
        "⏸ .github/workflows/c.yml waits for the group `Deploy`, which `one` of run 2 holds",
    ] {
        assert!(said.stdout.contains(waits), "{}", said.stdout);
    }
    let plan = repository.sluice(&["plan"]).stdout;
    assert!(plan.contains("a.yml, one at a time in group `Deploy` (in order)"), "{plan}");
    assert!(plan.contains("└ one, one at a time in group `deploy` (in order)"), "{plan}");
}
