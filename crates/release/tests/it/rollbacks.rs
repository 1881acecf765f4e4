use sluice_model::RunId;
use sluice_release::{Command, Effect, PromotionKind, Proposer, rollout};

use crate::live::{CHAIN, Live, environment, person};

/// version1, then version2, live in dev.
fn two_in_dev() -> Live {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live.record(2);
    live.succeed("dev");
    live
}

fn dev(live: &Live) -> String {
    live.line().split(" | ").next().unwrap_or_default().to_owned()
}

#[test]
fn what_fails_its_verification_is_taken_back() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live.record(2);
    live.fail_verification("dev");
    assert_eq!(dev(&live), "dev: version1 (drifted), deploying version1");
    let promotion = live.rolling("dev");
    let kind = &live.state.promotion(promotion).unwrap().kind;
    assert!(
        matches!(kind, PromotionKind::Rollback { reason: Some(reason), .. } if reason == "says version 0")
    );
    live.succeed("dev");
    assert_eq!(dev(&live), "dev: version1");
    assert_eq!(live.word(2, "dev"), "rolled_back");
    // It is not tried again by itself; what is newer is.
    assert_eq!(live.tell(Command::Tick), 0);
    live.record(3);
    assert_eq!(dev(&live), "dev: version1, deploying version3");
}

#[test]
fn the_first_release_has_nothing_to_go_back_to() {
    let mut live = Live::chain();
    live.record(1);
    live.fail_verification("dev");
    assert_eq!(dev(&live), "dev: ");
    assert_eq!(live.word(1, "dev"), "failed");
    assert_eq!(live.refused(Live::roll_back("dev")), "`dev` has no earlier release to go back to");
}

#[test]
fn a_rollback_is_never_taken_back_by_itself() {
    let mut live = two_in_dev();
    live.record(3);
    live.fail_verification("dev");
    live.fail_verification("dev");
    assert_eq!(dev(&live), "dev: version2 (drifted)");
    assert_eq!(live.word(3, "dev"), "failed");
    assert_eq!(live.effects.iter().filter(|e| matches!(e, Effect::StartRollout { .. })).count(), 4);
}

#[test]
fn drift_is_taken_back_too() {
    let mut live = two_in_dev();
    let promotion = live.state.live(&environment("dev")).unwrap().0.id;
    let drift = || Command::DriftDetected { promotion, reason: "says version 9".into() };
    live.tell(drift());
    assert_eq!(dev(&live), "dev: version2 (drifted), deploying version1");
    assert_eq!(live.tell(drift()), 0);
    live.succeed("dev");
    assert_eq!(dev(&live), "dev: version1");
    assert!(live.refused(drift()).contains("rolled_back"));
    // The rollback drifts: it is only told.
    let promotion = live.state.live(&environment("dev")).unwrap().0.id;
    live.tell(Command::DriftDetected { promotion, reason: "gone".into() });
    assert_eq!(dev(&live), "dev: version1 (drifted)");
}

#[test]
fn a_person_goes_back_without_approval_and_pauses_automation() {
    let mut live = Live::chain();
    for run in [1, 2] {
        live.record(run);
        live.reach_production();
    }
    assert!(
        live.refused(Command::Rollback {
            environment: environment("production"),
            to: None,
            by: person("eve")
        })
        .contains("anyone who may write")
    );
    live.tell(Live::roll_back("production"));
    assert_eq!(live.tell(Live::roll_back("production")), 0, "it is on its way");
    live.succeed("production");
    live.shows("dev: version2 | uat: version2 | production: version1, held");
    assert_eq!(live.word(2, "production"), "rolled_back");
    live.record(3);
    live.reach_uat();
    live.shows("dev: version3 | uat: version3 | production: version1, held");
    // By hand the gate still asks.
    live.tell(live.propose(3, "production", Live::by_hand()));
    live.shows(
        "dev: version3 | uat: version3 | production: version1, gated version3 (waits for managers, 0 of 2)",
    );
}

#[test]
fn a_rollback_takes_images_and_settings_of_that_time() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    let first = rollout(&live.state, live.state.live(&environment("dev")).unwrap().0.id).unwrap();
    live.policy(&CHAIN.replace("dev: {}", "dev: { replicas: 4, env: { LEVEL: warn } }"));
    live.record(2);
    live.succeed("dev");
    live.tell(Live::roll_back("dev"));
    let back = rollout(&live.state, live.rolling("dev")).unwrap();
    assert_eq!((back.images, back.settings), (first.images, first.settings));
    assert_eq!(back.returns_to, Some(first.promotion));
    assert_eq!(back.replaces, live.state.environment(&environment("dev")).unwrap().live);
}

#[test]
fn only_what_was_live_there_can_be_gone_back_to() {
    let mut live = two_in_dev();
    live.record(3);
    live.fail_verification("dev");
    live.succeed("dev");
    let back = |live: &Live, run: u64| Command::Rollback {
        environment: environment("dev"),
        to: Some(live.state.release_of_run(RunId(run)).unwrap().id),
        by: person("quinn"),
    };
    assert_eq!(
        live.refused(back(&live, 3)),
        "version3 was never live in `dev`: only what was can be gone back to"
    );
    assert_eq!(live.refused(back(&live, 2)), "version2 is live in `dev` already");
    live.tell(back(&live, 1));
    live.succeed("dev");
    assert_eq!(dev(&live), "dev: version1, held");
}

#[test]
fn a_rollback_goes_before_what_is_ready() {
    let mut live = two_in_dev();
    live.record(3);
    live.record(4);
    assert_eq!(
        dev(&live),
        "dev: version2, deploying version3, ready version4 (waits for promotion 4 to end)"
            .replace("promotion 4", &format!("promotion {}", live.rolling("dev")))
    );
    live.tell(Live::roll_back("dev"));
    assert_eq!(live.word(4, "dev"), "superseded");
    live.succeed("dev");
    live.succeed("dev");
    assert_eq!(dev(&live), "dev: version1, held");
}

#[test]
fn what_is_taken_back_does_not_go_further() {
    let mut live = Live::chain();
    for run in [1, 2] {
        live.record(run);
        live.reach_uat();
    }
    live.shows("dev: version2 | uat: version2 | production: gated version2 (waits for managers, 0 of 2)");
    live.tell(Live::roll_back("uat"));
    live.succeed("uat");
    live.shows("dev: version2 | uat: version1, held | production: ");
    assert_eq!(
        live.refused(live.propose(2, "production", Proposer::Run(RunId(2)))),
        "version2 has not been live in `uat`, which comes before `production`"
    );
}

#[test]
fn the_same_release_with_new_settings_has_the_old_ones_to_go_back_to() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    assert_eq!(live.tell(live.propose(1, "dev", Live::by_hand())), 0, "nothing is new about it");
    live.policy(&CHAIN.replace("dev: {}", "dev: { replicas: 4 }"));
    assert_eq!(live.tell(live.propose(1, "dev", Proposer::Run(RunId(1)))), 0);
    live.tell(live.propose(1, "dev", Live::by_hand()));
    let replicas = |live: &Live| {
        let rolling = live.state.promotion(live.rolling("dev")).unwrap();
        rolling.settings.as_ref().unwrap().environment.replicas
    };
    assert_eq!(replicas(&live), 4);
    live.fail_verification("dev");
    assert_eq!(replicas(&live), 1);
    live.succeed("dev");
    assert_eq!(dev(&live), "dev: version1");
}
