//! Large input costs in proportion to its size: never to its square.

use std::sync::LazyLock;
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

/// How long this thread has been at work, which a busy machine does not stretch; since the process began, where Linux does not tell.
fn worked() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

/// Sixteen times the input may take forty-eight times as long, for caches are small; were the cost the square of the input, it
/// would be two hundred and fifty-six times.
fn assert_linear(what: &str, mut small: impl FnMut(), mut sixteen_times: impl FnMut()) {
    let shortest = |act: &mut dyn FnMut()| -> Duration {
        let once = |_| {
            let began = worked();
            act();
            worked().saturating_sub(began)
        };
        (0..3).map(once).min().unwrap_or_default()
    };
    // The scheduler counts in ticks: sixteen small ones, so that both are long against one.
    let small = shortest(&mut || (0..16).for_each(|_| small()));
    let large = shortest(&mut sixteen_times);
    println!("{what}: {large:?}; sixteen of a sixteenth {small:?}");
    assert!(
        large < small * 3 + Duration::from_millis(20),
        "{what}: {large:?}, but {small:?} for sixteen of a sixteenth"
    );
}

#[test]
fn a_graph_of_a_thousand_jobs() {
    let (small, large) = (big_run(1_000 / 16), big_run(1_000));
    let html = large.render(&frame()).into_string();
    assert_eq!(html.matches("class=\"node ").count(), 1_000);
    assert_linear("graph of 1,000 jobs", || drop(small.render(&frame())), || drop(large.render(&frame())));
}

#[test]
fn a_log_of_a_hundred_thousand_lines() {
    let (small, large) = (big_log(100_000 / 16), big_log(100_000));
    let html = large.render(&frame()).into_string();
    assert_eq!(html.matches("class=\"line\"").count(), 100_000);
    assert_linear("log of 100,000 lines", || drop(small.render(&frame())), || drop(large.render(&frame())));
    assert_linear(
        "feed of 100,000 lines",
        || drop(LogFeed::new().lines(1, &small.lines)),
        || drop(LogFeed::new().lines(1, &large.lines)),
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
