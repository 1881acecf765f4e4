use sluice_model::Conclusion::{Failure, Skipped, Success};

use crate::live::{Live, job};

#[test]
fn a_job_starts_when_its_needs_have_passed() {
    let mut live = Live::of(vec![job("build"), job("lint"), job("test").needs("build")]);
    live.shows("build=offered lint=offered test=waiting");
    live.pass("build");
    live.shows("build=success lint=offered test=offered");
    live.pass("test");
    live.pass("lint");
    assert_eq!(live.conclusion(), Some(Success));
}

#[test]
fn a_failure_skips_what_needs_it() {
    let mut live = Live::of(vec![
        job("a"),
        job("b").needs("a"),
        job("c").needs("b"),
        job("d").needs("b").when("always()"),
    ]);
    live.fail("a");
    live.shows("a=failure b=skipped c=skipped d=offered");
    live.pass("d");
    assert_eq!(live.conclusion(), Some(Failure));
}

#[test]
fn a_run_of_which_nothing_ran_is_skipped() {
    let live = Live::of(vec![job("a").when("false")]);
    live.shows("a=skipped");
    assert_eq!(live.conclusion(), Some(Skipped));
}
