//! Runs, jobs and logs.

use sluice_model::{Event, InstanceId, JobId};
use sluice_view::*;

use super::{ago, gate, instance, repository, sha, user};

pub fn run_row(number: u64, status: Status, subject: &str, since: i64, length: Option<i64>) -> RunRow {
    RunRow {
        number,
        workflow: if number.is_multiple_of(5) { "release" } else { "build" }.to_owned(),
        status,
        subject: subject.to_owned(),
        sha: sha(number),
        ref_name: if number.is_multiple_of(5) { "version1.2.4" } else { "master" }.to_owned(),
        event: Event::Push,
        actor: user(if number.is_multiple_of(2) { "mara" } else { "jonas" }),
        created_at: ago(since),
        finished_at: length.map(|length| ago(since - length)),
        attempt: 1,
        gates: vec![],
        trouble: None,
    }
}

pub fn run_rows() -> Vec<RunRow> {
    let mut rows = vec![
        run_row(48, Status::Running, "Round prices to the currency's own digits", 74, None),
        run_row(47, Status::Failed, "Show the basket's total before shipping", 9 * 60, Some(192)),
        run_row(46, Status::Passed, "Take the health path from the configuration", 41 * 60, Some(171)),
        run_row(45, Status::Waiting, "Answer /version with the commit that was built", 78 * 60, None),
        run_row(44, Status::Cancelled, "Try a second replica in staging", 3 * 3_600, Some(44)),
        run_row(43, Status::Passed, "Name the build's stages", 5 * 3_600, Some(166)),
        run_row(42, Status::Skipped, "Fix a typo in the README", 26 * 3_600, Some(1)),
        run_row(41, Status::Queued, "Bump the base image to Debian 13", 30, None),
    ];
    rows[1].trouble = Some("e2e: 2 tests failed".to_owned());
    rows[1].ref_name = "feature/basket-total-before-shipping-and-taxes".to_owned();
    rows[1].attempt = 2;
    rows[3].gates = vec![gate("production", May::Yes)];
    rows
}

pub fn runs() -> RunsPage {
    RunsPage {
        repository: repository(),
        filters: RunFilters::default(),
        workflows: vec!["build".to_owned(), "release".to_owned()],
        branches: vec!["master".to_owned(), "feature/basket-total-before-shipping-and-taxes".to_owned()],
        runs: run_rows(),
        older: Some(41),
        server_url: "http://127.0.0.1:7000".to_owned(),
    }
}

pub fn step(number: u32, name: &str, status: Status, from: i64, to: Option<i64>) -> Step {
    Step {
        number,
        name: name.to_owned(),
        status,
        started_at: (status != Status::Queued && status != Status::Skipped).then(|| ago(from)),
        finished_at: to.map(ago),
        exit_code: match status {
            Status::Failed => Some(101),
            Status::Passed => Some(0),
            _ => None,
        },
        first_line: Some(u64::from(number) * 40 - 39),
    }
}

fn job(name: &str, needs: &[&str], status: Status, times: Option<(i64, i64, Option<i64>)>) -> Job {
    let instances = times
        .map(|(queued, started, finished)| Instance {
            id: instance(name),
            label: String::new(),
            status,
            queued_at: Some(ago(queued)),
            started_at: Some(ago(started)),
            finished_at: finished.map(ago),
            executor: Some("docker: rust:1.91-bookworm".to_owned()),
            steps: vec![
                step(1, "Check out code", Status::Passed, started, Some(started - 1)),
                step(2, &format!("make {name}"), status, started - 1, finished),
            ],
            kept_from_attempt: None,
        })
        .into_iter()
        .collect();
    Job {
        id: JobId::new(name),
        name: name.to_owned(),
        status,
        needs: needs.iter().map(|need| JobId::new(*need)).collect(),
        is_gate: false,
        gate: None,
        reason: None,
        instances,
    }
}

