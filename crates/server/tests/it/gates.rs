use sluice_model::{EnvironmentName, JobId};
use sluice_wire::{ClientError, Decision, RunState};

use crate::world::World;

pub const CIRCLE: &str = "\
version: 2.1
jobs:
  deploy:
    machine: { image: default }
    steps:
      - run: echo deployed
workflows:
  main:
    jobs:
      - approve-uat: { type: approval }
      - deploy: { requires: [approve-uat] }
";

pub const POLICY: &str = "\
services:
  api: { image: shop/api, port: 8000, health: / }
environments:
  dev: {}
  uat: { approve: { by: [qa] }, gate: approve-uat }
";

fn yes() -> Decision {
    Decision { approve: true, comment: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_the_right_cannot_approve_and_is_told_who_can() {
    let mut world = World::start().await;
    world.write(".circleci/config.yml", CIRCLE);
    world.write("sluice.yaml", POLICY);
    world.push().await.unwrap();
    let run = world.waiting(1).await;
    assert_eq!(run.run.waiting[0].environment.as_deref(), Some("uat"), "{run:#?}");
    let job = JobId::new("approve-uat");

    let stranger = world.account("stu", "write", &["developers"]).await;
    let refusal = stranger.decide_gate(&world.repository, 1, &job, &yes()).await.unwrap_err();
    assert!(
        matches!(&refusal, ClientError::Refused { status: 403, message } if message.contains("qa may")),
        "{refusal}"
    );
    assert_eq!(world.waiting(1).await.run.state, RunState::Waiting);

    let tester = world.account("tess", "read", &["qa"]).await;
    let after = tester.decide_gate(&world.repository, 1, &job, &yes()).await.unwrap();
    assert!(after.run.waiting.is_empty(), "{after:#?}");
    assert_eq!(world.ended(1).await.run.state, RunState::Success);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_of_a_run_is_the_environments_gate() {
    let mut world = World::start().await;
    world.write(".circleci/config.yml", CIRCLE);
    world.write("sluice.yaml", POLICY);
    world.push().await.unwrap();
    world.waiting(1).await;
    let tester = world.account("tess", "read", &["qa"]).await;
    tester.decide_environment(&world.repository, &EnvironmentName::new("uat"), &yes()).await.unwrap();
    assert_eq!(world.ended(1).await.run.state, RunState::Success);
    let nothing = tester.decide_environment(&world.repository, &EnvironmentName::new("uat"), &yes()).await;
    assert!(matches!(nothing, Err(ClientError::Refused { status: 409, .. })), "{nothing:?}");
    let unknown = tester.decide_environment(&world.repository, &EnvironmentName::new("mars"), &yes()).await;
    assert!(unknown.unwrap_err().to_string().contains("dev, uat"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_no_environment_has_is_opened_by_who_may_write() {
    let mut world = World::start().await;
    world.write(".circleci/config.yml", CIRCLE);
    world.push().await.unwrap();
    world.waiting(1).await;
    let job = JobId::new("approve-uat");
    let reader = world.account("rea", "read", &["qa"]).await;
    let refusal = reader.decide_gate(&world.repository, 1, &job, &yes()).await.unwrap_err();
    assert!(matches!(refusal, ClientError::Refused { status: 403, .. }), "{refusal}");
    let no = Decision { approve: false, comment: Some("not today".to_owned()) };
    world.admin.decide_gate(&world.repository, 1, &job, &no).await.unwrap();
    let run = world.ended(1).await;
    assert_ne!(run.run.state, RunState::Success);
    world.end().await;
}
