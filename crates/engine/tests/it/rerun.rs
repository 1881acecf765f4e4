use sluice_engine::{Command, Effect, GateOpener, Refused, RerunScope};
use sluice_model::Conclusion::{Failure, Success};
use sluice_model::{JobId, UserName};
use sluice_plan::{Axis, Dialect, Late, Matrix, Named, Strategy, Value, Work};

use crate::live::{Live, id, job, plan};

fn rerun(live: &mut Live, scope: RerunScope) -> Result<usize, Refused> {
    live.try_tell(Command::Rerun { by: UserName::new("ada"), scope })
}

#[test]
fn all_starts_from_the_beginning() {
    let mut live = Live::of(vec![job("a"), job("b").needs("a")]);
    live.pass("a");
    live.pass("b");
    rerun(&mut live, RerunScope::All).unwrap();
    live.shows("a=offered b=waiting");
    assert_eq!(live.state.run().unwrap().attempt(), 2);
    assert_eq!(live.conclusion(), None);
    live.pass("a");
    live.fail("b");
    assert_eq!(live.conclusion(), Some(Failure));
}

#[test]
fn failed_keeps_what_passed() {
    let hold = job("hold").with(|job| job.work = Work::Approval);
    let mut live = Live::of(vec![job("a"), hold.needs("a"), job("b").needs("a hold"), job("c").needs("b")]);
    live.lease("a");
    live.report("a", Success, &[("v", "1")]);
    live.tell(Command::OpenGate { instance: id("hold"), by: GateOpener::Person(UserName::new("grace")) });
    live.fail("b");
    live.shows("a=success hold=success b=failure c=skipped");
    rerun(&mut live, RerunScope::Failed).unwrap();
    live.shows("a=success hold=success b=offered c=waiting");
    let assignment = sluice_engine::assignment(&live.state, &id("b")).unwrap();
    assert_eq!((assignment.run_attempt, assignment.needs[&JobId::new("a")].outputs["v"].as_str()), (2, "1"));
    live.pass("b");
    live.pass("c");
    assert_eq!(live.conclusion(), Some(Success));
    assert_eq!(rerun(&mut live, RerunScope::Failed), Err(Refused::NothingFailed));
}

#[test]
fn of_a_matrix_only_what_failed_runs_again() {
    let values = ["1", "2", "3"].map(Value::from).to_vec();
    let matrix = Matrix::Axes {
        axes: vec![Named::new("v", Axis::Values(values))],
        include: Axis::none(),
        exclude: Axis::none(),
    };
    let strategy = Strategy { matrix: Some(matrix), fail_fast: Late::Known(false), max_parallel: None };
    let mut live = Live::of(vec![job("t").with(|job| job.strategy = Some(strategy))]);
    live.pass("t");
    live.fail("t.1");
    live.pass("t.2");
    live.shows("t=failure");
    rerun(&mut live, RerunScope::Failed).unwrap();
    live.shows("t=(success) t.1=offered t.2=(success)");
    assert_eq!(live.instance("t.1").attempt, 2);
    live.pass("t.1");
    live.shows("t=success");
}

#[test]
fn one_job_takes_along_what_needs_it() {
    let mut live = Live::of(vec![job("a"), job("b").needs("a"), job("other")]);
    live.pass("a");
    live.pass("b");
    // The run goes on; what is asked for does not touch what is under way.
    live.lease("other");
    rerun(&mut live, RerunScope::Job(JobId::new("b"))).unwrap();
    live.shows("a=success b=offered other=leased");
    assert!(matches!(rerun(&mut live, RerunScope::Job(JobId::new("a"))), Err(Refused::StillRunning { .. })));
    assert!(matches!(rerun(&mut live, RerunScope::All), Err(Refused::StillRunning { .. })));
    assert!(matches!(rerun(&mut live, RerunScope::Job(JobId::new("x"))), Err(Refused::UnknownJob { .. })));
    live.pass("b");
    live.report("other", Success, &[]);
    assert_eq!(live.conclusion(), Some(Success));
}

#[test]
fn a_cancelled_run_may_be_run_again_once_it_has_ended() {
    let mut live = Live::of(vec![job("a"), job("b").needs("a")]);
    live.lease("a");
    live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    assert_eq!(rerun(&mut live, RerunScope::All), Err(Refused::Cancelling));
    live.report("a", sluice_model::Conclusion::Cancelled, &[]);
    rerun(&mut live, RerunScope::Failed).unwrap();
    live.shows("a=offered b=waiting");
    live.pass("a");
    live.pass("b");
    assert_eq!(live.conclusion(), Some(Success));
}

/// `a`, `b` that needs it, `told` that runs where `b` failed, and `c` behind `b`, as CircleCI has them.
fn with_auto_reruns(most: u32) -> Live {
    let told = job("told").needs("b").accepts(&[Failure]);
    let (b, c) = (job("b").needs("a").accepts(&[Success]), job("c").needs("b").accepts(&[Success]));
    let mut plan = plan(vec![job("a"), b, told, c]);
    plan.dialect = Dialect::Circleci;
    plan.max_auto_reruns = most;
    Live::start(plan)
}

fn rerun_by_itself(live: &mut Live) -> usize {
    let attempt = live.state.run().unwrap().attempt();
    assert_eq!(live.effects.last(), Some(&Effect::RerunRun { attempt }));
    live.tell(Command::RerunByItself { attempt })
}

#[test]
fn a_workflow_that_fails_runs_again_from_there_as_often_as_it_says() {
    let mut live = with_auto_reruns(2);
    live.pass("a");
    live.fail("b");
    live.pass("told");
    live.shows("a=success b=failure told=success c=skipped");
    rerun_by_itself(&mut live);
    live.shows("a=success b=offered told=success c=waiting");
    // What comes again leads to nothing.
    assert_eq!(live.tell(Command::RerunByItself { attempt: 1 }), 0);
    live.fail("b");
    rerun_by_itself(&mut live);
    live.fail("b");
    live.shows("a=success b=failure told=success c=skipped");
    assert!(matches!(live.effects.last(), Some(Effect::ConcludeRun { attempt: 3, conclusion: Failure })));
    assert_eq!(live.tell(Command::RerunByItself { attempt: 3 }), 0);
}

#[test]
fn a_workflow_that_a_person_reran_or_cancelled_does_not_run_again_by_itself() {
    let mut live = with_auto_reruns(2);
    live.pass("a");
    live.lease("b");
    live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    live.report("b", sluice_model::Conclusion::Cancelled, &[]);
    assert!(matches!(live.effects.last(), Some(Effect::ConcludeRun { attempt: 1, .. })));
    rerun(&mut live, RerunScope::All).unwrap();
    live.pass("a");
    live.fail("b");
    live.pass("told");
    assert!(matches!(live.effects.last(), Some(Effect::ConcludeRun { attempt: 2, conclusion: Failure })));
}
