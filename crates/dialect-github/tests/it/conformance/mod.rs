//! GitHub's own cases and real workflows, from the folder in `SLUICE_CONFORMANCE`.

mod patterns;
mod reader;
mod shape;
mod workflows;

use std::path::PathBuf;

/// The folder of one suite, or a printed line that says why it is not run.
pub fn suite(name: &str) -> Option<PathBuf> {
    match std::env::var_os("SLUICE_CONFORMANCE") {
        Some(root) => Some(PathBuf::from(root).join(name)),
        None => {
            println!("skipped: SLUICE_CONFORMANCE is not set, so that {name} was not run");
            None
        }
    }
}

/// Prints the suite's line of the table and every failure's name; fails where a failure is not in `explained`, the
/// rows of `docs/conformance.md`.
pub fn report(name: &str, passed: usize, skipped: usize, failures: &[(String, String)], explained: &[&str]) {
    // scripts/conformance.sh collects these lines.
    println!("conformance: {name} {passed} {} {skipped}", failures.len());
    for (case, reason) in failures {
        println!("conformance failure: {name}: {case}: {reason}");
    }
    let unexplained: Vec<_> =
        failures.iter().filter(|(case, _)| !explained.contains(&case.as_str())).collect();
    assert!(passed > 0, "no case of {name} was found");
    assert!(unexplained.is_empty(), "{} failures of {name} are not explained", unexplained.len());
}
