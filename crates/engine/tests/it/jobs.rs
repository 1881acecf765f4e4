use sluice_model::Conclusion::{Cancelled, Failure, Skipped, Success};
use sluice_model::JobId;
use sluice_plan::{Late, Template};

use crate::live::{Live, create, expression, job, plan};

#[test]
fn a_job_starts_when_its_needs_have_passed() {
    let mut live = Live::of(vec![job("build"), job("lint"), job("test").needs("build")]);
    live.shows("build=offered lint=offered test=waiting");
    live.pass("build");
    live.shows("build=success lint=offered test=offered");
    live.pass("test");
    live.pass("lint");
    live.shows("build=success lint=success test=success");
    assert_eq!(live.conclusion(), Some(Success));
}

#[test]
fn a_failure_skips_what_needs_it() {
    let jobs = vec![job("a"), job("b").needs("a"), job("c").needs("b"), job("d").needs("b").when("always()")];
    let mut live = Live::of(jobs);
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

/// `if` of the last of four jobs: `ok` passed, `bad` failed, `after` (needs both) was skipped.
#[track_caller]
fn decided(needs: &str, condition: &str, expected: &str) {
    let mut live = Live::of(vec![
        job("ok"),
        job("bad"),
        job("after").needs("ok bad"),
        job("it").needs(needs).when(condition),
    ]);
    live.lease("ok");
    live.report("ok", Success, &[("version", "1.2"), ("empty", "")]);
    live.fail("bad");
    let board = live.board();
    assert!(board.ends_with(&format!("it={expected}")), "`{condition}` after {needs}: {board}");
}

#[test]
fn conditions_see_what_github_shows_them() {
    decided("ok", "success()", "offered");
    decided("ok", "github.ref == 'refs/heads/master'", "offered");
    decided("ok", "github.event.head_commit.message == 'Sell more'", "offered");
    decided("ok", "github.run_number == 3 && github.run_attempt == '1'", "offered");
    decided("ok", "github.ref == 'refs/heads/other'", "skipped");
    decided("ok", "needs.ok.outputs.version == '1.2' && needs.ok.result == 'success'", "offered");
    decided("ok", "needs.ok.outputs.empty", "skipped");
    decided("ok", "needs.bad.result == 'failure'", "skipped");
    decided("ok", "failure()", "skipped");
    decided("bad", "success()", "skipped");
    decided("bad", "true", "skipped");
    decided("bad", "failure()", "offered");
    decided("bad", "always()", "offered");
    decided("bad", "!cancelled()", "offered");
    decided("bad", "cancelled()", "skipped");
    decided("bad", "failure() && needs.bad.result == 'failure'", "offered");
    decided("after", "always() && needs.after.result == 'skipped'", "offered");
    // Both look past the direct needs: what was skipped did so for a failure.
    decided("after", "failure()", "offered");
    decided("after", "success()", "skipped");
    decided("ok bad", "success('ok')", "offered");
    decided("ok bad", "failure('ok')", "skipped");
    decided("ok bad", "failure('bad')", "offered");
}

#[test]
fn success_looks_past_a_job_that_ran_always() {
    // GitHub skips `last` although its only need passed, for `first` failed.
    let jobs = vec![job("first"), job("middle").needs("first").when("always()"), job("last").needs("middle")];
    let mut live = Live::of(jobs);
    live.fail("first");
    live.pass("middle");
    live.shows("first=failure middle=success last=skipped");
}

#[test]
fn a_condition_without_a_value_fails_its_job() {
    let live = Live::of(vec![job("a").when("fromJSON('{')")]);
    live.shows("a=failure");
    assert!(live.problem("a").starts_with("`if` has no value: "), "{}", live.problem("a"));
    let live = Live::of(vec![job("a").when("secrets.KEY")]);
    assert!(live.problem("a").contains("secrets"), "{}", live.problem("a"));
}

#[test]
fn circleci_needs_are_accepted_by_how_they_ended() {
    for (accepts, ended, expected) in [
        (vec![Success], Success, "offered"),
        (vec![Success], Failure, "skipped"),
        (vec![Failure], Failure, "offered"),
        (vec![Failure], Success, "skipped"),
        (vec![Success, Failure], Failure, "offered"),
        (vec![Cancelled], Cancelled, "offered"),
    ] {
        let mut live = Live::of(vec![job("a"), job("b").needs("a").accepts(&accepts)]);
        live.finish("a", ended);
        live.shows(&format!("a={ended} b={expected}"));
    }
    // A skipped job is not accepted, and what needs it is skipped too.
    let mut live = Live::of(vec![
        job("a"),
        job("b").needs("a").accepts(&[Success]),
        job("c").needs("b").accepts(&[Success, Failure]),
        job("d").needs("b").accepts(&[Skipped]),
    ]);
    live.fail("a");
    live.shows("a=failure b=skipped c=skipped d=offered");
}

#[test]
fn continue_on_error_counts_as_success() {
    for late in [Late::Known(true), Late::Expression(expression("github.ref_name == 'master'"))] {
        let tolerant = job("a").with(|job| job.continue_on_error = Some(late.clone()));
        let mut live = Live::of(vec![tolerant, job("b").needs("a").when("needs.a.result == 'success'")]);
        live.fail("a");
        live.shows("a=success b=offered");
        assert!(matches!(
            live.instance("a").state,
            sluice_engine::InstanceState::Ended { conclusion: Failure, .. }
        ));
    }
}

#[test]
fn outputs_reach_what_needs_them() {
    let mut live = Live::of(vec![job("a"), job("b").needs("a")]);
    live.lease("a");
    live.report("a", Success, &[("image", "api@sha256:1")]);
    live.lease("b");
    let assignment = sluice_engine::assignment(&live.state, &"b".parse().unwrap()).expect("b is leased");
    let need = &assignment.needs[&JobId::new("a")];
    assert_eq!((need.result, need.outputs["image"].as_str()), (Success, "api@sha256:1"));
    assert_eq!((assignment.attempt, assignment.run_attempt, assignment.display_name), (1, 1, "b"));
    assert_eq!(
        serde_json::to_string(&assignment.strategy).unwrap(),
        r#"{"fail-fast":true,"job-index":0,"job-total":1,"max-parallel":1}"#
    );
}

#[test]
fn the_run_has_a_title() {
    let titled = |run_name: Option<&str>, subject: &str| {
        let mut create = create(plan(vec![job("a")]));
        create.plan.run_name = run_name.map(|text| Template::parse(text).unwrap());
        create.trigger.subject = subject.to_owned();
        let mut live = Live::empty();
        live.tell(sluice_engine::Command::Create(Box::new(create)));
        live.state.run().unwrap().title().to_owned()
    };
    assert_eq!(titled(None, "Sell more"), "Sell more");
    assert_eq!(titled(None, ""), "ci");
    assert_eq!(
        titled(Some("Deploy ${{ github.ref_name }} by ${{ github.actor }}"), ""),
        "Deploy master by ada"
    );
    assert_eq!(titled(Some("${{ '' }}"), "Sell more"), "Sell more");
}

#[test]
fn the_same_run_is_created_once() {
    let mut live = Live::of(vec![job("a")]);
    assert_eq!(live.tell(sluice_engine::Command::Create(Box::new(create(plan(vec![job("a")]))))), 0);
    let other = sluice_engine::Command::Create(Box::new(create(plan(vec![job("b")]))));
    assert!(matches!(live.try_tell(other), Err(sluice_engine::Refused::OtherRun { .. })));
}
