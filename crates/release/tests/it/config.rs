use sluice_release::{RetentionRule, Target, parse, schema};

const DESIGN: &str = r#"
name: storefront
release:
  on: { branches: [master], tags: ["version*"] }
services:
  api:
    image: storefront/api
    port: 8000
    health: /healthz
    version: /version
    env:
      DATABASE_URL: { type: url, schemes: [postgres], secret: true }
      LOG_LEVEL:    { default: info, one_of: [debug, info, warn, error] }
  web: { image: storefront/web, port: 8080, health: /, depends_on: [api] }
environments:
  dev: {}
  uat:     { approve: { by: [qa] } }
  staging: { approve: { by: [qa] }, soak: 30m, env: { LOG_LEVEL: warn }, verify_for: 2s, keep: 2, gate: hold }
  production:
    approve: { by: [release-managers], count: 2, not_author: true }
    freeze: [{ from: "Fri 16:00", to: "Mon 08:00", zone: Europe/London }]
    target: box
    replicas: 3
targets:
  box: { kind: docker }
"#;

/// The messages of a file, a line each.
fn told(text: &str) -> String {
    let parsed = parse("sluice.yaml", text);
    assert_eq!(parsed.config.is_some(), !parsed.diagnostics.iter().any(|d| d.is_error()));
    let mut lines = Vec::new();
    for diagnostic in &parsed.diagnostics {
        lines.push(diagnostic.to_string());
        lines.extend(diagnostic.help.iter().map(|help| format!("  {help}")));
    }
    lines.join("\n")
}

#[test]
fn the_designs_file_is_read_whole() {
    let parsed = parse("sluice.yaml", DESIGN);
    assert_eq!(parsed.diagnostics, []);
    insta::assert_json_snapshot!(parsed.config);
}

#[test]
fn a_bare_file_has_every_default() {
    let parsed = parse("sluice.yaml", "services: { api: { image: api } }\nenvironments:\n  dev:\n");
    let config = parsed.config.expect("the file is sound");
    assert_eq!(config.release.branches, ["main", "master"]);
    assert_eq!(config.targets["local"], Target::Auto);
    let dev = &config.environments[0];
    assert_eq!((dev.gate.as_str(), dev.replicas, dev.keep, dev.verify_for_ms), ("approve-dev", 1, 1, 10_000));
    assert_eq!(config.services[0].port, 8080);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let wrong = r#"
naem: storefront
release: { on: { tags: ["v[0-9]"] } }
services:
  api:
    image: Storefront/API:latest
    port: 80000
    health: healthz
    env:
      PORT: { default: 1 }
      LEVEL: { default: loud, one_of: [debug, info] }
      KEY: { secret: true, default: x }
      SIZE: { type: int, default: big }
      KIND: { type: text }
    depends_on: [wed]
  web: { depends_on: [api] }
  Web: {}
environments:
  dev: { approval: { by: [qa] }, env: { LEVLE: info, LEVEL: loud, KEY: secret } }
  uat: { approve: [qa], soak: 30, freeze: [{ from: "Fri 16:00", to: Monday, zone: Europe/Londn }] }
  staging: { target: clutser, gate: approve-dev, replicas: 0 }
targets:
  cluster: { kind: kubernetes, namespace: storefront }
"#;
    insta::assert_snapshot!(told(wrong));
}

#[test]
fn circles_and_twins_are_refused() {
    insta::assert_snapshot!(told(
        "services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }\n"
    ));
}

#[test]
fn a_missing_value_is_a_warning() {
    insta::assert_snapshot!(told(
        "services: { a: { image: a, env: { URL: { type: url } } } }\nenvironments:\n  dev:\n  uat: { env: { URL: http://x } }\n"
    ));
}

