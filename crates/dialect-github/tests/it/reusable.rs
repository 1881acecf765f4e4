use std::collections::HashMap;

use insta::assert_snapshot;
use sluice_dialect_github::{Read, read};

use crate::written;

fn read_files(files: &[(&str, &str)]) -> Read {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    read("main.yml", files["main.yml"], &|path| files.get(path).map(|text| (*text).to_owned()))
}

#[test]
fn what_is_wrong_with_a_call() {
    let read = read_files(&[
        (
            "main.yml",
            "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n    with: { n: x, extra: 1 }\n    secrets: { S: x, T: x }\n",
        ),
        (
            "flows/a.yml",
            "on:\n  workflow_call:\n    inputs: { n: { type: number }, must: { type: string, required: true } }\n    secrets: { s: {}, u: { required: true } }\njobs:\n  x: { runs-on: x }\n",
        ),
    ]);
    assert_snapshot!(written(&read));
}

#[test]
fn an_error_in_a_called_file_shows_the_call() {
    let read = read_files(&[
        ("main.yml", "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n"),
        ("flows/a.yml", "on: push\njobs:\n  x: { runs: x }\n"),
    ]);
    assert_snapshot!(written(&read));
    let read = read_files(&[
        ("main.yml", "on: push\njobs:\n  a:\n    uses: ./flows/a.yml\n"),
        ("flows/a.yml", "on: push\njobs:\n  x: { runs-on: x }\n"),
    ]);
    assert_snapshot!(written(&read));
}

#[test]
fn workflows_that_call_each_other_come_to_an_end() {
    let caller =
        "on: { workflow_call: }\njobs:\n  a: { uses: ./flows/a.yml }\n  b: { uses: ./flows/a.yml }\n";
    let read = read_files(&[("main.yml", caller), ("flows/a.yml", caller)]);
    assert_snapshot!(written(&read));
}

/// The jobs of a plan, one a line: id, needs, condition, and what of it is asked for.
fn jobs(read: &Read) -> String {
    let plan = read.workflow.as_ref().unwrap_or_else(|| panic!("{}", written(read))).plan().unwrap();
    let mut lines = format!("env {}\n", serde_json::to_string(&plan.env).unwrap());
    for job in &plan.jobs {
        let needs: Vec<&str> = job.needs.iter().map(|need| need.job.as_str()).collect();
        let condition = match &job.condition {
            sluice_plan::JobCondition::Expression(expression) => expression.source(),
            sluice_plan::JobCondition::NeedsAccepted => "needs accepted",
        };
        let name = job.name.as_ref().map_or("-", |name| name.source());
        lines.push_str(&format!("{} ({name}) needs {needs:?} if {condition}\n", job.id));
        match &job.work {
            sluice_plan::Work::Steps(steps) => {
                lines.push_str(&format!("  env {}\n", serde_json::to_string(&steps.env).unwrap()));
                for step in &steps.steps {
                    lines.push_str(&format!("  {}\n", serde_json::to_string(&step.action).unwrap()));
                }
            }
            other => lines.push_str(&format!("  {}\n", serde_json::to_string(other).unwrap())),
        }
        for output in &job.outputs {
            lines.push_str(&format!("  output {} = {}\n", output.name, output.value.source()));
        }
    }
    lines
}

const CALLED: &str = r#"on:
  workflow_call:
    inputs:
      version: { type: string, required: true }
      dry: { type: boolean, default: true }
      count: { type: number }
    secrets: { token: {} }
    outputs:
      digest: { value: "${{ jobs.push.outputs.digest }}" }
env: { INNER: "${{ inputs.count }}" }
defaults: { run: { shell: sh } }
jobs:
  build:
    name: Build ${{ inputs.version }}
    runs-on: x
    steps:
      - run: make ${{ inputs.version }} ${{ inputs.dry && 'dry' || 'wet' }}
        env: { T: "${{ secrets.token }}", U: "${{ secrets.unknown }}", G: "${{ secrets.GITHUB_TOKEN }}" }
  push:
    needs: build
    if: needs.build.result == 'success' && !inputs.dry
    runs-on: x
    outputs: { digest: "${{ steps.p.outputs.d }}" }
    steps: [{ id: p, run: push }]
  report:
    needs: [build, push]
    if: always()
    runs-on: x
"#;

