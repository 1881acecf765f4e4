use sluice_engine::{Command, Effect, GateOpener, Refused, RerunScope};
use sluice_model::Conclusion::{Failure, Success};
use sluice_model::{JobId, UserName};
use sluice_plan::{Dialect, Gate, GateKind, Late, Matrix, Strategy, Work};

use crate::live::{JobNote, Live, expression, id, job, plan, template};

fn approval(name: &str) -> JobNote {
    job(name).with(|job| job.work = Work::Approval)
}

fn into_environment(name: &str) -> JobNote {
    job("deploy").with(|job| {
        job.gate = Some(Gate { name: template(name), kind: GateKind::Environment, url: None });
    })
}

fn open(live: &mut Live, instance: &str) -> usize {
    live.tell(Command::OpenGate { instance: id(instance), by: GateOpener::Person(UserName::new("grace")) })
}

fn reject(live: &mut Live, instance: &str) -> Result<usize, Refused> {
    live.try_tell(Command::RejectGate {
        instance: id(instance),
        by: UserName::new("grace"),
        reason: Some("not today".into()),
    })
}

#[test]
fn an_approval_job_waits_for_a_person() {
    let jobs = vec![job("build"), approval("hold").needs("build"), job("deploy").needs("hold")];
    let mut live = Live::of(jobs);
    live.pass("build");
    live.shows("build=success hold=gated deploy=waiting");
    let asked = Effect::AskGate { instance: id("hold"), name: "hold".into(), gate: GateKind::Approval };
    assert_eq!(live.effects.last(), Some(&asked));
    assert_eq!(
        live.state.run().unwrap().waiting_gates().map(|gate| gate.name.to_owned()).collect::<Vec<_>>(),
        ["hold"]
    );
    // What runs again is not under way: the gate is named, whichever job is asked for.
    for scope in [RerunScope::All, RerunScope::Job(JobId::new("hold")), RerunScope::Job(JobId::new("deploy"))]
    {
        let again = live.try_tell(Command::Rerun { by: UserName::new("ada"), scope });
        assert_eq!(again, Err(Refused::WaitsForApproval { job: JobId::new("hold") }));
    }
    assert!(open(&mut live, "hold") > 0);
    live.shows("build=success hold=success deploy=offered");
    assert_eq!(open(&mut live, "hold"), 0, "the same answer twice is no news");
    assert!(matches!(reject(&mut live, "hold"), Err(Refused::GateDecided { .. })));
}

#[test]
fn a_rejection_fails_the_job() {
    let mut live = Live::of(vec![approval("hold"), job("deploy").needs("hold")]);
    reject(&mut live, "hold").unwrap();
    live.shows("hold=failure deploy=skipped");
    assert_eq!(live.problem("hold"), "rejected by grace: not today");
    assert_eq!(live.conclusion(), Some(Failure));
    assert_eq!(reject(&mut live, "hold"), Ok(0));
    let late = Command::OpenGate { instance: id("hold"), by: GateOpener::Policy(String::new()) };
    assert!(matches!(live.try_tell(late), Err(Refused::GateDecided { .. })));
}

#[test]
fn an_environment_waits_until_the_policy_is_asked() {
    let mut live = Live::of(vec![into_environment("${{ github.ref_name }}-env")]);
    live.shows("deploy=gated");
    let gate = GateKind::Environment;
    assert_eq!(live.effects, [Effect::AskGate { instance: id("deploy"), name: "master-env".into(), gate }]);
    live.tell(Command::OpenGate { instance: id("deploy"), by: GateOpener::Policy("asks nobody".into()) });
    live.shows("deploy=offered");
    live.pass("deploy");
    assert_eq!(live.conclusion(), Some(Success));
}

#[test]
fn an_empty_environment_is_none() {
    Live::of(vec![into_environment("${{ '' }}")]).shows("deploy=offered");
}

#[test]
fn each_combination_has_its_own_gate() {
    let note = into_environment("${{ matrix.env }}").with(|job| {
        let matrix = Matrix::Whole(expression(r#"fromJSON('{"env":["uat","production"]}')"#));
        job.strategy = Some(Strategy {
            matrix: Some(matrix),
            fail_fast: Late::Known(true),
            max_parallel: Some(Late::Known(1)),
        });
    });
    let mut live = Live::of(vec![note]);
    live.shows("deploy=gated deploy.1=held");
    open(&mut live, "deploy");
    live.shows("deploy=offered deploy.1=held");
    live.pass("deploy");
    live.shows("deploy=(success) deploy.1=gated");
}

#[test]
fn what_has_no_gate_cannot_be_opened() {
    let mut live = Live::of(vec![job("a"), approval("later").needs("a")]);
    let mut refused = |instance: &str| {
        let by = GateOpener::Policy(String::new());
        live.try_tell(Command::OpenGate { instance: id(instance), by }).unwrap_err().to_string()
    };
    assert_eq!(refused("a"), "`a` waits for no decision");
    assert_eq!(refused("later"), "run 7 has no job `later`, or it has not started");
    assert_eq!(refused("nope"), "run 7 has no job `nope`, or it has not started");
}

#[test]
fn a_circleci_job_that_does_nothing_passes() {
    let mut plan = plan(vec![job("start").with(|job| job.work = Work::Nothing), job("a").needs("start")]);
    plan.dialect = Dialect::Circleci;
    Live::start(plan).shows("start=success a=offered");
}
