use sluice_engine::{Command, Effect, Refused};
use sluice_model::Conclusion::{Cancelled, Success};
use sluice_model::{AgentId, UserName};
use sluice_plan::Work;

use crate::live::{Live, id, job};

fn cancel(live: &mut Live, force: bool) -> Result<usize, Refused> {
    live.try_tell(Command::Cancel { by: UserName::new("ada"), force })
}

#[test]
fn what_runs_is_stopped_and_what_waits_never_starts() {
    let hold = job("hold").with(|job| job.work = Work::Approval);
    let mut live = Live::of(vec![job("a"), job("b"), hold, job("c").needs("a")]);
    let token = live.lease("a");
    cancel(&mut live, false).unwrap();
    live.shows("a=stopping b=cancelled hold=cancelled c=waiting");
    let stop = Effect::CancelJob { instance: id("a"), agent: AgentId::new("built-in"), fencing_token: token };
    assert!(live.effects.contains(&stop));
    live.report("a", Cancelled, &[]);
    live.shows("a=cancelled b=cancelled hold=cancelled c=skipped");
    assert_eq!(live.conclusion(), Some(Cancelled));
    assert!(matches!(cancel(&mut live, false), Err(Refused::Ended { conclusion: Cancelled })));
}

#[test]
fn always_goes_on_and_starts() {
    let mut live = Live::of(vec![
        job("a"),
        job("kept").when("always()"),
        job("clean").needs("a").when("always()"),
        job("told").needs("a").when("cancelled()"),
        job("not").needs("a").when("!cancelled()"),
        job("failed").needs("a").when("failure()"),
    ]);
    live.lease("a");
    live.lease("kept");
    cancel(&mut live, false).unwrap();
    live.shows("a=stopping kept=leased clean=waiting told=waiting not=waiting failed=waiting");
    live.report("a", Cancelled, &[]);
    live.shows("a=cancelled kept=leased clean=offered told=offered not=skipped failed=skipped");
    live.report("kept", Success, &[]);
    live.pass("clean");
    live.pass("told");
    assert_eq!(live.conclusion(), Some(Cancelled));
}

#[test]
fn force_stops_always_too() {
    let mut live = Live::of(vec![job("a").when("always()"), job("b").needs("a").when("always()")]);
    live.lease("a");
    assert_eq!(cancel(&mut live, false), Ok(1));
    assert_eq!(cancel(&mut live, false), Ok(0));
    live.shows("a=leased b=waiting");
    cancel(&mut live, true).unwrap();
    live.shows("a=stopping b=cancelled");
    assert_eq!(cancel(&mut live, true), Ok(0));
    live.report("a", Cancelled, &[]);
    assert_eq!(live.conclusion(), Some(Cancelled));
}

#[test]
fn a_circleci_job_never_starts_in_a_cancelled_run() {
    let mut live = Live::of(vec![job("a"), job("b").needs("a").accepts(&[Cancelled, Success])]);
    live.lease("a");
    cancel(&mut live, false).unwrap();
    live.report("a", Cancelled, &[]);
    live.shows("a=cancelled b=skipped");
}
