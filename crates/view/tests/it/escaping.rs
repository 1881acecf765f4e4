//! What strangers write is shown as they wrote it, and does nothing.

use sluice_model::{JobId, ServiceName};
use sluice_view::*;

use crate::sample::{self, frame};

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'\u{202e}";

/// Nothing of it became markup.
fn assert_harmless(page: &str) {
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("<img src=x"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "the text itself is gone");
}

#[test]
fn a_hostile_branch_subject_and_person() {
    let mut page = sample::runs();
    page.workflows = vec![HOSTILE.to_owned()];
    page.branches = vec![HOSTILE.to_owned()];
    page.filters =
        RunFilters { branch: Some(HOSTILE.to_owned()), q: Some(HOSTILE.to_owned()), ..RunFilters::default() };
    for run in &mut page.runs {
        run.ref_name = HOSTILE.to_owned();
        run.subject = HOSTILE.to_owned();
        run.workflow = HOSTILE.to_owned();
        run.actor = sample::user(HOSTILE);
        run.trouble = Some(HOSTILE.to_owned());
    }
    let html = page.render(&frame()).into_string();
    assert_harmless(&html);
    assert!(html.contains("?branch=%22%3E%3Cscript%3E"), "a link carries it percent-encoded");
}

#[test]
fn a_hostile_job_step_test_and_reason() {
    let mut page = sample::failed_run();
    page.subject = HOSTILE.to_owned();
    page.problems = vec![HOSTILE.to_owned()];
    for job in &mut page.jobs {
        job.id = JobId::new(format!("{}{HOSTILE}", job.id));
        job.name = HOSTILE.to_owned();
        job.reason = Some(HOSTILE.to_owned());
        for instance in &mut job.instances {
            instance.label = HOSTILE.to_owned();
            instance.executor = Some(HOSTILE.to_owned());
            instance.steps.iter_mut().for_each(|step| step.name = HOSTILE.to_owned());
        }
    }
    for test in &mut page.failed_tests {
        (test.name, test.suite, test.message) = (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    }
    page.errors.iter_mut().for_each(|error| error.text = HOSTILE.to_owned());
    assert_harmless(&page.render(&frame()).into_string());
}

#[test]
fn a_hostile_version_comment_and_address() {
    let mut board = sample::board();
    for column in &mut board.columns {
        column.url = Some("javascript:alert(1)".to_owned());
        column.policy = Some(HOSTILE.to_owned());
        if let Some(live) = &mut column.live {
            live.version = HOSTILE.to_owned();
            live.drift = vec![HOSTILE.to_owned()];
            live.replicas = vec![Replicas { service: ServiceName::new(HOSTILE), healthy: 0, wanted: 1 }];
        }
        if let Some(rollback) = &mut column.rollback {
            rollback.version = HOSTILE.to_owned();
        }
    }
    let html = board.render(&frame()).into_string();
    assert_harmless(&html);
    assert!(!html.contains("href=\"javascript:"));

    let mut release = sample::release();
    release.version = HOSTILE.to_owned();
    release.description = HOSTILE.to_owned();
    release.way[1].decisions[0].comment = Some(HOSTILE.to_owned());
    assert_harmless(&release.render(&frame()).into_string());
}

#[test]
fn a_hostile_log() {
    let mut page = sample::job_page();
    let bomb = format!("\x1b[31m{HOSTILE}\x1b[0m\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07");
    page.lines = vec![
        sample::log_line(1, 0, &bomb),
        sample::log_line(1, 0, &format!("::group::{HOSTILE}")),
        sample::log_line(1, 0, &format!("::error file={HOSTILE},line=1::{HOSTILE}")),
    ];
    let html = page.render(&frame()).into_string();
    assert_harmless(&html);
    assert!(!html.contains("javascript:"));
    assert!(!html.contains('\u{1b}'), "an escape reached the page");
    assert!(html.contains("&lt;U+202E&gt;"), "what turns the reading direction is named in a log");

    let feed = LogFeed::new().message(1, &page.lines);
    assert!(!feed.contains("<script>") && !feed.contains("<img"), "{feed}");
    for line in feed.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record a data line");
        assert!(record["h"].as_str().is_some_and(|html| !html.contains("<script>")));
    }
}

#[test]
fn a_hostile_problem_and_notice() {
    let frame = Frame { notice: Some(Notice { tone: Tone::Bad, text: HOSTILE.to_owned() }), ..frame() };
    assert_harmless(&ProblemPage::not_found(HOSTILE).render(&frame).into_string());
    let page =
        SignInPage { next: HOSTILE.to_owned(), problem: Some(HOSTILE.to_owned()), ..sample::sign_in() };
    assert_harmless(&page.render(&frame).into_string());
}

#[test]
fn a_fresh_token_is_not_in_debug_output() {
    assert!(!format!("{:?}", sample::people()).contains("slc_7JmZ2bXv0hYq4sKd"));
}
