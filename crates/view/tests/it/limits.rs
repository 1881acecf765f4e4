//! Large input costs in proportion to its size: twice the input may take about twice the time, never its square.

use std::time::{Duration, Instant};

use sluice_model::JobId;
use sluice_view::*;

use crate::sample::{self, frame};

fn big_run(jobs: usize) -> RunPage {
    let one = sample::waiting_run().jobs.swap_remove(0);
    RunPage {
        jobs: (0..jobs)
            .map(|at| Job {
                id: JobId::new(format!("job-{at}")),
                name: format!("job {at}"),
                needs: (1..=3)
                    .filter(|back| at >= back * 10)
                    .map(|back| JobId::new(format!("job-{}", at - back * 10)))
                    .collect(),
                instances: one.instances.clone(),
                ..one.clone()
            })
            .collect(),
        ..sample::waiting_run()
    }
}

fn big_log(lines: usize) -> JobPage {
    let lines: Vec<LogLine> = (0..lines)
        .map(|at| {
            sample::log_line(
                1 + (at / 30_000) as u32,
                0,
                &format!("\x1b[32mok\x1b[0m line {at} of a long <log>"),
            )
        })
        .collect();
    JobPage { total_lines: lines.len() as u64, lines, ..sample::job_page() }
}

/// The shortest of three, for the machine may be busy with other things.
fn time(mut act: impl FnMut()) -> Duration {
    (0..3)
        .map(|_| {
            let began = Instant::now();
            act();
            began.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn assert_linear(what: &str, small: Duration, four_times: Duration) {
    println!("{what}: {small:?}, four times as much {four_times:?}");
    assert!(
        four_times < small * 10 + Duration::from_millis(20),
        "{what}: {small:?}, but {four_times:?} for four times as much"
    );
}

#[test]
fn a_graph_of_a_thousand_jobs() {
    let (small, large) = (big_run(250), big_run(1_000));
    let html = large.render(&frame()).into_string();
    assert_eq!(html.matches("class=\"node ").count(), 1_000);
    assert_linear(
        "graph of 1,000 jobs",
        time(|| drop(small.render(&frame()))),
        time(|| drop(large.render(&frame()))),
    );
}

#[test]
fn a_log_of_a_hundred_thousand_lines() {
    let (small, large) = (big_log(25_000), big_log(100_000));
    let html = large.render(&frame()).into_string();
    assert_eq!(html.matches("class=\"line\"").count(), 100_000);
    assert_linear(
        "log of 100,000 lines",
        time(|| drop(small.render(&frame()))),
        time(|| drop(large.render(&frame()))),
    );
    assert_linear(
        "feed of 100,000 lines",
        time(|| drop(LogFeed::new().lines(1, &small.lines))),
        time(|| drop(LogFeed::new().lines(1, &large.lines))),
    );
}

#[test]
fn lines_that_are_bombs() {
    let mut page = sample::job_page();
    page.lines = vec![
        sample::log_line(1, 0, &"\x1b[31mx\x1b[32my".repeat(1_000_000)),
        sample::log_line(1, 0, &format!("\x1b[{}mx", "38;5;1;".repeat(500_000))),
        sample::log_line(1, 0, &"\u{301}".repeat(1_000_000)),
        sample::log_line(1, 0, &"::group::".repeat(100_000)),
    ];
    let html = page.render(&frame()).into_string();
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    assert!(html.contains("the line goes on in the raw log"));
}

#[test]
fn many_failures_are_folded() {
    let mut page = sample::failed_run();
    page.failed_tests = vec![page.failed_tests.swap_remove(0); 3_000];
    page.errors = vec![page.errors.swap_remove(0); 3_000];
    let html = page.render(&frame()).into_string();
    assert_eq!(html.matches("2980 more").count(), 2);
}