/// The whole way of the CircleCI pipeline, before production.
pub fn waiting_run() -> RunPage {
    let at = |offset: i64| 78 * 60 - offset;
    let done = |name: &str, needs: &[&str], queued: i64, started: i64, finished: i64| {
        job(name, needs, Status::Passed, Some((at(queued), at(started), Some(at(finished)))))
    };
    let opened = |name: &str, needs: &[&str]| Job { is_gate: true, ..job(name, needs, Status::Passed, None) };
    let opened_at = |name: &str, needs: &[&str], queued: i64, opened: i64| {
        let mut gate = done(name, needs, queued, queued, opened);
        gate.is_gate = true;
        gate.instances[0].started_at = None;
        gate.instances[0].steps = vec![];
        gate
    };
    let mut test = done("test", &["build"], 31, 33, 74);
    test.instances = ["debian 12, stable", "debian 12, beta", "debian 13, stable", "debian 13, beta"]
        .iter()
        .enumerate()
        .map(|(index, label)| Instance {
            id: InstanceId::new(JobId::new("test"), index as u32),
            label: (*label).to_owned(),
            finished_at: Some(ago(at(60 + index as i64 * 5))),
            ..test.instances[0].clone()
        })
        .collect();
    let mut hold = job("approve-production", &["deploy-staging"], Status::Waiting, None);
    hold.is_gate = true;
    hold.gate = Some(gate("production", May::Yes));
    let mut deploy = job("deploy-production", &["approve-production"], Status::Queued, None);
    deploy.reason = Some("waits for approve-production".to_owned());
    let mut notify = job("notify-failure", &["e2e"], Status::Skipped, None);
    notify.reason = Some("needs a failure of e2e, which passed".to_owned());
    RunPage {
        repository: repository(),
        number: 45,
        workflow: "deliver".to_owned(),
        workflow_file: ".circleci/config.yml".to_owned(),
        status: Status::Waiting,
        attempt: 1,
        event: Event::Push,
        ref_name: "master".to_owned(),
        sha: sha(45),
        subject: "Answer /version with the commit that was built".to_owned(),
        actor: user("jonas"),
        created_at: ago(78 * 60),
        finished_at: None,
        jobs: vec![
            done("build", &[], 0, 2, 31),
            done("lint", &[], 0, 3, 22),
            test,
            done("e2e", &["build"], 31, 44, 96),
            done("audit", &["build"], 31, 34, 41),
            done("push", &["test", "e2e", "lint", "build", "audit"], 96, 97, 112),
            notify,
            done("deploy-dev", &["push"], 112, 113, 126),
            opened("approve-uat", &["deploy-dev"]),
            done("deploy-uat", &["approve-uat"], 600, 601, 614),
            opened_at("approve-staging", &["deploy-uat"], 614, 1_800),
            done("deploy-staging", &["approve-staging"], 1_800, 1_801, 1_817),
            hold,
            deploy,
        ],
        waits_for: None,
        problems: vec![],
        errors: vec![],
        tests: Some(TestCounts { passed: 214, failed: 0, skipped: 3 }),
        failed_tests: vec![],
        artifacts: vec![Artifact {
            name: "e2e-screenshots".to_owned(),
            job: instance("e2e"),
            files: 12,
            size_bytes: 3_481_220,
            href: Some("/acme/storefront/runs/45/artifacts/e2e-screenshots".to_owned()),
        }],
        summaries: vec![Summary {
            job_name: "test (node 20, linux)".to_owned(),
            text: "### Coverage\n\n| crate | lines |\n|---|---|\n| api | **93 %** |\n".to_owned(),
        }],
        release: Some(ReleaseLink { version: "version1.2.4".to_owned() }),
        may_cancel: May::Yes,
        may_rerun: May::Yes,
    }
}