#[test]
fn the_jobs_of_a_called_workflow_stand_in_the_plan() {
    let main = r#"on: push
env: { OUTER: 1 }
jobs:
  test: { runs-on: x, outputs: { v: "1" } }
  flow:
    needs: test
    if: github.ref == 'refs/heads/main'
    uses: ./flows/a.yml
    with: { version: "${{ needs.test.outputs.v }}", dry: false }
    secrets: { token: "${{ secrets.TOKEN }}" }
  deploy:
    needs: [test, flow]
    runs-on: x
    steps: [{ run: "deploy ${{ needs.flow.outputs.digest }}" }]
  clean:
    needs: flow
    if: always() && needs.flow.result == 'failure'
    runs-on: x
"#;
    assert_snapshot!(jobs(&read_files(&[("main.yml", main), ("flows/a.yml", CALLED)])));
}

#[test]
fn a_call_within_a_call() {
    let main = "on: push\njobs:\n  one:\n    uses: ./flows/b.yml\n    with: { v: 7 }\n    secrets: inherit\n";
    let between = r#"on:
  workflow_call:
    inputs: { v: { type: string } }
    outputs: { d: { value: "${{ jobs.two.outputs.digest }}" } }
jobs:
  two:
    uses: ./flows/a.yml
    with: { version: "v${{ inputs.v }}" }
    secrets: inherit
  three:
    needs: two
    runs-on: x
    steps: [{ run: "echo ${{ needs.two.outputs.digest }}" }]
"#;
    assert_snapshot!(jobs(&read_files(&[
        ("main.yml", main),
        ("flows/a.yml", CALLED),
        ("flows/b.yml", between)
    ])));
}

#[test]
fn a_call_that_cannot_be_told_beforehand_stays_a_call_and_says_why() {
    let whole = "on: { workflow_call: { outputs: { all: { value: \"${{ toJSON(jobs) }}\" } } } }\njobs:\n  a: { runs-on: x }\n";
    let late =
        "needs: d, uses: ./flows/a.yml, strategy: { matrix: { x: \"${{ fromJSON(needs.d.outputs.x) }}\" } }";
    let two = "on: { workflow_call: }\njobs:\n  a: { runs-on: x }\n  b: { runs-on: x }\n";
    let chain = "on: { workflow_call: }\njobs:\n  a: { runs-on: x }\n  b: { needs: a, runs-on: x }\n";
    let matrix = "on: { workflow_call: }\njobs:\n  a: { runs-on: x, strategy: { matrix: { y: [1] } } }\n";
    let asks = "on: { workflow_call: { inputs: { v: { type: string } } } }\njobs:\n  a: { if: inputs.v == '1', runs-on: x }\n";
    let (late, with) = (
        format!("d: {{ runs-on: x }}\n  c: {{ {late} }}"),
        format!("d: {{ runs-on: x }}\n  c: {{ {late}, with: {{ v: \"${{{{ matrix.x }}}}\" }} }}"),
    );
    let plain = "on: { workflow_call: }\njobs:\n  a: { runs-on: x }\n";
    let many: String = (0..100).map(|n| format!("  j{n}: {{ runs-on: x }}\n")).collect();
    let many = format!("on: {{ workflow_call: }}\njobs:\n{many}");
    let product = "strategy: { matrix: { x: [1, 2, 3, 4, 5, 6, 7, 8], y: [1, 2, 3, 4, 5, 6, 7] } }";
    for (main, called, why) in [
        ("c: { uses: ./flows/a.yml }", whole, "`jobs` is named as a whole"),
        (&late, two, "several jobs in what it calls"),
        (&late, chain, "jobs that need each other"),
        (&late, matrix, "and a matrix in what it calls"),
        (&with, asks, "an `if` in what it calls that asks for a value of it"),
        (
            "c: { uses: ./flows/a.yml, strategy: { matrix: { x: \"${{ fromJSON('[]') }}\" } } }",
            plain,
            "Matrix vector 'x' does not contain any values",
        ),
        (&format!("c: {{ uses: ./flows/a.yml, {product} }}"), many.as_str(), "would be more than 5000"),
        (
            "c: { uses: ./flows/a.yml, strategy: { matrix: { x: [1, 2] } } }\n  d: { needs: c, if: needs.c.result == 'failure', runs-on: x }",
            many.as_str(),
            "would grow too long",
        ),
    ] {
        let main = format!("on: push\njobs:\n  {main}\n");
        let plan =
            read_files(&[("main.yml", &main), ("flows/a.yml", called)]).workflow.unwrap().plan().unwrap();
        let job = plan.jobs.iter().find(|job| job.id.as_str() == "c").unwrap();
        let sluice_plan::Work::Call(call) = &job.work else { panic!("{main}") };
        let obstacle = call.obstacle.as_deref().unwrap_or_default();
        assert!(obstacle.contains(why), "{main}{obstacle}");
    }
}

