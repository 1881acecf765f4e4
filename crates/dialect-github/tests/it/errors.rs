use insta::assert_snapshot;

use crate::findings;

#[test]
fn a_key_that_is_not_known() {
    assert_snapshot!(findings(
        "on: push\njob:\n  a: {}\njobs:\n  build:\n    run-on: x\n    steps:\n      - nme: x\n        run: y\n      - name: only\n"
    ));
}

#[test]
fn events() {
    assert_snapshot!(findings(
        r#"on:
  push: { branches: [main], branches-ignore: [x] }
  pull_request: { types: [open], paths: ["[a"] }
  schedule:
    - cron: "0 0 31 2 *"
    - cron: "@daily"
    - cron: "0 0 * * *"
      timezone: "Not a zone"
  workflow_dispatch:
    unknown: 1
    inputs:
      a: { type: choice }
      b: { type: string, options: [x] }
jobs:
  build: { runs-on: x }
"#
    ));
    assert_snapshot!(findings(
        r#"on:
  push: { branches: [main], branches-ignore: [x] }
  pull_request: { paths: ["[a"] }
  schedule:
    - cron: "0 0 31 2 *"
    - cron: "@daily"
    - { cron: "0 0 * * *", timezone: "Not a zone" }
  workflow_dispatch:
    unknown: 1
    inputs:
      a: { type: choice }
      b: { type: string, options: [x] }
jobs:
  build: { runs-on: x }
"#
    ));
}

#[test]
fn expressions() {
    assert_snapshot!(findings(
        r#"on: push
name: ${{ github.ref }}
jobs:
  build:
    if: ${{ env.X == 'a' }}
    runs-on: ${{ matrix.os
    steps:
      - run: |
          echo
          echo ${{ github.ref }} ${{ secret.X }}
      - if: ${{ nope() }}
        run: echo ${{ }}
        continue-on-error: maybe
"#
    ));
}

#[test]
fn ids_needs_and_steps() {
    assert_snapshot!(findings(
        r#"on: push
jobs:
  build:
    runs-on: x
    strategy: { matrix: { os: [] } }
    steps:
      - { id: a, run: x }
      - { id: A, run: x }
      - { id: 1a, run: x }
      - uses: actions/checkout
      - wait: b
      - { id: c, cancel: c }
  call:
    uses: nowhere.yml
"#
    ));
    assert_snapshot!(findings(
        "on: push\njobs:\n  a: { runs-on: x, needs: [bb, c] }\n  b: { runs-on: x }\n  c: { runs-on: x, needs: a }\n"
    ));
}

#[test]
fn files_that_are_no_workflows() {
    assert_snapshot!(findings(""));
    assert_snapshot!(findings("on: push\njobs: {}\n---\non: push\n"));
    assert_snapshot!(findings("- a\n"));
    assert_snapshot!(findings("on: push\njobs:\n  a:\n\tb: 1\n"));
    assert_snapshot!(findings("on: push\njobs:\n  a: { runs-on: !!bool maybe }\n"));
}

#[test]
fn what_is_not_supported_is_said() {
    assert_snapshot!(findings(
        r#"on: push
jobs:
  build:
    runs-on: x
    cancel-timeout-minutes: 3
    snapshot: image
    services: ${{ fromJSON(vars.SERVICES) }}
    env:
      ${{ github.ref }}: x
"#
    ));
}

/// GitHub, "Workflow syntax", `concurrency`: "not allowed and will result in a workflow validation error".
#[test]
fn a_group_that_queues_all_and_cancels_what_runs() {
    let workflow = |cancel: &str| {
        format!(
            "on: push\nconcurrency: {{ group: x, queue: max, cancel-in-progress: {cancel} }}\njobs:\n  a: {{ runs-on: x, steps: [{{ run: y }}] }}\n"
        )
    };
    let found = findings(&workflow("true"));
    assert!(found.contains("`queue: max` and `cancel-in-progress: true` exclude each other"), "{found}");
    assert!(!findings(&workflow("false")).contains("exclude each other"));
}
