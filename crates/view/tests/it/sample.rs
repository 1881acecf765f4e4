//! A Friday afternoon at acme/storefront: version1.2.4 waits before production, version1.2.5 is on its way, one run is red.

use sluice_model::{
    CommitSha, Digest, EnvironmentName, Event, InstanceId, JobId, PromotionId, RepositoryName, ServiceName,
    Timestamp, UserName,
};
use sluice_view::*;

/// Friday, 20 November 2026, 16:55:00 UTC.
pub const NOW: Timestamp = Timestamp(1_795_193_700_000);

pub fn ago(seconds: i64) -> Timestamp {
    NOW.plus_ms(-seconds * 1_000)
}

pub fn frame() -> Frame {
    Frame {
        viewer: Some(Viewer { name: user("mara"), is_admin: true }),
        now: NOW,
        form_token: Some("f0rm".to_owned()),
        notice: None,
    }
}

pub fn stranger() -> Frame {
    Frame { viewer: None, form_token: None, ..frame() }
}

pub fn repository() -> RepositoryName {
    "acme/storefront".parse().expect("a valid name")
}

pub fn user(name: &str) -> UserName {
    UserName::new(name)
}

pub fn sha(seed: u64) -> CommitSha {
    let digits = format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{digits}{digits}{}", &digits[..8]).parse().expect("40 digits")
}

pub fn digest(seed: u64) -> Digest {
    let digits = format!("{:016x}", seed.wrapping_mul(0xd1b5_4a32_d192_ed03));
    format!("sha256:{}", digits.repeat(4)).parse().expect("64 digits")
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name)
}

fn instance(name: &str) -> InstanceId {
    let Ok(id) = name.parse();
    id
}

pub fn gate(name: &str, may: May) -> GateWait {
    GateWait {
        name: name.to_owned(),
        on: vec!["release-managers".to_owned()],
        needed: 2,
        decisions: vec![Decision {
            who: user("jonas"),
            verdict: Verdict::Approved,
            at: ago(310),
            comment: Some("checked the basket on staging".to_owned()),
        }],
        since: ago(14 * 60),
        also: vec![],
        may,
    }
}

pub fn sign_in() -> SignInPage {
    SignInPage {
        next: "/acme/storefront/board".to_owned(),
        problem: None,
        command: "sluice serve --data ./data --print-link".to_owned(),
    }
}

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

pub fn home() -> HomePage {
    let stage = |name: &str, version: Option<&str>, status| Stage {
        environment: environment(name),
        version: version.map(str::to_owned),
        status,
    };
    let mut rows = run_rows();
    HomePage {
        server_url: "http://127.0.0.1:7000".to_owned(),
        repositories: vec![
            RepositoryRow {
                name: repository(),
                last_run: Some(rows.swap_remove(0)),
                stages: vec![
                    stage("dev", Some("version1.2.5"), Status::Passed),
                    stage("uat", Some("version1.2.5"), Status::Running),
                    stage("staging", Some("version1.2.4"), Status::Passed),
                    stage("production", Some("version1.2.3"), Status::Waiting),
                ],
                waiting: 2,
            },
            RepositoryRow {
                name: "acme/docs".parse().expect("valid"),
                last_run: Some(run_row(
                    12,
                    Status::Failed,
                    "Link the runbook from the front page",
                    7_200,
                    Some(31),
                )),
                stages: vec![stage("production", Some("version0.4.0"), Status::Failed)],
                waiting: 0,
            },
            RepositoryRow {
                name: "acme/fresh".parse().expect("valid"),
                last_run: None,
                stages: vec![],
                waiting: 0,
            },
        ],
    }
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
        created_at: at_time(78 * 60),
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
            opened("approve-staging", &["deploy-uat"]),
            done("deploy-staging", &["approve-staging"], 1_800, 1_801, 1_817),
            hold,
            deploy,
        ],
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
        release: Some(ReleaseLink { version: "version1.2.4".to_owned() }),
        may_cancel: May::Yes,
        may_rerun: May::Yes,
    }
}

fn at_time(seconds: i64) -> Timestamp {
    ago(seconds)
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
        release: None,
        ..waiting_run()
    }
}

