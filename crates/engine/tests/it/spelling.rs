//! What is stored never changes its spelling: a change of one of these snapshots breaks every log that there is.

use sluice_engine::group::{self, Group, Policy, Ticket, TurnedAway};
use sluice_engine::{Command, Effect, Event, GateOpener, LeaseLoss, RerunScope, Reset};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, RunId, Timestamp, UserName};
use sluice_plan::{Concurrency, GateKind, Late, Work};

use crate::live::{Live, id, job, plan, template};

#[test]
fn events_are_frozen() {
    let hold = job("hold").with(|job| job.work = Work::Approval);
    let mut live = Live::of(vec![job("a"), job("b").needs("a"), hold]);
    live.lease("a");
    let until = live.now.plus_ms(90_000);
    let fencing_token = live.token("a");
    live.tell(Command::RenewLease { instance: id("a"), fencing_token, until });
    live.tell(Command::AgentLost { agent: AgentId::new("built-in") });
    live.lease("a");
    live.report("a", Conclusion::Success, &[("k", "v")]);
    live.tell(Command::OpenGate { instance: id("hold"), by: GateOpener::Person(UserName::new("grace")) });
    live.lease("b");
    live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    live.report("b", Conclusion::Cancelled, &[]);
    live.tell(Command::Rerun { by: UserName::new("ada"), scope: RerunScope::All });
    let by = UserName::new("grace");
    live.tell(Command::RejectGate { instance: id("hold"), by, reason: None });
    insta::assert_json_snapshot!(live.log);
    insta::assert_json_snapshot!(live.effects);
}

#[test]
fn what_no_run_above_says_is_frozen_too() {
    let reset = Reset { job: JobId::new("a"), instances: Some(vec![1]) };
    let events = [
        Event::RerunStarted {
            at: Timestamp(1),
            by: UserName::new("ada"),
            attempt: 2,
            jobs: vec![reset],
            by_itself: true,
        },
        Event::LeaseLost {
            at: Timestamp(1),
            instance: InstanceId::new(JobId::new("a"), 2),
            agent: AgentId::new("x"),
            loss: LeaseLoss::Expired,
        },
        Event::GateOpened {
            at: Timestamp(1),
            instance: id("a"),
            by: GateOpener::Policy("asks nobody".into()),
        },
    ];
    insta::assert_json_snapshot!(events);
    let commands = [
        Command::Lease { instance: id("a"), fencing_token: 3, agent: AgentId::new("x"), until: Timestamp(9) },
        Command::RenewLease { instance: id("a"), fencing_token: 3, until: Timestamp(9) },
        Command::FinishJob {
            instance: id("a"),
            fencing_token: 3,
            conclusion: Conclusion::Failure,
            outputs: Default::default(),
            problem: Some("no such image".into()),
        },
        Command::AgentLost { agent: AgentId::new("x") },
        Command::Tick,
        Command::OpenGate { instance: id("a"), by: GateOpener::Person(UserName::new("ada")) },
        Command::RejectGate { instance: id("a"), by: UserName::new("ada"), reason: None },
        Command::Cancel { by: UserName::new("ada"), force: true },
        Command::Rerun { by: UserName::new("ada"), scope: RerunScope::Failed },
        Command::Rerun { by: UserName::new("ada"), scope: RerunScope::Job(JobId::new("a")) },
        Command::RerunByItself { attempt: 1 },
    ];
    for command in &commands {
        let text = serde_json::to_string(command).unwrap();
        assert_eq!(&serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    insta::assert_json_snapshot!(commands);
    let effect = Effect::AskGate { instance: id("a"), name: "uat".into(), gate: GateKind::Environment };
    insta::assert_json_snapshot!([effect, Effect::RerunRun { attempt: 1 }]);
}

#[test]
fn groups_are_frozen() {
    let group = |name: &str| Concurrency {
        group: template(name),
        cancel_in_progress: Late::Known(true),
        keep_all_pending: false,
    };
    let mut plan = plan(vec![job("a").with(|job| job.concurrency = Some(group("Deploy")))]);
    plan.concurrency = Some(group("ci-${{ github.ref }}"));
    let mut live = Live::start(plan);
    live.tell(Command::Admit { instance: None, ticket: 2 });
    let ticket = live.instance("a").group.as_ref().expect("it is asked for").ticket;
    live.tell(Command::Admit { instance: Some(id("a")), ticket });
    let Effect::JoinGroup { ticket: asked, .. } = live.effects[1].clone() else {
        panic!("{:?}", live.effects)
    };
    let by = Ticket { run: RunId(8), run_number: 4, ..asked.clone() };
    live.tell(Command::Supersede { instance: None, ticket: 2, by: by.clone() });
    insta::assert_json_snapshot!(live.log[1..]);
    insta::assert_json_snapshot!(live.effects);

    let (at, policy) = (Timestamp(1), Policy::Replace { cancel_in_progress: true });
    let whole = Ticket { instance: None, ..asked.clone() };
    let events = [
        group::Event::Entered { at, ticket: whole.clone(), policy },
        group::Event::Queued { at, ticket: asked.clone(), policy: Policy::Serial { pipeline: 3 } },
        group::Event::TurnedAway { at, ticket: asked.clone(), why: TurnedAway::Replaced { by: by.clone() } },
        group::Event::TurnedAway { at, ticket: asked.clone(), why: TurnedAway::Overtaken { by: by.clone() } },
        group::Event::TurnedAway { at, ticket: asked.clone(), why: TurnedAway::Full },
        group::Event::TurnedAway { at, ticket: asked.clone(), why: TurnedAway::TooLong },
        group::Event::HolderStopped { at, ticket: whole.clone(), by },
        group::Event::Queued { at, ticket: asked, policy: Policy::Queue },
        group::Event::Left { at, ticket: whole },
    ];
    insta::assert_json_snapshot!(events);
    let effects: Vec<_> = events.iter().flat_map(|event| group::effects(&Group::default(), event)).collect();
    insta::assert_json_snapshot!(effects);
}
