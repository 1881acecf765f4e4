//! What is stored never changes its spelling: a change of one of these snapshots breaks every log that there is.

use sluice_model::{PromotionId, ReleaseId, RunId};
use sluice_release::{ApprovalSubject, Command, Proposer};

use crate::live::{CHAIN, Live, environment, person, pushed};

#[test]
fn events_and_effects_are_frozen() {
    let mut live = Live::chain();
    live.tell(Command::Approve { subject: Live::in_run(1, "uat"), by: person("quinn") });
    live.record(1);
    live.reach_uat_by_run();
    let waiting = live.waiting("production");
    live.tell(live.approve("production", "grace"));
    let subject = ApprovalSubject::Promotion(waiting);
    live.tell(Command::Reject { subject, by: person("alan"), reason: Some("not today".into()) });
    live.record(2);
    live.record(3);
    let promotion = live.rolling("dev");
    live.tell(Command::RolloutFailed { promotion, reason: "no image".into() });
    live.fail_verification("dev");
    live.succeed("dev");
    live.record(4);
    live.succeed("dev");
    let promotion = live.state.live(&environment("dev")).unwrap().0.id;
    live.tell(Command::DriftDetected { promotion, reason: "gone".into() });
    live.succeed("dev");
    live.record(5);
    live.succeed("dev");
    live.tell(Live::roll_back("dev"));
    live.tell(Command::Resume { environment: environment("dev"), by: person("quinn") });
    insta::assert_json_snapshot!(live.log);
    insta::assert_json_snapshot!(live.effects);
}

#[test]
fn commands_are_frozen() {
    let live = Live::empty(CHAIN);
    let promotion = PromotionId(4);
    let reason = || "why".to_owned();
    let by = person("quinn");
    let uat = || environment("uat");
    let commands = [
        Command::RecordRelease(Box::new(pushed(&live.config, 1))),
        Command::Propose { release: ReleaseId(1), environment: uat(), by: Proposer::Run(RunId(1)) },
        Command::Propose { release: ReleaseId(1), environment: uat(), by: Live::by_hand() },
        Command::Propose { release: ReleaseId(1), environment: uat(), by: Proposer::Automation },
        Command::Approve { subject: ApprovalSubject::Promotion(promotion), by: by.clone() },
        Command::Reject { subject: Live::in_run(1, "uat"), by: by.clone(), reason: None },
        Command::RolloutSucceeded { promotion },
        Command::RolloutFailed { promotion, reason: reason() },
        Command::VerificationSucceeded { promotion },
        Command::VerificationFailed { promotion, reason: reason() },
        Command::DriftDetected { promotion, reason: reason() },
        Command::Rollback { environment: uat(), to: Some(ReleaseId(1)), by: by.clone() },
        Command::Resume { environment: uat(), by },
        Command::Tick,
    ];
    for command in &commands {
        let text = serde_json::to_string(command).unwrap();
        assert_eq!(&serde_json::from_str::<Command>(&text).unwrap(), command);
    }
    insta::assert_json_snapshot!(commands);
}
