use sluice_engine::{Command, InstanceState, RerunScope};
use sluice_model::Conclusion::{Cancelled, Failure, Success};
use sluice_model::{JobId, UserName};
use sluice_plan::{Called, Combination, Concurrency, Late, Plan};

use crate::live::{JobNote, Live, job, plan, template};

/// `call` for three targets: `build`, then `ship`, and `last` after all of them.
fn three(combination: &Combination) -> Plan {
    let ids = ["call", "call.1", "call.2"];
    let jobs =
        |id: &str| [job(&format!("{id}/build")), job(&format!("{id}/ship")).needs(&format!("{id}/build"))];
    let mut jobs: Vec<JobNote> = ids.into_iter().flat_map(jobs).collect();
    jobs.push(job("last").needs("call/ship call.1/ship call.2/ship").when("always()"));
    let mut plan = plan(jobs);
    let of = |values: &str| Combination { values: values.to_owned(), ..combination.clone() };
    let calls = ids.into_iter().zip(["dev", "uat", "live"]);
    plan.calls = calls.map(|(id, values)| called(id, Some(of(values)), None)).collect();
    plan
}

fn called(id: &str, combination: Option<Combination>, concurrency: Option<Concurrency>) -> Called {
    let jobs = ["build", "ship"].map(|inner| JobId::new(format!("{id}/{inner}")));
    Called { id: JobId::new(id), jobs: jobs.to_vec(), concurrency, combination }
}

fn combination(fail_fast: bool, max_parallel: Option<u32>) -> Combination {
    let fail_fast = Late::Known(fail_fast);
    let values = "dev".to_owned();
    Combination { of: JobId::new("call"), values, fail_fast, max_parallel: max_parallel.map(Late::Known) }
}

fn group_named(name: &str) -> Concurrency {
    Concurrency { group: template(name), cancel_in_progress: Late::Known(false), keep_all_pending: false }
}

#[test]
fn a_combination_begins_when_one_before_it_has_ended_as_a_whole() {
    let mut live = Live::start(three(&combination(true, Some(1))));
    live.shows(
        "call/build=offered call/ship=waiting call.1/build=waiting call.1/ship=waiting call.2/build=waiting \
         call.2/ship=waiting last=waiting",
    );
    live.pass("call/build");
    live.shows(
        "call/build=success call/ship=offered call.1/build=waiting call.1/ship=waiting call.2/build=waiting \
         call.2/ship=waiting last=waiting",
    );
    live.pass("call/ship");
    live.shows(
        "call/build=success call/ship=success call.1/build=offered call.1/ship=waiting call.2/build=waiting \
         call.2/ship=waiting last=waiting",
    );
}

#[test]
fn a_combination_that_failed_stops_the_others() {
    let mut live = Live::start(three(&combination(true, Some(2))));
    live.lease("call.1/build");
    live.fail("call/build");
    live.shows(
        "call/build=failure call/ship=skipped call.1/build=stopping call.1/ship=waiting call.2/build=cancelled \
         call.2/ship=cancelled last=waiting",
    );
    assert_eq!(live.problem("call.2/ship"), "the combination (dev) failed (fail-fast)");
    live.report("call.1/build", Cancelled, &[]);
    live.pass("last");
    assert_eq!(live.conclusion(), Some(Failure));
}

#[test]
fn without_fail_fast_the_others_go_on() {
    let mut live = Live::start(three(&combination(false, Some(1))));
    live.fail("call/build");
    live.pass("call.1/build");
    live.pass("call.1/ship");
    live.pass("call.2/build");
    live.pass("call.2/ship");
    live.pass("last");
    assert_eq!(live.conclusion(), Some(Failure));
}

#[test]
fn what_asks_for_always_runs_in_a_call_that_had_begun() {
    let mut plan = three(&combination(true, None));
    plan.jobs[3] = job("call.1/ship").needs("call.1/build").when("always()").0;
    let mut live = Live::start(plan);
    live.fail("call/build");
    live.shows(
        "call/build=failure call/ship=skipped call.1/build=cancelled call.1/ship=offered call.2/build=cancelled \
         call.2/ship=skipped last=waiting",
    );
}

#[test]
fn a_rerun_of_what_failed_takes_the_stopped_combinations_along() {
    let mut live = Live::start(three(&combination(true, Some(1))));
    live.pass("call/build");
    live.fail("call/ship");
    live.pass("last");
    live.tell(Command::Rerun { by: UserName::new("ada"), scope: RerunScope::Failed });
    live.shows(
        "call/build=success call/ship=offered call.1/build=waiting call.1/ship=waiting call.2/build=waiting \
         call.2/ship=waiting last=waiting",
    );
    for passes in ["call/ship", "call.1/build", "call.1/ship", "call.2/build", "call.2/ship", "last"] {
        live.pass(passes);
    }
    assert_eq!(live.conclusion(), Some(Success));
}

#[test]
fn a_job_and_a_call_around_it_never_wait_for_each_other() {
    let mut plan = plan(vec![job("call/build"), job("call/ship").needs("call/build"), job("other")]);
    plan.jobs[1].concurrency = Some(group_named("DEPLOY"));
    plan.calls = vec![called("call", None, Some(group_named("deploy")))];
    let mut live = Live::start(plan);
    live.shows("call/build=waiting call/ship=waiting other=offered");
    admit(&mut live, "call");
    live.pass("call/build");
    let InstanceState::Ended { problem, .. } = &live.instance("call/ship").state else {
        panic!("it has not ended")
    };
    assert_eq!(
        problem.as_deref(),
        Some("the call `call` holds the group `DEPLOY` that this job waits for: neither could ever end")
    );
    live.pass("other");
    assert_eq!(live.conclusion(), Some(Cancelled));
}

#[test]
fn a_call_never_waits_for_the_group_of_its_own_run() {
    let mut plan = plan(vec![job("call/build"), job("call/ship").needs("call/build")]);
    plan.concurrency = Some(group_named("deploy"));
    plan.calls = vec![called("call", None, Some(group_named("deploy")))];
    let mut live = Live::start(plan);
    live.tell(Command::Admit { instance: None, ticket: 2 });
    live.shows("call/build=cancelled call/ship=cancelled");
    let problem =
        "the whole run holds the group `deploy` that the call `call` waits for: neither could ever end";
    assert_eq!(live.problem("call/build"), problem);
    assert_eq!(live.conclusion(), Some(Cancelled));
}

#[test]
fn the_log_of_a_call_is_frozen() {
    let mut plan = plan(vec![job("call/build"), job("call/ship").needs("call/build")]);
    plan.calls = vec![
        called("call", Some(combination(true, Some(2))), Some(group_named("deploy-${{ github.ref_name }}"))),
        called("call/ship.yml", None, Some(group_named("ship"))),
    ];
    for called in &mut plan.calls {
        called.jobs = plan.jobs.iter().map(|job| job.id.clone()).collect();
    }
    let mut live = Live::start(plan);
    admit(&mut live, "call");
    admit(&mut live, "call/ship.yml");
    live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    insta::assert_json_snapshot!(live.log);
    insta::assert_json_snapshot!(live.effects);
}

/// The group's answer to the call that waits for it.
#[track_caller]
fn admit(live: &mut Live, call: &str) {
    let run = live.state.run().expect("a run");
    let waiting = run.waiting_for_groups().next().expect("it waits").ticket;
    let instance = waiting.instance.clone().expect("it is a call");
    assert_eq!(instance.job.as_str(), call);
    live.tell(Command::Admit { instance: Some(instance), ticket: waiting.number });
}
