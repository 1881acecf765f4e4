use sluice_dialect_circleci::{PipelineValues, Value};

use crate::support::{config, config_with, with_jobs};

fn compiled(text: &str) -> String {
    config(text).compile()
}

/// The compiled steps of the job `build`, out of what stands under `version: 2.1`.
fn steps(rest: &str) -> String {
    let text = compiled(&format!("version: 2.1\n{rest}"));
    let from = text.find("    steps:\n").map_or(text.len(), |at| at + "    steps:\n".len());
    let to = text.find("workflows:").unwrap_or(text.len());
    text[from..to]
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn everything_that_is_reused_is_expanded() {
    insta::assert_snapshot!(compiled(include_str!("everything.yml")));
}

#[test]
fn version_2_is_taken_as_it_stands() {
    insta::assert_snapshot!(compiled(
        "version: 2\njobs:\n  build:\n    machine: true\n    environment: {A: yes, B: 010, C: '1'}\n    steps:\n      - run: echo << parameters.x >>\n      - run: {name: n, command: 'cat <<EOF'}\n"
    ));
}

#[test]
fn values_keep_their_types_as_a_whole_and_become_text_within_text() {
    let rest = "
jobs:
  build:
    parameters:
      flag: {type: boolean, default: yes}
      count: {type: integer, default: 3}
      version: {type: string, default: '3.10'}
      nothing: {type: string, default: ''}
    parallelism: << parameters.count >>
    docker: [{image: 'python:<< parameters.version >>'}]
    environment: {V: << parameters.version >>, F: \"<<parameters.flag>>\", N: << parameters.nothing >>}
    steps:
      - run: echo << parameters.flag >> << parameters.count >>
";
    insta::assert_snapshot!(compiled(&format!("version: 2.1\n{rest}")));
}

#[test]
fn sections_and_escapes() {
    let rest = r"
jobs:
  build:
    parameters: {on: {type: boolean, default: true}, off: {type: boolean, default: false}}
    docker: [{image: i}]
    steps:
      - run: ls <<# parameters.on >>-a<</ parameters.on >><<# parameters.off >>-l<</ parameters.off >>
      - run: |
          a
          <<# parameters.on >>
          b
          <</ parameters.on >>
          cat \<<EOF
";
    assert_eq!(
        steps(rest),
        "- run:\n    command: ls -a\n- run:\n    command: |\n      a\n      b\n      cat <<EOF"
    );
}

#[test]
fn conditions_choose_steps() {
    let rest = "
parameters: {branch: {type: string, default: main}}
jobs:
  build:
    docker: [{image: i}]
    steps:
      - when: {condition: {equal: [main, << pipeline.parameters.branch >>]}, steps: [run: equal]}
      - unless: {condition: {equal: [1, '1']}, steps: [run: types differ]}
      - when: {condition: {and: [true, {not: ''}, {or: [0, x]}]}, steps: [run: logic]}
      - when: {condition: {matches: {pattern: '^ma(?!x).*$', value: << pipeline.git.branch >>}}, steps: [run: matches]}
      - when: {condition: << pipeline.git.tag >>, steps: [run: no tag]}
";
    let expected =
        ["equal", "types differ", "logic", "matches"].map(|word| format!("- run:\n    command: {word}"));
    assert_eq!(steps(rest), expected.join("\n"));
}

#[test]
fn steps_passed_to_a_command_belong_to_who_passes_them() {
    let rest = "
orbs:
  o:
    commands:
      wrap:
        parameters: {inner: {type: steps, default: [run: default]}}
        steps:
          - run: before
          - steps: << parameters.inner >>
          - local
      local: {steps: [run: of the orb]}
commands:
  local: {parameters: {x: {type: string}}, steps: [run: 'of the config << parameters.x >>']}
jobs:
  build:
    docker: [{image: i}]
    steps:
      - o/wrap: {inner: [{local: {x: \"1\"}}]}
      - o/wrap
";
    let commands = ["before", "of the config 1", "of the orb", "before", "default", "of the orb"];
    assert_eq!(steps(rest), commands.map(|word| format!("- run:\n    command: {word}")).join("\n"));
}

#[test]
fn a_command_may_bear_the_name_of_a_built_in_step() {
    let rest = "
commands:
  checkout: {steps: [checkout: {path: src}, run: git submodule update]}
jobs: {build: {docker: [{image: i}], steps: [checkout]}}
";
    assert_eq!(steps(rest), "- checkout:\n    path: src\n- run:\n    command: git submodule update");
}

#[test]
fn a_registry_orb_is_read_from_its_local_copy() {
    let text = "
version: 2.1
parameters: {tools: {type: string, default: 1.2.3}}
orbs: {tools: acme/tools@<< pipeline.parameters.tools >>}
executors: {mine: {machine: {image: ubuntu}}}
workflows:
  main:
    jobs:
      - tools/check
      - tools/check: {name: own, executor: mine, after: [tools/greet: {to: me}]}
      - tools/check: {name: other, executor: {name: tools/default, tag: edge}, pre-steps: [checkout]}
";
    insta::assert_snapshot!(compiled(text));
}

#[test]
fn a_jobs_own_keys_win_over_its_executors() {
    let text = "
version: 2.1
executors:
  e:
    docker: [{image: of-executor}]
    shell: /bin/sh
    working_directory: ~/e
    environment: {A: executor, B: executor}
jobs:
  build:
    executor: e
    machine: {image: ubuntu}
    working_directory: ~/j
    environment: {B: job, C: job}
    steps: [checkout]
";
    insta::assert_snapshot!(compiled(text));
}

#[test]
fn a_matrix_is_expanded_by_the_names_of_its_parameters() {
    let text = "
version: 2.1
jobs:
  test:
    parameters: {version: {type: string}, os: {type: executor}, flag: {type: boolean, default: false}}
    executor: << parameters.os >>
    steps: [run: 'test << parameters.version >> << parameters.flag >>']
  deploy: {docker: [{image: i}], steps: [checkout]}
executors: {linux: {docker: [{image: l}]}, vm: {machine: true}}
workflows:
  main:
    jobs:
      - test:
          matrix:
            alias: all
            parameters: {version: ['3.9', '3.10'], os: [linux, vm]}
            exclude: [{os: vm, version: '3.9'}]
      - test:
          name: named-<< matrix.version >>
          os: linux
          flag: true
          matrix: {parameters: {version: ['1', '2']}}
          requires: [all]
      - deploy: {requires: [named-1, test-linux-3.9: failed]}
";
    insta::assert_snapshot!(compiled(text));
}

#[test]
fn different_jobs_of_one_name_are_numbered() {
    let text = "
version: 2.1
jobs:
  say: {parameters: {what: {type: string, default: hi}}, docker: [{image: i}], steps: [run: 'echo << parameters.what >>']}
  same: {docker: [{image: i}], steps: [checkout]}
workflows:
  one: {jobs: [say, same, say: {what: bye, requires: [same]}]}
  two: {jobs: [same, say: {what: bye}]}
";
    insta::assert_snapshot!(compiled(text));
}

#[test]
fn workflows_are_switched_by_pipeline_values() {
    let text = with_jobs(
        "
parameters: {deploy: {type: boolean, default: false}, to: {type: enum, enum: [dev, prod], default: dev}}
workflows:
  on: {when: << pipeline.parameters.deploy >>, jobs: [a]}
  off: {unless: << pipeline.parameters.deploy >>, jobs: [b]}
  line: {when: 'pipeline.parameters.to == \"prod\" and pipeline.number > 6', jobs: [c]}
",
    );
    let names = |values: &PipelineValues| {
        let config = config_with(&text, values);
        let on = config.workflows().iter().filter(|workflow| workflow.off_reason().is_none());
        on.map(|workflow| workflow.name().to_owned()).collect::<Vec<_>>()
    };
    let mut values = PipelineValues::default();
    assert_eq!(names(&values), ["off"]);
    values.set_parameter("deploy", "true");
    values.set_parameter("to", "prod");
    values.set("number", Value::Number(7));
    assert_eq!(names(&values), ["on", "line"]);
}