/// Red from a chat link: two tests of e2e.
pub fn failed_run() -> RunPage {
    let at = |offset: i64| 9 * 60 - offset;
    let done = |name: &str, needs: &[&str], status, queued: i64, started: i64, finished: i64| {
        job(name, needs, status, Some((at(queued), at(started), Some(at(finished)))))
    };
    let mut push = job("push", &["test", "e2e"], Status::Skipped, None);
    push.reason = Some("e2e failed".to_owned());
    let mut build = done("build", &[], Status::Passed, 0, 2, 31);
    build.instances[0].kept_from_attempt = Some(1);
    RunPage {
        number: 47,
        workflow: "build".to_owned(),
        workflow_file: ".github/workflows/build.yml".to_owned(),
        status: Status::Failed,
        attempt: 2,
        ref_name: "feature/basket-total-before-shipping-and-taxes".to_owned(),
        sha: sha(47),
        subject: "Show the basket's total before shipping".to_owned(),
        created_at: ago(9 * 60),
        finished_at: Some(ago(9 * 60 - 192)),
        jobs: vec![
            build,
            done("test", &["build"], Status::Passed, 31, 33, 74),
            done("lint", &[], Status::Failed, 0, 40, 52),
            done("e2e", &["build"], Status::Failed, 31, 95, 192),
            push,
        ],
        errors: vec![
            ErrorLine {
                job: instance("e2e"),
                job_name: "e2e".to_owned(),
                step: "make e2e".to_owned(),
                line: Some(1_204),
                text: "\x1b[1;31merror\x1b[0m: test failed, to rerun pass `--test basket`\n\nCaused by:\n  process didn't exit successfully: `target/debug/deps/basket-5f0c1d` (exit status: 101)".to_owned(),
            },
            ErrorLine {
                job: instance("lint"),
                job_name: "lint".to_owned(),
                step: "make lint".to_owned(),
                line: Some(88),
                text: "error: this comparison involving the minimum or maximum element for this type contains a case that is always true or always false".to_owned(),
            },
        ],
        tests: Some(TestCounts { passed: 212, failed: 2, skipped: 3 }),
        failed_tests: vec![
            FailedTest {
                job: instance("e2e"),
                suite: "basket".to_owned(),
                name: "the total stands above the shipping costs".to_owned(),
                file: Some("tests/basket.rs:41".to_owned()),
                message: "assertion `left == right` failed\n\x1b[31m  left: \"€ 41.90\"\x1b[0m\n\x1b[32m right: \"€ 36.95\"\x1b[0m".to_owned(),
                duration_ms: 3_412,
                history: [vec![Status::Passed; 18], vec![Status::Failed; 2]].concat(),
                is_flaky: false,
            },
            FailedTest {
                job: instance("e2e"),
                suite: "checkout".to_owned(),
                name: "paying twice is refused".to_owned(),
                file: None,
                message: "no element `#pay` within 5 s".to_owned(),
                duration_ms: 5_020,
                history: (0..26).map(|n| if n % 5 == 1 { Status::Failed } else { Status::Passed }).collect(),
                is_flaky: true,
            },
        ],
        artifacts: vec![],
        summaries: vec![],
        release: None,
        ..waiting_run()
    }
}

/// In the middle: one job of the matrix has failed, others go on, one is in the queue.
pub fn running_run() -> RunPage {
    let mut test = job("test", &["build"], Status::Running, Some((40, 38, None)));
    let states = [Status::Passed, Status::Failed, Status::Running, Status::Queued];
    test.instances = ["debian 12, stable", "debian 12, beta", "debian 13, stable", "debian 13, beta"]
        .iter()
        .zip(states)
        .enumerate()
        .map(|(index, (label, status))| Instance {
            id: InstanceId::new(JobId::new("test"), index as u32),
            label: (*label).to_owned(),
            status,
            started_at: (status != Status::Queued).then(|| ago(38)),
            finished_at: status.is_final().then(|| ago(5)),
            steps: if status == Status::Queued { vec![] } else { test.instances[0].steps.clone() },
            ..test.instances[0].clone()
        })
        .collect();
    let mut e2e = job("e2e", &["build"], Status::Queued, Some((40, 40, None)));
    e2e.instances[0].started_at = None;
    e2e.instances[0].steps = vec![];
    e2e.reason = Some("no runner is free: 2 of 2 are at work".to_owned());
    RunPage {
        number: 48,
        workflow: "build".to_owned(),
        status: Status::Running,
        subject: "Round prices to the currency's own digits".to_owned(),
        sha: sha(48),
        actor: user("mara"),
        created_at: ago(74),
        jobs: vec![
            job("build", &[], Status::Passed, Some((74, 72, Some(40)))),
            test,
            e2e,
            job("push", &["test", "e2e"], Status::Queued, None),
        ],
        tests: None,
        artifacts: vec![],
        summaries: vec![],
        release: None,
        may_cancel: May::No("only those who may write may cancel".to_owned()),
        ..waiting_run()
    }
}

pub fn refused_run() -> RunPage {
    RunPage {
        number: 49,
        jobs: vec![],
        waits_for: None,
        problems: vec![
            ".github/workflows/build.yml:14:9: error[unsupported-action]: `uses: docker/build-push-action@v6` is not supported yet; run `docker build` in a `run:` step instead".to_owned(),
        ],
        status: Status::Failed,
        finished_at: Some(ago(5)),
        created_at: ago(6),
        tests: None,
        artifacts: vec![],
        summaries: vec![],
        release: None,
        may_rerun: May::No("only those who may write may rerun".to_owned()),
        ..waiting_run()
    }
}

pub fn log_line(step: u32, second: i64, text: &str) -> LogLine {
    LogLine { step, stream: LogStream::Stdout, at: ago(9 * 60 - 95 - second), text: text.to_owned() }
}

