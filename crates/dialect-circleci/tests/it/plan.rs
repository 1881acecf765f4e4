use sluice_dialect_circleci::{Outcome, PipelineValues};

use crate::support::{config_with, push};

#[test]
fn every_step_and_field_reaches_the_plan() {
    let text = "
version: 2.1
jobs:
  build:
    docker:
      - {image: cimg/go:1.22, user: root, environment: {A: 1}, auth: {username: $U, password: $P}}
      - {image: 'registry.io/x/postgres:15', command: postgres -c 'fsync = off', environment: [B=2]}
      - {image: postgres, name: db, entrypoint: [a, b c]}
    shell: /bin/sh -e
    working_directory: ~/src
    parallelism: 2
    environment: {YES: yes, NO: , RAW: 3.10}
    steps:
      - checkout: {path: x}
      - run: {name: n, command: c, shell: [bash, -c], environment: {C: c}, background: true, working_directory: w, no_output_timeout: 20m, when: always, max_auto_reruns: 3, auto_rerun_delay: 1m30s}
      - deploy: d
      - setup_remote_docker: {version: default, docker_layer_caching: true}
      - save_cache: {key: k, paths: [p], when: on_fail, name: saved}
      - restore_cache: {key: k, keys: [l, m]}
      - store_artifacts: {path: p, destination: d}
      - store_test_results: {path: p}
      - persist_to_workspace: {root: r, paths: p}
      - attach_workspace: {at: a}
      - add_ssh_keys: {fingerprints: [f]}
      - add_ssh_keys
  vm: {machine: {image: 'ubuntu-2204:current'}, steps: [checkout]}
  join: {type: no-op}
workflows:
  main:
    jobs:
      - build: {context: [org, team], serial-group: s}
      - vm: {requires: [build: [failed, canceled]]}
      - join: {requires: [build, vm]}
      - hold: {type: approval, requires: [join]}
";
    let trigger = push("refs/heads/main");
    let config = config_with(text, &PipelineValues::of_trigger(&trigger, 7, "main"));
    let selections = config.select(&trigger);
    let Outcome::Runs(plan) = &selections[0].outcome else { panic!("{:?}", selections[0]) };
    insta::assert_json_snapshot!(plan);
}

#[test]
fn what_cannot_be_run_is_refused_with_its_place() {
    let cases = [
        (
            "run: {command: x, when: allways}",
            "`when` of a step is one of `on_success`, `on_fail`, `always`, and this is `allways`",
        ),
        (
            "run: {command: x, no_output_timeout: soon}",
            "`no_output_timeout` is a time such as `20m`, `1.25h` or `90s`, and this is `soon`",
        ),
        (
            "run: {command: x, max_auto_reruns: 6}",
            "`max_auto_reruns` is a number from 1 to 5, and this is `6`",
        ),
        (
            "run: {command: x, max_auto_reruns: 1, auto_rerun_delay: 11m}",
            "`auto_rerun_delay` is a time up to 10 minutes, such as `10s` or `3m`, and this is `11m`",
        ),
        ("save_cache: {paths: [x]}", "`save_cache` needs a `key`"),
        ("save_cache: {key: x}", "`save_cache` needs `paths`"),
        ("restore_cache: {}", "`restore_cache` needs a `key` or `keys`"),
    ];
    for (step, expected) in cases {
        let text = format!(
            "version: 2.1\njobs:\n  build:\n    docker: [{{image: i}}]\n    steps:\n      - {step}\n"
        );
        let trigger = push("refs/heads/main");
        let config = config_with(&text, &PipelineValues::default());
        let Outcome::Refused(why) = &config.select(&trigger)[0].outcome else { panic!("{step} was taken") };
        assert_eq!((why[0].message.as_str(), why[0].location.line), (expected, 6));
    }
}
