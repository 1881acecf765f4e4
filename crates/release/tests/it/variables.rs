use std::collections::BTreeMap;

use sluice_release::resolve_variables;

use crate::live::{Live, config};

const TEXT: &str = r#"
services:
  api:
    image: shop/api
    env:
      DATABASE_URL: { type: url, schemes: [postgres], secret: true }
      LEVEL: { default: info, one_of: [debug, info] }
      SIZE: { type: int }
      FAST: { type: bool, default: false }
      NOTE: { required: false }
environments:
  dev: { env: { SIZE: 3 } }
  uat: {}
"#;

#[test]
fn a_service_gets_what_it_declares() {
    let config = config(TEXT);
    let secrets = BTreeMap::from([
        ("DATABASE_URL".to_owned(), "postgres://db/shop".to_owned()),
        ("OTHER".to_owned(), "not for this one".to_owned()),
    ]);
    let values = resolve_variables(&config.services[0], &config.environments[0], &secrets).unwrap();
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(values, ["DATABASE_URL=postgres://db/shop", "FAST=false", "LEVEL=info", "SIZE=3"]);
}

#[test]
fn what_is_missing_or_wrong_is_told_without_a_secret() {
    let config = config(TEXT);
    let told = |secret: Option<&str>| {
        let secrets = secret.map(|value| ("DATABASE_URL".to_owned(), value.to_owned())).into_iter().collect();
        let problems = resolve_variables(&config.services[0], &config.environments[1], &secrets).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        told(None),
        [
            "api in uat: DATABASE_URL is missing; expected a URL that begins with postgres://; this server keeps no \
             secrets yet: in sluice.yaml give `services.api.env.DATABASE_URL` `required: false`, or drop `secret: true` \
             and set `environments.uat.env.DATABASE_URL`",
            "api in uat: SIZE is missing; expected a whole number; set `environments.uat.env.SIZE` in sluice.yaml",
        ]
    );
    assert!(told(Some("mysql://hunter2@db"))[0].contains("has a secret value of another form"));
    assert!(!told(Some("mysql://hunter2@db")).concat().contains("hunter2"));
}

#[test]
fn a_promotion_fails_before_anything_starts() {
    let mut live = Live::new(TEXT);
    live.policy(&TEXT.replace("{ env: { SIZE: 3 } }", "{}"));
    let mut record = crate::live::pushed(&live.config, 1);
    record.git_ref = "refs/heads/main".into();
    live.tell(sluice_release::Command::RecordRelease(Box::new(record)));
    assert_eq!(live.word(1, "dev"), "failed");
    let failed = live.state.promotions().next().unwrap().id;
    assert!(live.reason(failed).starts_with("api in dev: SIZE is missing"), "{}", live.reason(failed));
    assert_eq!(live.effects, []);
}