#[test]
fn inputs_secrets_and_needs_are_told_as_a_whole() {
    let main = r#"on: push
jobs:
  c: { uses: ./flows/a.yml, with: { v: "1" }, secrets: { token: "${{ secrets.T }}" } }
  d: { runs-on: x }
  all: { needs: [c, d], if: always(), runs-on: x, env: { ALL: "${{ toJSON(needs) }}", C: "${{ toJSON(needs.c.outputs) }}", RESULTS: "${{ join(needs.*.result) }}" } }
"#;
    let called = r#"on: { workflow_call: { inputs: { v: { type: string }, n: { type: number, default: 2 } }, secrets: { token: {} }, outputs: { o: { value: "${{ jobs.a.outputs.o }}" } } } }
jobs:
  a: { runs-on: x, outputs: { o: "1" }, env: { ALL: "${{ toJSON(inputs) }}", ONE: "${{ inputs[vars.WHICH] }}", SECRETS: "${{ toJSON(secrets) }}" } }
"#;
    assert_snapshot!(jobs(&read_files(&[("main.yml", main), ("flows/a.yml", called)])));
}

#[test]
fn a_matrix_that_is_decided_late_is_that_of_the_called_job() {
    let main = r#"on: push
jobs:
  d: { runs-on: x, outputs: { list: "[]" } }
  c:
    needs: d
    strategy: { matrix: { to: "${{ fromJSON(needs.d.outputs.list) }}" } }
    uses: ./flows/a.yml
    with: { to: "${{ matrix.to }}" }
  after: { needs: c, runs-on: x, env: { O: "${{ needs.c.outputs.o }}" } }
"#;
    let called = r#"on: { workflow_call: { inputs: { to: { type: string } }, outputs: { o: { value: "${{ jobs.go.outputs.o }}" } } } }
jobs:
  go:
    runs-on: ${{ inputs.to }}
    outputs: { o: "${{ steps.s.outputs.o }}" }
    steps: [{ id: s, run: "echo ${{ inputs.to }} ${{ matrix.to }} ${{ strategy.job-total }}" }]
"#;
    assert_snapshot!(jobs(&read_files(&[("main.yml", main), ("flows/a.yml", called)])));
}

/// The calls of a plan that have to be known as a whole, one a line.
fn calls(read: &Read) -> String {
    let plan = read.workflow.as_ref().unwrap().plan().unwrap();
    let mut lines = String::new();
    for call in &plan.calls {
        let jobs: Vec<&str> = call.jobs.iter().map(|job| job.as_str()).collect();
        lines.push_str(&format!("{} of {jobs:?}\n", call.id));
        if let Some(group) = &call.concurrency {
            lines.push_str(&format!("  group {} {:?}\n", group.group.source(), group.cancel_in_progress));
        }
        if let Some(combination) = &call.combination {
            lines.push_str(&format!("  {}\n", serde_json::to_string(combination).unwrap()));
        }
    }
    lines
}

#[test]
fn a_matrix_of_calls_stands_in_the_plan_once_a_combination() {
    let main = r#"on: push
jobs:
  pick: { runs-on: x, outputs: { limit: "1" } }
  call:
    needs: pick
    strategy:
      fail-fast: false
      max-parallel: ${{ fromJSON(needs.pick.outputs.limit) }}
      matrix:
        to: [staging, production]
        place: [{ zone: a, ports: [80, 443] }]
        include: [{ to: production, extra: true }]
    concurrency: deploy-${{ matrix.to }}
    uses: ./flows/a.yml
    with: { version: "${{ matrix.to }}-${{ strategy.job-index }}", dry: "${{ matrix.extra != true }}", count: "${{ matrix.place.ports[1] }}" }
    secrets: { token: "${{ secrets[format('TOKEN_{0}', matrix.to)] }}" }
  after:
    needs: call
    runs-on: x
    steps: [{ run: "echo ${{ needs.call.outputs.digest }} ${{ needs.call.result }}" }]
"#;
    let called = format!(
        "concurrency: {{ group: \"a-${{{{ inputs.version }}}}\", cancel-in-progress: true }}\n{CALLED}"
    );
    let read = read_files(&[("main.yml", main), ("flows/a.yml", &called)]);
    assert_snapshot!(jobs(&read));
    assert_snapshot!(calls(&read));
}

