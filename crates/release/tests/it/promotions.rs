use sluice_model::RunId;
use sluice_release::{Command, Effect, Proposer};

use crate::live::{CHAIN, Live, environment, person};

#[test]
fn a_release_goes_from_one_environment_to_the_next() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live.shows("dev: version1 | uat: gated version1 (waits for qa or @linus, 0 of 1) | production: ");
    live.tell(live.approve("uat", "quinn"));
    live.shows("dev: version1 | uat: deploying version1 | production: ");
    let promotion = live.rolling("uat");
    live.tell(Command::RolloutSucceeded { promotion });
    live.shows("dev: version1 | uat: verifying version1 | production: ");
    live.tell(Command::VerificationSucceeded { promotion });
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for managers, 0 of 2)");
    live.tell(live.approve("production", "grace"));
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for managers, 1 of 2)");
    live.tell(live.approve("production", "alan"));
    live.succeed("production");
    live.shows("dev: version1 | uat: version1 | production: version1");
}

#[test]
fn two_rollouts_never_overlap() {
    let mut live = Live::chain();
    live.record(1);
    live.record(2);
    live.record(3);
    // The newest waits for the first; the one between gave way to it.
    live.shows(
        "dev: deploying version1, ready version3 (waits for promotion 1 to end) | uat:  | production: ",
    );
    assert_eq!(live.word(2, "dev"), "superseded");
    live.succeed("dev");
    assert_eq!(live.word(1, "dev"), "live");
    live.succeed("dev");
    assert_eq!((live.word(1, "dev"), live.word(3, "dev")), ("replaced", "live"));
    live.shows("dev: version3 | uat: gated version3 (waits for qa or @linus, 0 of 1) | production: ");
}

#[test]
fn an_older_slow_run_never_overwrites_a_newer_fast_one() {
    let mut live = Live::chain();
    live.record(2);
    live.succeed("dev");
    live.record(1);
    live.shows("dev: version2 | uat: gated version2 (waits for qa or @linus, 0 of 1) | production: ");
    let late = live.propose(1, "dev", Proposer::Run(RunId(1)));
    assert_eq!(
        live.refused(late),
        "version2 is newer than version1 and came to `dev` first; promote version1 by hand if it is meant"
    );
}

#[test]
fn proposing_again_is_no_news() {
    let mut live = Live::chain();
    live.record(1);
    for _ in 0..3 {
        assert_eq!(live.tell(live.propose(1, "dev", Proposer::Run(RunId(1)))), 0);
        let rolling = live.state.environment(&environment("dev")).unwrap().rolling_out;
        if let Some(promotion) = rolling {
            live.tell(Command::RolloutSucceeded { promotion });
            live.tell(Command::VerificationSucceeded { promotion });
        }
    }
    live.shows("dev: version1 | uat: gated version1 (waits for qa or @linus, 0 of 1) | production: ");
}

#[test]
fn environments_are_passed_in_order() {
    let mut live = Live::chain();
    live.record(1);
    assert_eq!(
        live.refused(live.propose(1, "uat", Live::by_hand())),
        "version1 has not been live in `dev`, which comes before `uat`"
    );
    assert_eq!(
        live.refused(live.propose(1, "nowhere", Live::by_hand())),
        "there is no environment `nowhere`; there are: dev, uat, production"
    );
}

#[test]
fn a_failed_rollout_leaves_the_old_one() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live.record(2);
    let promotion = live.rolling("dev");
    live.tell(Command::RolloutFailed { promotion, reason: "not healthy within 60 s".into() });
    assert_eq!(live.line().split(" | ").next(), Some("dev: version1"));
    assert_eq!(live.reason(promotion), "not healthy within 60 s");
    let clean = Effect::CleanUp { promotion, environment: environment("dev") };
    assert_eq!(live.effects.last(), Some(&clean));
    // Again by hand, for it may have been the network.
    live.tell(live.propose(2, "dev", Live::by_hand()));
    live.succeed("dev");
    assert_eq!(live.word(2, "dev"), "live");
}