pub fn refused_run() -> RunPage {
    RunPage {
        number: 49,
        jobs: vec![],
        problems: vec![
            ".github/workflows/build.yml:14:9: error[unsupported-action]: `uses: docker/build-push-action@v6` is not supported yet; run `docker build` in a `run:` step instead".to_owned(),
        ],
        status: Status::Failed,
        finished_at: Some(ago(5)),
        created_at: ago(6),
        tests: None,
        artifacts: vec![],
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

pub fn change() -> Change {
    Change {
        commits: vec![
            ChangedCommit {
                sha: sha(45),
                subject: "Answer /version with the commit that was built".to_owned(),
                author: user("jonas"),
            },
            ChangedCommit {
                sha: sha(44),
                subject: "Take the health path from the configuration".to_owned(),
                author: user("mara"),
            },
        ],
        more_commits: 3,
        images: vec![ChangedImage { service: ServiceName::new("api"), from: Some(digest(1)), to: digest(2) }],
        variables: vec!["LOG_LEVEL".to_owned()],
        is_backward: false,
    }
}

fn live(version: &str, number: u64, subject: &str, since: i64) -> Live {
    Live {
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        since: ago(since),
        replicas: vec![
            Replicas { service: ServiceName::new("api"), healthy: 1, wanted: 1 },
            Replicas { service: ServiceName::new("web"), healthy: 1, wanted: 1 },
        ],
        drift: vec![],
        rolled_back_from: None,
    }
}

fn promotion(
    id: u64,
    version: &str,
    number: u64,
    subject: &str,
    stage: PromotionStage,
    since: i64,
) -> Promotion {
    Promotion {
        id: PromotionId(id),
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        stage,
        since: ago(since),
        progress: None,
        change: None,
    }
}

pub fn board() -> BoardPage {
    let rollback = |version: &str, subject: &str, may| {
        Some(Rollback { version: version.to_owned(), subject: subject.to_owned(), may, is_warm: true })
    };
    let column = |name: &str, policy: Option<&str>, port: u16| Column {
        environment: environment(name),
        target: "docker".to_owned(),
        policy: policy.map(str::to_owned),
        url: Some(format!("http://127.0.0.1:{port}")),
        live: None,
        arriving: vec![],
        failed: None,
        next: None,
        rollback: None,
    };
    let five = "Round prices to the currency's own digits";
    let four = "Answer /version with the commit that was built";
    let three = "Name the build's stages";
    let mut production_live = live("version1.2.3", 43, three, 26 * 3_600);
    production_live.replicas[0] = Replicas { service: ServiceName::new("api"), healthy: 3, wanted: 3 };
    BoardPage {
        repository: repository(),
        problems: vec![],
        columns: vec![
            Column {
                live: Some(live("version1.2.5", 48, five, 6 * 60)),
                rollback: rollback("version1.2.4", four, May::Yes),
                ..column("dev", None, 7101)
            },
            Column {
                live: Some(live("version1.2.4", 45, four, 62 * 60)),
                arriving: vec![Promotion {
                    progress: Some("api: 1 of 2 ready, then the switch".to_owned()),
                    change: Some(Change { more_commits: 0, variables: vec![], ..change() }),
                    ..promotion(31, "version1.2.5", 48, five, PromotionStage::Deploying, 12)
                }],
                rollback: rollback("version1.2.3", three, May::Yes),
                ..column("uat", Some("qa"), 7102)
            },
            Column {
                live: Some(Live {
                    drift: vec!["api says version1.2.3, not version1.2.4".to_owned()],
                    ..live("version1.2.4", 45, four, 40 * 60)
                }),
                failed: Some(Failed {
                    version: "version1.2.4-rc2".to_owned(),
                    at: ago(3 * 3_600),
                    status: Status::Failed,
                    reason: "api did not become healthy within 60 s: GET /healthz answered 500".to_owned(),
                    taken_back: true,
                }),
                next: Some(Next {
                    version: "version1.2.5".to_owned(),
                    subject: five.to_owned(),
                    change: Some(change()),
                    may: May::No("it has to be live in uat first".to_owned()),
                }),
                rollback: rollback("version1.2.3", three, May::No("only qa may roll back".to_owned())),
                ..column("staging", Some("qa, soak 30 min"), 7103)
            },
            Column {
                live: Some(production_live),
                arriving: vec![Promotion {
                    change: Some(change()),
                    ..promotion(
                        30,
                        "version1.2.4",
                        45,
                        four,
                        PromotionStage::Gated(gate("production", May::Yes)),
                        14 * 60,
                    )
                }],
                rollback: rollback("version1.2.2", "Sort the catalogue by name", May::Yes),
                ..column("production", Some("2 of release-managers, not the author"), 7104)
            },
        ],
    }
}

fn station(name: &str, state: StationState, at: Option<i64>) -> Station {
    Station { environment: environment(name), state, at: at.map(ago), decisions: vec![], promote: None }
}

pub fn way() -> Vec<Station> {
    vec![
        station("dev", StationState::Past, Some(77 * 60)),
        Station {
            decisions: vec![Decision {
                who: user("ines"),
                verdict: Verdict::Approved,
                at: ago(64 * 60),
                comment: None,
            }],
            ..station("uat", StationState::Live, Some(62 * 60))
        },
        Station {
            decisions: vec![Decision {
                who: user("ines"),
                verdict: Verdict::Approved,
                at: ago(42 * 60),
                comment: Some("smoke test by hand".to_owned()),
            }],
            ..station("staging", StationState::Live, Some(40 * 60))
        },
        station(
            "production",
            StationState::Waiting {
                promotion: PromotionId(30),
                gate: gate(
                    "production",
                    May::No("you wrote one of its commits, and the author may not approve".to_owned()),
                ),
            },
            Some(14 * 60),
        ),
    ]
}

pub fn release() -> ReleasePage {
    let row = |id, name: &str, state, from: i64, to: Option<i64>| PromotionRow {
        id: PromotionId(id),
        environment: environment(name),
        state,
        started_by: user("jonas"),
        started_at: ago(from),
        finished_at: to.map(ago),
        decisions: vec![],
        is_rollback: false,
    };
    let mut rows = vec![
        row(
            30,
            "production",
            StationState::Waiting { promotion: PromotionId(30), gate: gate("production", May::Yes) },
            14 * 60,
            None,
        ),
        row(28, "staging", StationState::Live, 43 * 60, Some(40 * 60)),
        row(
            27,
            "staging",
            StationState::Failed("web did not become healthy within 60 s: connection refused".to_owned()),
            51 * 60,
            Some(50 * 60),
        ),
        row(26, "uat", StationState::Live, 65 * 60, Some(62 * 60)),
        row(25, "dev", StationState::Past, 77 * 60 + 14, Some(77 * 60)),
    ];
    rows[1].decisions = way()[2].decisions.clone();
    rows[3].decisions = way()[1].decisions.clone();
    ReleasePage {
        repository: repository(),
        version: "version1.2.4".to_owned(),
        sha: sha(45),
        subject: "Answer /version with the commit that was built".to_owned(),
        description: "The check after a deployment reads it, so that what is live is what was promoted."
            .to_owned(),
        author: user("jonas"),
        created_at: ago(76 * 60),
        origin: Origin {
            run_number: 45,
            workflow: "deliver".to_owned(),
            ref_name: "master".to_owned(),
            actor: user("jonas"),
        },
        images: vec![
            ImageRow {
                service: ServiceName::new("api"),
                name: "127.0.0.1:7000/acme/storefront/api".to_owned(),
                digest: digest(2),
                size_bytes: 18_240_112,
                pushed_by: Some(instance("push")),
            },
            ImageRow {
                service: ServiceName::new("web"),
                name: "127.0.0.1:7000/acme/storefront/web".to_owned(),
                digest: digest(3),
                size_bytes: 6_120_009,
                pushed_by: Some(instance("push")),
            },
        ],
        way: way(),
        history: rows,
        change: Some(change()),
        previous_version: Some("version1.2.3".to_owned()),
    }
}

pub fn releases() -> ReleasesPage {
    let row = |version: &str, number: u64, subject: &str, since: i64, states: [StationState; 4]| ReleaseRow {
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        created_at: ago(since),
        way: ["dev", "uat", "staging", "production"]
            .into_iter()
            .zip(states)
            .map(|(name, state)| station(name, state, None))
            .collect(),
    };
    let waiting = StationState::Waiting { promotion: PromotionId(30), gate: gate("production", May::Yes) };
    use StationState::{Ahead, Deploying, Live, Past, RolledBack};
    ReleasesPage {
        repository: repository(),
        older: Some(9),
        rule: Some("branch master, tags version*".to_owned()),
        releases: vec![
            row(
                "version1.2.5",
                48,
                "Round prices to the currency's own digits",
                380,
                [Live, Deploying, Ahead, Ahead],
            ),
            row(
                "version1.2.4",
                45,
                "Answer /version with the commit that was built",
                76 * 60,
                [Past, Live, Live, waiting],
            ),
            row("version1.2.3", 43, "Name the build's stages", 27 * 3_600, [Past, Past, Past, Live]),
            row("version1.2.2", 40, "Sort the catalogue by name", 50 * 3_600, [Past, Past, Past, RolledBack]),
            row(
                "version1.2.1",
                38,
                "Keep the basket over a restart",
                99 * 3_600,
                [Past, StationState::Failed("web refused".to_owned()), Ahead, StationState::Rejected],
            ),
        ],
    }
}

pub fn people() -> PeoplePage {
    let token = |id: &str, label: &str, used: Option<i64>, expires: Option<i64>| TokenRow {
        id: id.to_owned(),
        label: label.to_owned(),
        created_at: ago(40 * 86_400),
        last_used: used.map(ago),
        expires_at: expires.map(|at| NOW.plus_ms(at * 1_000)),
    };
    let person = |name: &str, groups: &[&str], is_admin, seen: Option<i64>, tokens| Person {
        name: user(name),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        is_admin,
        last_seen: seen.map(ago),
        tokens,
    };
    PeoplePage {
        people: vec![
            person(
                "mara",
                &["release-managers"],
                true,
                Some(2),
                vec![token("7f3a", "laptop", Some(2), None), token("90bc", "phone", None, Some(12 * 86_400))],
            ),
            person(
                "jonas",
                &["release-managers", "developers"],
                false,
                Some(400),
                vec![token("11aa", "laptop", Some(400), Some(-86_400))],
            ),
            person("ines", &["qa"], false, None, vec![]),
        ],
        groups: vec!["qa".to_owned(), "release-managers".to_owned()],
        fresh: Some(FreshToken {
            who: user("ines"),
            token: "slc_7JmZ2bXv0hYq4sKd".to_owned(),
            link: "http://127.0.0.1:7000/sign-in?token=slc_7JmZ2bXv0hYq4sKd".to_owned(),
        }),
    }
}

/// Every page by name, as the gallery and the snapshots show them.
pub fn pages() -> Vec<(&'static str, String)> {
    let frame = &frame();
    let done = &Frame {
        notice: Some(Notice { tone: Tone::Good, text: "Approved version1.2.4 for staging.".to_owned() }),
        ..frame.clone()
    };
    let refused = SignInPage { problem: Some("This token has been revoked.".to_owned()), ..sign_in() };
    let filtered = RunsPage {
        filters: RunFilters { branch: Some("gone/branch".to_owned()), ..RunFilters::default() },
        runs: vec![],
        ..runs()
    };
    [
        ("sign-in", sign_in().render(&stranger())),
        ("sign-in-refused", refused.render(&stranger())),
        ("home", home().render(frame)),
        ("home-empty", HomePage { repositories: vec![], ..home() }.render(frame)),
        ("runs", runs().render(frame)),
        ("runs-empty", RunsPage { runs: vec![], older: None, ..runs() }.render(frame)),
        ("runs-filtered", filtered.render(frame)),
        ("run-waiting", waiting_run().render(frame)),
        ("run-failed", failed_run().render(frame)),
        ("run-refused", refused_run().render(frame)),
        ("job", job_page().render(frame)),
        ("board", board().render(done)),
        ("board-empty", BoardPage { columns: vec![], ..board() }.render(frame)),
        ("releases", releases().render(frame)),
        ("releases-empty", ReleasesPage { releases: vec![], older: None, ..releases() }.render(frame)),
        ("release", release().render(frame)),
        ("people", people().render(frame)),
        ("not-found", ProblemPage::not_found("no run 99 in acme/storefront").render(frame)),
        (
            "forbidden",
            ProblemPage::forbidden(
                "approve for production",
                "Only release-managers may. Ask jonas or petra.",
            )
            .render(frame),
        ),
        ("broken", ProblemPage::broken("0199a3c2-7f").render(frame)),
    ]
    .into_iter()
    .map(|(name, page)| (name, page.into_string()))
    .collect()
}