#[test]
fn a_matrix_may_come_from_what_a_call_is_given() {
    let main = "on: push\njobs:\n  one:\n    name: To ${{ matrix.to }}\n    strategy: { matrix: { to: [x, y] } }\n    uses: ./flows/b.yml\n    with: { targets: '[\"${{ matrix.to }}1\", \"${{ matrix.to }}2\"]' }\n    secrets: inherit\n";
    let between = r#"on:
  workflow_call:
    inputs: { targets: { type: string } }
    outputs: { d: { value: "${{ jobs.two.outputs.digest }}" } }
concurrency: between
jobs:
  two:
    strategy: { matrix: { at: "${{ fromJSON(inputs.targets) }}" } }
    uses: ./flows/a.yml
    with: { version: "v${{ matrix.at }}" }
    secrets: inherit
"#;
    let read = read_files(&[("main.yml", main), ("flows/a.yml", CALLED), ("flows/b.yml", between)]);
    let plan = read.workflow.as_ref().unwrap().plan().unwrap();
    let names: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| format!("{}: {}", job.id, job.name.as_ref().map_or("-", |name| name.source())))
        .collect();
    assert_snapshot!(names.join("\n"));
    assert_snapshot!(calls(&read));
}

#[test]
fn what_is_called_is_limited() {
    let calls: String = (0..300).map(|n| format!("  c{n}: {{ uses: ./flows/a.yml }}\n")).collect();
    let main = format!("on: push\njobs:\n{calls}");
    let one = "on: { workflow_call: }\njobs:\n  a: { runs-on: x }\n";
    let read = read_files(&[("main.yml", &main), ("flows/a.yml", one)]);
    assert_snapshot!(written(&read));
    let jobs: String = (0..300).map(|n| format!("  c{n}: {{ runs-on: x }}\n")).collect();
    let many = format!("on: {{ workflow_call: }}\njobs:\n{jobs}");
    let read = read_files(&[("main.yml", &main), ("flows/a.yml", &many)]);
    assert_snapshot!(written(&read));
}

#[test]
fn a_file_of_the_own_repository_may_have_an_at_sign_in_its_name() {
    let call = |uses: &str| format!("on: {{ push: , workflow_call: }}\njobs:\n  a: {{ uses: {uses} }}\n");
    let leaf = "on: { workflow_call: }\njobs:\n  x: { runs-on: x, steps: [{ uses: acme/greet@v1 }] }\n";
    let own = ".github/workflows/ci@2.yml";
    let ask = |path: &str, text: &str| {
        let asked = std::cell::RefCell::new(Vec::new());
        let read = read(path, text, &|path| {
            asked.borrow_mut().push(path.to_owned());
            (path == ".github/workflows/leaf.yml").then(|| leaf.to_owned())
        });
        let actions: Vec<_> =
            read.workflow.iter().flat_map(|read| read.actions()).map(|action| action.to_string()).collect();
        let missing = read.workflow.map(|read| read.missing_calls()).unwrap_or_default();
        (asked.into_inner(), actions, missing)
    };
    let (asked, actions, missing) = ask(own, &call("./.github/workflows/leaf.yml"));
    assert_eq!(asked, [".github/workflows/leaf.yml"]);
    assert_eq!((actions, missing), (vec!["acme/greet@v1".to_owned()], vec![]));
    // What a workflow of another repository calls stands in that one, at the same ref.
    let other = "acme/flows/.github/workflows/a.yml@pkg@1.0";
    let (asked, _, missing) = ask(other, &call("./.github/workflows/leaf.yml"));
    assert_eq!(asked, ["acme/flows/.github/workflows/leaf.yml@pkg@1.0"]);
    assert_eq!(missing, asked);
}
