//! Action manifests: what is read, and what is said of one that is wrong.

use insta::assert_snapshot;
use sluice_dialect_github::{ActionRuns, DockerImage, read_action};
use sluice_plan::{Action, StepCondition};

fn manifest(text: &str) -> sluice_dialect_github::ActionManifest {
    let read = read_action("action.yml", text);
    assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
    read.manifest.unwrap()
}

fn findings(text: &str) -> String {
    let read = read_action("greet/action.yml", text);
    assert!(read.manifest.is_none());
    let lines = |diagnostic: &sluice_source::Diagnostic| {
        let help: String = diagnostic.help.iter().map(|help| format!("  help: {help}\n")).collect();
        format!("{diagnostic}\n{help}")
    };
    read.diagnostics.iter().map(lines).collect()
}

#[test]
fn a_composite_action() {
    let read = manifest(
        r#"
name: Greet
author: ada
branding: { icon: award, color: green }
inputs:
  Who: { description: whom, required: true, default: "${{ github.actor }}" }
  times: { default: 2, deprecationMessage: use count }
  plain: {}
outputs:
  greeting: { description: what was said, value: "${{ steps.say.outputs.greeting }}" }
runs:
  using: Composite
  steps:
    - id: say
      if: inputs.times > 0
      run: echo ${{ inputs.who }}
      shell: bash
      working-directory: sub
      continue-on-error: true
      env: { A: "${{ runner.temp }}" }
    - uses: actions/cache@v4
      with: { path: x, key: "${{ hashFiles('*.lock') }}" }
    - uses: ./nested
"#,
    );
    assert_eq!(read.name.as_deref(), Some("Greet"));
    let who = read.input("WHO").unwrap();
    assert!(who.required && who.default.as_ref().unwrap().source() == "${{ github.actor }}");
    let times = read.input("times").unwrap();
    assert_eq!(times.default.as_ref().and_then(|default| default.as_literal()), Some("2"));
    assert_eq!(times.deprecation_message.as_deref(), Some("use count"));
    assert!(!times.required && read.input("plain").unwrap().default.is_none());
    assert_eq!(read.outputs[0].name, "greeting");
    let ids: Vec<_> = read.steps().iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["say", "__actions_cache", "__self"]);
    let StepCondition::Expression(condition) = &read.steps()[0].condition else { panic!("a condition") };
    assert_eq!(condition.source(), "inputs.times > 0");
    let Action::Run(run) = &read.steps()[0].action else { panic!("a script") };
    assert_eq!(run.shell.as_ref().and_then(|shell| shell.as_literal()), Some("bash"));
    assert_eq!(read.steps()[1].at.line, 21);
}

#[test]
fn a_javascript_action() {
    let read = manifest(
        "runs: { using: NODE20, main: dist/index.js, pre: a.js, post: b.js, post-if: runner.os == 'Linux' }",
    );
    let ActionRuns::Node(node) = read.runs else { panic!("a JavaScript action") };
    assert_eq!((node.version, node.main.as_str()), (20, "dist/index.js"));
    let source = |staged: &sluice_dialect_github::Staged| match &staged.condition {
        StepCondition::Expression(expression) => expression.source().to_owned(),
        _ => unreachable!("conditions of actions are expressions"),
    };
    assert_eq!(source(&node.pre.unwrap()), "always()");
    // GitHub puts no `success() &&` before it.
    assert_eq!(source(&node.post.unwrap()), "always() && (runner.os == 'Linux')");
}

#[test]
fn a_docker_action() {
    let read = manifest(
        "runs: { using: docker, image: Dockerfile, args: ['--who=${{ inputs.who }}', 3], env: { A: '${{ inputs.a }}' }, \
         entrypoint: /main.sh, pre-entrypoint: /pre.sh, post-entrypoint: /post.sh, post-if: failure() }",
    );
    let ActionRuns::Docker(docker) = read.runs else { panic!("a Docker action") };
    assert_eq!(docker.image, DockerImage::Dockerfile("Dockerfile".to_owned()));
    assert_eq!(docker.args.unwrap()[1].as_literal(), Some("3"));
    assert_eq!((docker.env.len(), docker.pre.unwrap().entry.as_str()), (1, "/pre.sh"));
    let read = manifest("runs: { using: docker, image: 'docker://alpine:3' }");
    let ActionRuns::Docker(docker) = read.runs else { panic!("a Docker action") };
    assert_eq!(docker.image, DockerImage::Registry("alpine:3".to_owned()));
    assert!(docker.args.is_none());
}

#[test]
fn what_is_wrong_with_a_manifest() {
    let wrong = [
        "name: x\n",
        "runs: { main: index.js }\n",
        "runs: { using: node99, main: index.js }\n",
        "runs: { using: node20, pre: a.js }\n",
        "runs: { using: docker, image: alpine }\n",
        "runs: { using: composite, steps: [{ run: echo }, { run: echo, shell: bash, timeout-minutes: 3 }] }\n",
        "runs:\n  using: composite\n  steps:\n    - run: echo ${{ secrets.TOKEN }}\n      shell: bash\n",
        "runs: { using: composite, steps: [{ uses: nowhere }] }\n",
        "runs: { using: composite, steps: [{ if: needs.x, run: echo, shell: sh }] }\n",
        "inputs: { a: { default: '${{ inputs.b }}' } }\nruns: { using: node20, main: a.js }\n",
        "runs: { using: composite, steps: [{ id: a, run: x, shell: sh }, { id: a, run: x, shell: sh }] }\n",
        "",
    ];
    let told: String = wrong.iter().map(|text| format!("{text}{}\n", findings(text))).collect();
    assert_snapshot!(told);
}

#[test]
fn no_manifest_makes_the_reader_fail_otherwise_than_by_a_diagnostic() {
    let whole = "inputs: { a: { default: '${{ github.ref }}' } }\nruns: { using: composite, steps: [{ run: 'x', shell: sh }] }\n";
    for end in 0..whole.len() {
        read_action("action.yml", &whole[..end]);
    }
    let deep = format!("runs: {}", "[".repeat(100_000));
    assert!(read_action("action.yml", &deep).manifest.is_none());
    let many: String = (0..5000).map(|n| format!("    - {{ x{n}: 1 }}\n")).collect();
    assert_eq!(
        read_action("action.yml", &format!("runs:\n  using: composite\n  steps:\n{many}")).diagnostics.len(),
        100
    );
}
