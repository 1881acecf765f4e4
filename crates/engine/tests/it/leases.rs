use sluice_engine::{Command, Effect, MAX_LOST_LEASES, Refused};
use sluice_model::Conclusion::Success;
use sluice_model::{AgentId, UserName};

use crate::live::{Live, id, job};

fn lease(live: &mut Live, agent: &str, fencing_token: u64) -> Result<usize, Refused> {
    let until = live.now.plus_ms(60_000);
    live.try_tell(Command::Lease { instance: id("a"), fencing_token, agent: AgentId::new(agent), until })
}

fn finish(live: &mut Live, fencing_token: u64) -> Result<usize, Refused> {
    live.try_tell(Command::FinishJob {
        instance: id("a"),
        fencing_token,
        conclusion: Success,
        outputs: Default::default(),
        problem: None,
    })
}

#[test]
fn the_token_is_the_offers_number_in_the_log() {
    let live = Live::of(vec![job("a"), job("b")]);
    assert_eq!((live.token("a"), live.token("b")), (3, 5));
    assert!(live.effects.contains(&Effect::OfferJob { instance: id("a"), attempt: 1, fencing_token: 3 }));
}

#[test]
fn one_agent_takes_a_job() {
    let mut live = Live::of(vec![job("a")]);
    let token = live.token("a");
    assert!(matches!(lease(&mut live, "one", token + 1), Err(Refused::StaleToken { .. })));
    assert_eq!(lease(&mut live, "one", token), Ok(1));
    assert_eq!(lease(&mut live, "one", token), Ok(0));
    assert!(matches!(lease(&mut live, "two", token), Err(Refused::Taken { .. })));
    assert!(finish(&mut live, token).unwrap() > 0);
    assert_eq!(finish(&mut live, token), Ok(0), "the same report twice is no news");
    assert!(matches!(lease(&mut live, "one", token), Err(Refused::StaleToken { .. })));
}

#[test]
fn a_lease_that_ran_out_returns_the_job() {
    let mut live = Live::of(vec![job("a")]);
    let old = live.lease("a");
    live.now = live.now.plus_ms(59_999);
    assert_eq!(live.tell(Command::Tick), 0);
    let until = live.now.plus_ms(60_000);
    live.tell(Command::RenewLease { instance: id("a"), fencing_token: old, until });
    live.now = live.now.plus_ms(59_999);
    assert_eq!(live.tell(Command::Tick), 0);
    assert_eq!(live.state.run().unwrap().next_tick(), Some(live.now.plus_ms(1)));
    live.now = live.now.plus_ms(1);
    assert!(live.tell(Command::Tick) > 0);
    live.shows("a=offered");
    assert!(live.token("a") > old);
    for late in [
        finish(&mut live, old),
        live.try_tell(Command::RenewLease { instance: id("a"), fencing_token: old, until }),
        lease(&mut live, "built-in", old),
    ] {
        assert!(matches!(late, Err(Refused::StaleToken { presented, .. }) if presented == old));
    }
    live.pass("a");
    assert!(matches!(finish(&mut live, old), Err(Refused::StaleToken { .. })));
}

#[test]
fn a_lost_agent_gives_back_what_it_had() {
    let mut live = Live::of(vec![job("a"), job("b")]);
    live.lease("a");
    live.tell(Command::AgentLost { agent: AgentId::new("built-in") });
    live.shows("a=offered b=offered");
    assert_eq!(live.instance("a").attempt, 2);
    assert_eq!(live.tell(Command::AgentLost { agent: AgentId::new("built-in") }), 0);
}

#[test]
fn a_job_that_loses_every_agent_fails() {
    let mut live = Live::of(vec![job("a")]);
    for _ in 0..MAX_LOST_LEASES {
        live.lease("a");
        live.tell(Command::AgentLost { agent: AgentId::new("built-in") });
    }
    live.shows("a=failure");
    assert!(live.problem("a").starts_with(&format!("its agent was lost {MAX_LOST_LEASES} times")));
}

#[test]
fn a_job_that_was_to_stop_is_not_offered_again() {
    let mut live = Live::of(vec![job("a")]);
    live.lease("a");
    live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    live.shows("a=stopping");
    live.tell(Command::AgentLost { agent: AgentId::new("built-in") });
    live.shows("a=cancelled");
}

#[test]
fn nothing_happens_to_a_run_that_is_not_there() {
    let mut live = Live::empty();
    assert_eq!(live.try_tell(Command::Tick), Err(Refused::NoRun));
    assert_eq!(finish(&mut live, 1), Err(Refused::NoRun));
    assert_eq!(live.try_tell(Command::Cancel { by: UserName::new("a"), force: true }), Err(Refused::NoRun));
}