#[test]
fn outcomes_are_taken_once_and_in_their_stage() {
    let mut live = Live::chain();
    live.record(1);
    let promotion = live.rolling("dev");
    let failed = || Command::RolloutFailed { promotion, reason: "no".into() };
    let drift = || Command::DriftDetected { promotion, reason: "no".into() };
    assert!(live.refused(Command::VerificationSucceeded { promotion }).contains("deploying"));
    assert!(live.refused(drift()).contains("deploying"));
    live.tell(Command::RolloutSucceeded { promotion });
    assert_eq!(live.tell(Command::RolloutSucceeded { promotion }), 0);
    assert!(live.refused(failed()).contains("verifying"));
    live.tell(Command::VerificationSucceeded { promotion });
    assert_eq!(live.tell(Command::VerificationSucceeded { promotion }), 0);
    assert_eq!(live.tell(Command::RolloutSucceeded { promotion }), 0);
    assert!(live.refused(failed()).contains("live"));
    let late = Command::VerificationFailed { promotion, reason: "no".into() };
    assert!(live.refused(late).contains("live"));
}

#[test]
fn a_soak_has_to_pass_before() {
    let text = CHAIN.replace("uat: {", "uat: { soak: 30m,");
    let mut live = Live::new(&text);
    live.record(1);
    live.succeed("dev");
    live.tell(live.approve("uat", "quinn"));
    live.shows("dev: version1 | uat: gated version1 (soaks in dev) | production: ");
    let due = sluice_release::next_tick(&live.state, live.now).expect("a soak ends");
    assert_eq!(due, live.now.plus_ms(30 * 60_000));
    live.now = due.plus_ms(-1);
    assert_eq!(live.tell(Command::Tick), 0);
    live.now = due;
    live.tell(Command::Tick);
    live.shows("dev: version1 | uat: deploying version1 | production: ");
}

#[test]
fn nothing_enters_in_a_freeze() {
    // The test's clock stands at 2025-11-18T00:00:00Z, a Tuesday.
    let freeze = r#"dev: { freeze: [{ from: "Mon 12:00", to: "Tue 09:30" }] }"#;
    let mut live = Live::new(&CHAIN.replace("dev: {}", freeze));
    live.record(1);
    live.shows("dev: gated version1 (waits for the freeze to end) | uat:  | production: ");
    live.now = sluice_release::next_tick(&live.state, live.now).expect("the freeze ends");
    assert_eq!(live.now.0 - 1_763_424_000_000, (9 * 60 + 30) * 60_000);
    live.tell(Command::Tick);
    live.shows("dev: deploying version1 | uat:  | production: ");
}

#[test]
fn an_older_release_by_hand_pauses_automation() {
    let mut live = Live::chain();
    for run in [1, 2] {
        live.record(run);
        live.succeed("dev");
    }
    live.tell(live.propose(1, "dev", Live::by_hand()));
    live.succeed("dev");
    live.record(3);
    assert_eq!(live.line().split(" | ").next(), Some("dev: version1, held"));
    // Resuming takes what is newest.
    let nobody = Command::Resume { environment: environment("dev"), by: person("eve") };
    assert!(live.refused(nobody).contains("anyone who may write"));
    let resume = Command::Resume { environment: environment("dev"), by: person("quinn") };
    live.tell(resume.clone());
    assert_eq!(live.tell(resume), 0);
    assert_eq!(live.line().split(" | ").next(), Some("dev: version1, deploying version3"));
}

#[test]
fn the_newest_by_hand_lifts_a_hold() {
    let mut live = Live::chain();
    for run in [1, 2] {
        live.record(run);
        live.succeed("dev");
    }
    live.tell(live.propose(1, "dev", Live::by_hand()));
    live.succeed("dev");
    live.record(3);
    live.tell(live.propose(3, "dev", Live::by_hand()));
    assert_eq!(live.line().split(" | ").next(), Some("dev: version1, deploying version3"));
}

#[test]
fn an_environment_that_is_gone_fails_what_waits_for_it() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    let waiting = live.waiting("uat");
    live.policy(&CHAIN.replace("  uat: { approve: { by: [qa, \"@linus\"] } }\n", ""));
    assert_eq!(live.reason(waiting), "`uat` is no longer in sluice.yaml");
    live.shows("dev: version1 | production: ");
}

#[test]
fn a_gate_that_is_no_more_opens() {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live.policy(&CHAIN.replace("uat: { approve: { by: [qa, \"@linus\"] } }", "uat: {}"));
    live.shows("dev: version1 | uat: deploying version1 | production: ");
}