pub fn job_page() -> JobPage {
    let mut lines = vec![
        LogLine { stream: LogStream::Runner, ..log_line(1, 0, "Starting container rust:1.91-bookworm") },
        LogLine { stream: LogStream::Runner, ..log_line(1, 0, "Working directory /home/circleci/project") },
        log_line(1, 1, "##[group]Fetching the repository"),
        log_line(1, 1, "[command]/usr/bin/git fetch --depth=1 origin 7c0e3b1"),
        log_line(1, 1, "From http://127.0.0.1:7000/acme/storefront"),
        log_line(1, 1, " * branch            7c0e3b1    -> FETCH_HEAD"),
        log_line(1, 1, "##[endgroup]"),
        log_line(2, 2, "\x1b[36m$ cargo test --test basket --test checkout\x1b[0m"),
        log_line(
            2,
            2,
            "\x1b[1m\x1b[32m   Compiling\x1b[0m storefront-e2e v1.2.5 (/home/circleci/project/e2e)",
        ),
        log_line(2, 31, "\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused variable: `shipping`\x1b[0m"),
        log_line(2, 31, "  \x1b[1m\x1b[34m--> \x1b[0me2e/tests/basket.rs:38:9"),
    ];
    for number in 1..=60 {
        lines.push(log_line(2, 40 + number, &format!("test basket::case_{number:02} ... \x1b[32mok\x1b[0m")));
    }
    lines.extend([
        log_line(2, 96, "test basket::the_total_stands_above_the_shipping_costs ... \x1b[31mFAILED\x1b[0m"),
        log_line(2, 96, "::warning file=e2e/tests/checkout.rs,line=12::this test waited 4.9 s of 5 s"),
        LogLine { stream: LogStream::Stderr, ..log_line(2, 97, "\x1b[1;31merror\x1b[0m: test failed, to rerun pass `--test basket`") },
        log_line(2, 97, "::error file=e2e/tests/basket.rs,line=41::assertion `left == right` failed: left: \"€ 41.90\", right: \"€ 36.95\", and then a rather long explanation that has to wrap or scroll, as the reader likes it better"),
        LogLine { stream: LogStream::Runner, ..log_line(3, 97, "Skipped: the step before failed") },
    ]);
    let total = lines.len() as u64;
    let run = failed_run();
    JobPage {
        repository: repository(),
        run_number: 47,
        workflow: "build".to_owned(),
        subject: run.subject.clone(),
        sha: run.sha.clone(),
        ref_name: run.ref_name.clone(),
        instance: instance("e2e"),
        name: "e2e".to_owned(),
        status: Status::Failed,
        queued_at: Some(ago(9 * 60 - 31)),
        started_at: Some(ago(9 * 60 - 95)),
        finished_at: Some(ago(9 * 60 - 192)),
        executor: Some("docker: rust:1.91-bookworm".to_owned()),
        reason: None,
        gate: None,
        steps: vec![
            Step { first_line: Some(1), ..step(1, "Check out code", Status::Passed, 445, Some(444)) },
            Step { first_line: Some(8), ..step(2, "make e2e", Status::Failed, 444, Some(348)) },
            Step { first_line: Some(total), ..step(3, "Store the screenshots", Status::Skipped, 0, None) },
        ],
        errors: vec![ErrorLine { line: Some(total - 2), ..run.errors[0].clone() }],
        siblings: run
            .jobs
            .iter()
            .map(|job| Sibling {
                instance: instance(job.id.as_str()),
                name: job.name.clone(),
                status: job.status,
            })
            .collect(),
        lines,
        first_line: 1,
        total_lines: total,
    }
}

/// A log that still grows, and a job that has not begun.
pub fn running_job() -> JobPage {
    let mut page = job_page();
    page.run_number = 48;
    page.status = Status::Running;
    page.finished_at = None;
    page.errors = vec![];
    page.steps = vec![
        Step { first_line: Some(1), ..step(1, "Check out code", Status::Passed, 445, Some(444)) },
        Step { first_line: Some(8), ..step(2, "make e2e", Status::Running, 444, None) },
        Step { first_line: None, ..step(3, "Store the screenshots", Status::Queued, 0, None) },
    ];
    page.lines.truncate(30);
    page.total_lines = 30;
    page
}

pub fn queued_job() -> JobPage {
    let mut page = running_job();
    page.status = Status::Queued;
    page.started_at = None;
    page.executor = None;
    page.reason = Some("no runner is free: 2 of 2 are at work".to_owned());
    page.steps = vec![];
    page.lines = vec![];
    page.total_lines = 0;
    page
}

/// The middle of a log that is longer than a page.
pub fn middle_of_log() -> JobPage {
    let mut page = job_page();
    page.first_line = 5_001;
    page.total_lines = 12_345;
    page
}