#[test]
fn what_is_no_config_is_refused() {
    for (text, expected) in [
        ("", "sluice.yaml:1:1: error[sluice-yaml/empty]"),
        ("[]", "error[sluice-yaml/wrong-form]: `the file` is a list"),
        ("a: 1\na: 2", "error[yaml/duplicate-key]"),
        ("name: a\n---\nname: b\n", "sluice.yaml:3:1: error[sluice-yaml/two-documents]"),
        ("{", "error[yaml/"),
    ] {
        assert!(told(text).contains(expected), "{text:?} gives {}", told(text));
    }
}

#[test]
fn retention_bounds_tags_by_number_or_age() {
    let text =
        "registry: { retention: [{ tags: \"build-*\", keep: 20, days: 30 }, { tags: pr-*, days: 7 }] }";
    let parsed = parse("sluice.yaml", text);
    assert_eq!(parsed.diagnostics, []);
    let rule = |tags: &str, keep, days| RetentionRule { tags: tags.to_owned(), keep, days };
    let rules = parsed.config.expect("the file is sound").retention;
    assert_eq!(rules, [rule("build-*", Some(20), Some(30)), rule("pr-*", None, Some(7))]);
    for (rule, expected) in [
        (
            "{ tags: a }",
            "sluice.yaml:1:25: error[sluice-yaml/missing-key]: `registry.retention[0]` bounds nothing",
        ),
        ("{ keep: 1 }", "`registry.retention[0]` has no `tags`"),
        ("{ tags: a/b, keep: 1 }", "`registry.retention[0].tags` is `a/b`; a tag in which"),
        ("{ tags: a, keep: -1 }", "`registry.retention[0].keep` is `-1`; a whole number from 0 to 1000000"),
        ("{ tags: a, keep: 1, age: 3 }", "unknown key `age` in `registry.retention[0]`"),
    ] {
        let told = told(&format!("registry: {{ retention: [{rule}] }}"));
        assert!(told.contains(expected), "{rule} gives {told}");
    }
    let many = format!("registry: {{ retention: [{}] }}", "{ tags: a, keep: 1 },".repeat(101));
    assert!(told(&many).contains("sluice-yaml/too-many"));
}

#[test]
fn images_are_followed_by_pattern() {
    let parsed = parse("sluice.yaml", "registry: { follow: [base/*, tools/jq] }");
    assert_eq!(parsed.diagnostics, []);
    assert_eq!(parsed.config.expect("the file is sound").follow, ["base/*", "tools/jq"]);
    let told_of = |follow: &str| told(&format!("registry: {{ follow: {follow} }}"));
    assert!(
        told_of("[Base/*]").contains("`Base/*` in `registry.follow` names no images"),
        "{}",
        told_of("[Base/*]")
    );
    assert!(told_of("{ a: b }").contains("sluice-yaml/wrong-form"), "{}", told_of("{ a: b }"));
    assert!(told_of(&format!("[{}]", "a,".repeat(101))).contains("sluice-yaml/too-many"));
}

#[test]
fn limits_hold() {
    let many = |what: &str, one: &dyn Fn(usize) -> String, count: usize| {
        format!("{what}:\n{}", (0..count).map(|n| format!("  {}\n", one(n))).collect::<String>())
    };
    let services = many("services", &|n| format!("s{n}: {{ image: i{n} }}"), 101);
    let environments = many("environments", &|n| format!("e{n}: {{}}"), 51);
    let targets = many("targets", &|n| format!("t{n}: {{}}"), 51);
    let variables = format!(
        "services:\n  a:\n    image: a\n    env:\n{}",
        (0..201).map(|n| format!("      V{n}: {{}}\n")).collect::<String>()
    );
    for text in [services, environments, targets, variables] {
        assert!(told(&text).contains("sluice-yaml/too-many"), "{}", told(&text));
    }
    let large = format!("name: {}", "x".repeat(1 << 20));
    assert!(!told(&large).is_empty());
    let deep = format!("name: {}{}", "[".repeat(30), "]".repeat(30));
    assert!(!told(&deep).is_empty());
}

#[test]
fn the_schema_knows_every_key() {
    insta::assert_json_snapshot!(schema());
}
