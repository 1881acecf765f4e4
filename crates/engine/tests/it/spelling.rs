//! What is stored never changes its spelling: a change of one of these snapshots breaks every log that there is.

use sluice_engine::{Command, Effect, Event, GateOpener, LeaseLoss, RerunScope, Reset};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, Timestamp, UserName};
use sluice_plan::{GateKind, Work};

use crate::live::{Live, id, job};

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
        Event::RerunStarted { at: Timestamp(1), by: UserName::new("ada"), attempt: 2, jobs: vec![reset] },
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
    ];
    for command in &commands {
        let text = serde_json::to_string(command).unwrap();
        assert_eq!(&serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    insta::assert_json_snapshot!(commands);
    let effect = Effect::AskGate { instance: id("a"), name: "uat".into(), gate: GateKind::Environment };
    insta::assert_json_snapshot!(effect);
}
