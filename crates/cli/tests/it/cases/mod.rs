//! The cases in `tests/cases`: pipelines, and what their authors see of them.

mod call;
mod case;
mod check;
pub mod image;
mod masking;
mod record;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use case::{Case, Runner};

/// What came of a case: what is not as it says, and how long it took.
struct Result {
    name: String,
    differences: Vec<String>,
    took: Duration,
}

#[test]
fn every_case_holds_on_the_host() {
    all_hold(Runner::Host, None);
}

#[test]
fn every_case_holds_in_docker() {
    let Some(image) = image::ready() else { return };
    all_hold(Runner::Docker, Some(&image));
}

/// `SLUICE_CASE` names the cases that are wanted, by a part of their names.
fn all_hold(runner: Runner, image: Option<&str>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let wanted = std::env::var("SLUICE_CASE").unwrap_or_default();
    let (cases, wrong): (Vec<_>, Vec<_>) =
        case::all(&root, &wanted).into_iter().partition(|case| case.is_ok());
    let (cases, others): (Vec<Case>, Vec<Case>) =
        cases.into_iter().flatten().partition(|case| case.runs_on(runner));
    let wrong: Vec<String> = wrong.into_iter().filter_map(std::result::Result::err).collect();
    assert!(wrong.is_empty(), "not cases:\n  {}", wrong.join("\n  "));
    assert!(!cases.is_empty(), "no case is called `{wanted}`");
    let results = perform_all(&cases, runner, image);
    tell(runner, &results, others.len());
    let failures: Vec<String> = results
        .iter()
        .filter(|result| !result.differences.is_empty())
        .map(|result| format!("✕ {}\n{}", result.name, result.differences.join("\n")))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases do not hold:\n\n{}",
        failures.len(),
        results.len(),
        failures.join("\n\n")
    );
}

/// Several at once. The order is that of the names.
fn perform_all(cases: &[Case], runner: Runner, image: Option<&str>) -> Vec<Result> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    // Some cases wait more than they work.
    let workers = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let begun = Instant::now();
                    let differences = call::perform(case, runner, image);
                    let result = Result { name: case.name.clone(), differences, took: begun.elapsed() };
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by(|one, other| one.name.cmp(&other.name));
    results
}

/// For `make conformance`: `conformance: SUITE PASSED FAILED SKIPPED`; and the slowest, for whoever makes it faster.
fn tell(runner: Runner, results: &[Result], skipped: usize) {
    let place = if runner == Runner::Host { "host" } else { "docker" };
    let failed: Vec<_> = results.iter().filter(|result| !result.differences.is_empty()).collect();
    println!("conformance: run-time/{place} {} {} {skipped}", results.len() - failed.len(), failed.len());
    for result in &failed {
        println!("conformance failure: run-time/{place}: {}", result.name);
    }
    let mut slowest: Vec<_> = results.iter().collect();
    slowest.sort_by_key(|result| std::cmp::Reverse(result.took));
    for result in slowest.iter().take(5) {
        println!("took {:.1} s: {}", result.took.as_secs_f64(), result.name);
    }
}
