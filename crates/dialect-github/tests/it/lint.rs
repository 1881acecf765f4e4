use insta::assert_snapshot;

use crate::findings;

#[test]
fn text_of_a_stranger_in_a_script() {
    assert_snapshot!(findings(
        r#"on: [issues, pull_request]
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: echo "${{ github.event.issue.title }}"
      - run: |
          echo one
          echo "${{ github.event.pull_request.head.ref }} and ${{ github.head_ref }}"
      - uses: actions/github-script@v7
        with:
          script: console.log("${{ github.event.comment.body }}")
      - run: echo ${{ github.event.pull_request.number }} ${{ github.event.repository.name }} ${{ github.event.pull_request.base.ref }}
      - run: echo "$TITLE"
        env:
          TITLE: ${{ github.event.issue.title }}
"#
    ));
}

#[test]
fn an_action_that_can_be_moved_beside_secrets() {
    assert_snapshot!(findings(
        r#"on: push
jobs:
  publish:
    runs-on: ubuntu-latest
    env:
      KEY: ${{ secrets.KEY }}
    steps:
      - uses: actions/checkout@v4
      - uses: someone/publish@v1
      - uses: someone/publish@0123456789012345678901234567890123456789
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: someone/test@v1
      - run: echo ${{ secrets.GITHUB_TOKEN }}
  call:
    uses: someone/flows/.github/workflows/x.yml@main
    secrets: inherit
"#
    ));
}

#[test]
fn the_head_of_a_pull_request_with_the_rights_of_the_base() {
    assert_snapshot!(findings(
        r#"on: pull_request_target
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{ github.event.pull_request.head.sha }}
      - uses: actions/checkout@v4
"#
    ));
}

#[test]
fn what_never_runs() {
    assert_snapshot!(findings(
        r#"on: push
jobs:
  off:
    if: false && github.ref == 'x'
    runs-on: ubuntu-latest
  after:
    needs: off
    runs-on: ubuntu-latest
  anyway:
    needs: off
    if: always()
    runs-on: ubuntu-latest
    steps:
      - if: github.event_name == 'pull_request'
        run: echo
      - if: github.event_name == 'push' || false
        run: echo
  later:
    needs: after
    runs-on: ubuntu-latest
"#
    ));
}

#[test]
fn names_that_nothing_defines() {
    assert_snapshot!(findings(
        r#"on:
  workflow_dispatch:
    inputs:
      version: { type: string }
  workflow_call:
    outputs:
      digest: { value: "${{ jobs.build.outputs.digst }}" }
run-name: ${{ inputs.versoin }}
jobs:
  build:
    runs-on: ubuntu-latest
    outputs:
      digest: ${{ steps.push.outputs.digest }}
    steps:
      - run: echo ${{ steps.push.outputs.digest }}
      - id: push
        run: echo ${{ github.evnt_name }} ${{ matrix.os }}
      - run: echo ${{ steps.psh.outputs.digest }} ${{ steps.push.output.digest }}
  deploy:
    needs: build
    runs-on: ${{ matrix.os }}
    strategy:
      matrix: { os: [a], include: [{ extra: 1 }] }
    steps:
      - run: echo ${{ needs.build.outputs.dgest }} ${{ needs.test.result }} ${{ matrix.extra }} ${{ matrix.oss }}
      - run: echo ${{ needs.build.results }} ${{ needs.*.result }} ${{ runner.os }} ${{ env.ANY }} ${{ vars.ANY }}
  test:
    runs-on: ubuntu-latest
"#
    ));
}
