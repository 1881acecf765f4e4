use sluice_model::{RunId, UserName};
use sluice_release::{ApprovalSubject, Command, Effect, RunGate, run_gate};

use crate::live::{CHAIN, Live, environment, person};

fn at_uat() -> Live {
    let mut live = Live::chain();
    live.record(1);
    live.succeed("dev");
    live
}

fn at_production() -> Live {
    let mut live = at_uat();
    live.tell(live.approve("uat", "quinn"));
    live.succeed("uat");
    live
}

#[test]
fn who_may_not_is_refused_and_told_who_may() {
    let mut live = at_uat();
    assert_eq!(live.refused(live.approve("uat", "grace")), "grace cannot decide for `uat`: qa or @linus may");
    assert_eq!(live.refused(live.approve("uat", "eve")), "eve cannot decide for `uat`: qa or @linus may");
    live.shows("dev: version1 | uat: gated version1 (waits for qa or @linus, 0 of 1) | production: ");
    // A person by name.
    live.tell(live.approve("uat", "linus"));
    live.shows("dev: version1 | uat: deploying version1 | production: ");
}

#[test]
fn the_author_does_not_count_and_nobody_counts_twice() {
    let mut live = at_production();
    assert_eq!(
        live.refused(live.approve("production", "ada")),
        "ada caused this release and cannot approve it for `production` (not_author)"
    );
    assert!(live.tell(live.approve("production", "grace")) > 0);
    assert_eq!(live.tell(live.approve("production", "grace")), 0);
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for managers, 1 of 2)");
}

#[test]
fn an_approval_that_the_policy_no_longer_counts_does_not_open() {
    let mut live = at_production();
    live.tell(live.approve("production", "grace"));
    live.policy(&CHAIN.replace("by: [managers], count: 2", "by: [directors], count: 1"));
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for directors, 0 of 1)");
    live.policy(&CHAIN.replace("by: [managers], count: 2", "by: [managers], count: 1"));
    live.shows("dev: version1 | uat: version1 | production: deploying version1");
}

#[test]
fn where_nobody_is_named_who_may_write_may_approve() {
    let mut live = Live::new(&CHAIN.replace("dev: {}", "dev: { approve: {} }"));
    live.record(1);
    assert_eq!(
        live.refused(live.approve("dev", "eve")),
        "eve cannot decide for `dev`: anyone who may write to the repository may"
    );
    live.tell(live.approve("dev", "quinn"));
    live.rolling("dev");
}

#[test]
fn a_rejection_ends_the_promotion_and_the_runs_gate() {
    let mut live = at_uat();
    let waiting = live.waiting("uat");
    let reject = |by: &str| Command::Reject {
        subject: ApprovalSubject::Promotion(waiting),
        by: person(by),
        reason: Some("broken".into()),
    };
    assert!(live.refused(reject("grace")).contains("qa or @linus may"));
    live.tell(reject("quinn"));
    assert_eq!(live.word(1, "uat"), "rejected");
    assert_eq!(live.tell(reject("quinn")), 0);
    let effect = Effect::RejectRunGate {
        run: RunId(1),
        environment: environment("uat"),
        by: UserName::new("quinn"),
        reason: Some("broken".into()),
    };
    assert_eq!(live.effects.last(), Some(&effect));
    assert_eq!(
        live.refused(Command::Approve { subject: ApprovalSubject::Promotion(waiting), by: person("quinn") }),
        format!("promotion {waiting} waits for no decision: it is rejected")
    );
    live.shows("dev: version1 | uat:  | production: ");
}

#[test]
fn a_yes_to_the_promotion_opens_the_runs_gate() {
    let mut live = at_uat();
    live.tell(live.approve("uat", "quinn"));
    let by = vec![UserName::new("quinn")];
    let open = Effect::OpenRunGate { run: RunId(1), environment: environment("uat"), by };
    assert_eq!(live.effects.iter().filter(|effect| **effect == open).count(), 1);
}

#[test]
fn a_yes_in_the_run_carries_over() {
    let mut live = Live::chain();
    let author = UserName::new("ada");
    let gate = |live: &Live, name: &str| run_gate(&live.state, RunId(1), name, &author);
    let approve = |by: &str| Command::Approve { subject: Live::in_run(1, "production"), by: person(by) };
    assert!(matches!(gate(&live, "approve-production"), RunGate::Waits { .. }));
    assert!(matches!(gate(&live, "production"), RunGate::Waits { .. }), "GitHub names the environment");
    assert_eq!(gate(&live, "approve-dev"), RunGate::Free { environment: environment("dev") });
    assert_eq!(gate(&live, "whatever"), RunGate::Unknown);
    // Before there is a release at all.
    assert_eq!(live.refused(approve("quinn")), "quinn cannot decide for `production`: managers may");
    assert!(live.refused(approve("ada")).contains("not_author"));
    live.tell(approve("grace"));
    assert_eq!(live.tell(approve("grace")), 0);
    live.record(1);
    live.reach_uat();
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for managers, 1 of 2)");
    // The second one, in the run again, is for the promotion now.
    live.tell(approve("alan"));
    live.shows("dev: version1 | uat: version1 | production: deploying version1");
    let by = vec![UserName::new("grace"), UserName::new("alan")];
    assert_eq!(
        gate(&live, "approve-production"),
        RunGate::Open { environment: environment("production"), by: by.clone() }
    );
    let open = Effect::OpenRunGate { run: RunId(1), environment: environment("production"), by };
    assert!(live.effects.contains(&open));
}

#[test]
fn enough_in_the_run_opens_its_gate_before_the_promotion() {
    let mut live = Live::chain();
    live.tell(Command::Approve { subject: Live::in_run(1, "uat"), by: person("quinn") });
    assert!(matches!(live.effects.last(), Some(Effect::OpenRunGate { run: RunId(1), .. })));
    live.record(1);
    live.succeed("dev");
    live.shows("dev: version1 | uat: deploying version1 | production: ");
    // Of another run it says nothing.
    live.record(2);
    live.succeed("uat");
    live.succeed("dev");
    assert_eq!(live.word(2, "uat"), "gated");
}

#[test]
fn a_no_in_the_run_keeps_the_release_out() {
    let mut live = Live::chain();
    let reject = |by: &str| Command::Reject { subject: Live::in_run(1, "uat"), by: person(by), reason: None };
    assert!(live.refused(reject("grace")).contains("qa or @linus may"));
    live.tell(reject("quinn"));
    assert_eq!(live.tell(reject("quinn")), 0);
    let approve = Command::Approve { subject: Live::in_run(1, "uat"), by: person("quinn") };
    assert!(live.refused(approve).contains("decided the other way"));
    live.record(1);
    live.succeed("dev");
    live.shows("dev: version1 | uat:  | production: ");
    assert_eq!(
        run_gate(&live.state, RunId(1), "approve-uat", &UserName::new("ada")),
        RunGate::Rejected { environment: environment("uat") }
    );
}

#[test]
fn a_runs_gate_of_an_environment_that_asks_nobody_is_for_who_may_write() {
    let mut live = Live::chain();
    let approve = |by: &str| Command::Approve { subject: Live::in_run(1, "dev"), by: person(by) };
    assert!(live.refused(approve("eve")).contains("anyone who may write"));
    live.tell(approve("quinn"));
    assert!(matches!(live.effects.last(), Some(Effect::OpenRunGate { .. })));
}
