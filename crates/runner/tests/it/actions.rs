//! Actions that are not built in: of the workspace, of other repositories, images.

use sluice_model::Conclusion::{Failure, Success};
use sluice_plan::Step;
use sluice_wire::{JobOrder, SourceTree};

use crate::world::{Done, StepExt, World, github, repository_of, run, uses};

/// A job that checks out a repository of these files first; its own steps count from 2.
fn job_in(world: &World, files: &[(&str, &str)], mut steps: Vec<Step>) -> JobOrder {
    let folder = world.folder.path().join(format!("repository-{:x}", rand_number()));
    let sha = repository_of(&folder, files);
    steps.insert(0, uses("actions/checkout@v4", &[]));
    let mut order = github(steps);
    order.source = SourceTree::Bare { path: folder };
    order.trigger.sha = sha.parse().unwrap();
    order
}

fn rand_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What the steps' processes wrote, in order, without the runner's own words.
fn wrote(done: &Done) -> Vec<String> {
    let last = done.outcomes().iter().map(|(step, ..)| *step).max().unwrap_or(0);
    (1..=last).flat_map(|step| done.output(step).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The names that steps of the job began under.
fn names(done: &Done) -> Vec<String> {
    let name = |event: &sluice_wire::JobEvent| match event {
        sluice_wire::JobEvent::StepStarted { step, name, .. } if *step > 0 => Some(name.clone()),
        _ => None,
    };
    done.events.iter().filter_map(name).collect()
}

const GREET: &str = r#"
inputs:
  who: { default: "${{ github.actor }}" }
  old: { deprecationMessage: use who }
outputs:
  greeting: { value: "${{ steps.say.outputs.greeting }}" }
  absent: { value: "${{ steps.none.outputs.x }}" }
runs:
  using: composite
  steps:
    - id: say
      run: |
        echo "greeting=Hello ${{ inputs.who }}" >> "$GITHUB_OUTPUT"
        echo "said by ${GITHUB_ACTION_PATH##*/} ${{ github.action_path == env.GITHUB_ACTION_PATH }} $LEVEL [$INPUT_WHO]"
        echo "FROM_ACTION=yes" >> "$GITHUB_ENV"
        echo "LEVEL=changed" >> "$GITHUB_ENV"
        echo "/from/action" >> "$GITHUB_PATH"
      shell: bash
    - run: echo "$FROM_ACTION $LEVEL ${PATH%%:*} ${{ steps.say.outputs.greeting }}${{ steps.outer.outputs.x }}"
      shell: sh
      working-directory: ..
      env: { GITHUB_ACTION_PATH: x }
"#;

#[tokio::test]
async fn a_composite_action_has_inputs_steps_and_outputs_of_its_own() {
    for world in World::both().await {
        let steps = vec![
            run("echo x=1 >> $GITHUB_OUTPUT").id("outer"),
            uses("./.github/actions/greet", &[("who", "Ada"), ("odd", "1"), ("old", "1")])
                .id("greet")
                .env("LEVEL", "of the step"),
            run(
                "echo \"${{ steps.greet.outputs.greeting }}|${{ steps.greet.outputs.absent }}|${{ steps.say.outputs.greeting }}|$FROM_ACTION $LEVEL ${PATH%%:*}|${{ inputs.who }}\"",
            ),
            uses("./.github/actions/greet/", &[]),
        ];
        let done = world.run(job_in(&world, &[(".github/actions/greet/action.yml", GREET)], steps)).await;
        done.succeeded();
        let text = done.all();
        assert_eq!(
            wrote(&done)[..4],
            [
                "said by greet false of the step []",
                "yes changed /from/action Hello Ada",
                "Hello Ada||yes changed /from/action|",
                "said by greet false changed []",
            ]
            .map(|line| line.replacen("Hello Ada||yes", "Hello Ada|||yes", 1)),
            "{text}"
        );
        assert!(text.contains("Unexpected input(s) 'odd', valid inputs are ['who', 'old']"), "{text}");
        assert!(text.contains("Input 'old' has been deprecated with message: use who"), "{text}");
        assert!(text.contains("Hello ada"), "{text}");
    }
}

#[tokio::test]
async fn conditions_in_an_action_are_about_the_action() {
    let action = r#"
outputs: { status: { value: "${{ steps.soft.outcome }} ${{ steps.soft.conclusion }}" } }
runs:
  using: composite
  steps:
    - { run: "echo first ${{ job.status }}", shell: sh }
    - { id: soft, run: exit 3, shell: sh, continue-on-error: true }
    - { run: echo still, shell: sh }
    - { if: failure(), run: echo no failure yet, shell: sh }
    - { run: exit 4, shell: sh }
    - { run: echo never, shell: sh }
    - { if: "failure() && github.action_status == 'failure'", run: echo saw it, shell: sh }
    - { if: always(), run: "echo last ${{ job.status }}", shell: sh }
"#;
    let world = World::host().await;
    let steps = vec![
        run("exit 1").goes_on(),
        run("exit 9"),
        uses("./a", &[]).id("a").when("always()"),
        run("echo ${{ steps.a.outcome }} ${{ steps.a.outputs.status }}").when("always()"),
    ];
    let done = world.run(job_in(&world, &[("a/action.yaml", action)], steps)).await;
    assert_eq!(done.report.conclusion, Failure);
    let expect = ["first failure", "still", "saw it", "last failure", "failure failure success"];
    assert_eq!(wrote(&done), expect, "{}", done.all());
    // All of it is one step of the job.
    assert_eq!(done.outcomes().len(), 5);
}

#[tokio::test]
async fn actions_call_each_other_up_to_a_depth() {
    let calls = |next: &str| {
        format!(
            "runs: {{ using: composite, steps: [{{ uses: {next}, with: {{ a: b }} }}] }}\ninputs: {{ a: {{}} }}"
        )
    };
    let leaf = "runs: { using: composite, steps: [{ run: 'echo leaf ${{ inputs.a }}', shell: sh }] }\ninputs: { a: {} }";
    let world = World::host().await;
    let files: Vec<(String, String)> = (1..=10)
        .map(|n| {
            let text = if n == 10 { leaf.to_owned() } else { calls(&format!("./a{}", n + 1)) };
            (format!("a{n}/action.yml"), text)
        })
        .collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let eleven = calls("./a1");
    files.push(("a0/action.yml", &eleven));
    let done = world.run(job_in(&world, &files, vec![uses("./a1", &[])])).await;
    done.succeeded();
    assert_eq!(wrote(&done), ["leaf b"]);
    let done = world.run(job_in(&world, &files, vec![uses("./a0", &[])])).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(done.all().contains("Composite action depth exceeded max depth 10"), "{}", done.all());
    let itself = calls("./loop");
    let done = world.run(job_in(&world, &[("loop/action.yml", &itself)], vec![uses("./loop", &[])])).await;
    assert!(done.all().contains("Composite action depth exceeded max depth 10"), "{}", done.all());
}

#[tokio::test]
async fn an_action_that_is_not_there_or_wrong_is_named() {
    let world = World::host().await;
    let files = [("bad/action.yml", "runs: { using: composite, steps: [{ run: x }] }")];
    let done =
        world.run(job_in(&world, &files, vec![uses("./nowhere", &[]).goes_on(), uses("./bad", &[])])).await;
    let text = done.all();
    assert!(text.contains("Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under"), "{text}");
    assert!(text.contains("bad/action.yml:1:35: error[github/missing-property]"), "{text}");
    assert_eq!(done.report.conclusion, Failure);
}

#[tokio::test]
async fn a_step_with_a_timeout_bounds_its_action() {
    let slow = "runs: { using: composite, steps: [{ run: sleep 600, shell: sh }, { run: echo never, shell: sh }, \
                { if: always(), run: sleep 600, shell: sh }] }";
    let world = World::host().await;
    let mut step = uses("./slow", &[]);
    step.timeout_minutes = Some(sluice_plan::Late::Known(0.005));
    let done = world.run(job_in(&world, &[("slow/action.yml", slow)], vec![step])).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(wrote(&done).is_empty() && done.all().contains("timed out"), "{}", done.all());
}

const MAIN: &str = r#"
const fs = require('fs');
const out = (file, line) => fs.appendFileSync(process.env[file], line + '\n');
console.log('main', process.env.INPUT_WHO, process.env['INPUT_MANY_WORDS'], process.env.STATE_BEFORE || '-', process.cwd() === process.env.GITHUB_WORKSPACE);
out('GITHUB_OUTPUT', 'greeting=Hello ' + process.env.INPUT_WHO);
out('GITHUB_STATE', 'who=' + process.env.INPUT_WHO);
out('GITHUB_ENV', 'FROM_NODE=1');
console.log('::save-state name=old::way');
if (process.env.INPUT_WHO === 'fail') { console.log('::error::no'); process.exitCode = 1; }
"#;
const POST: &str = "console.log('post', process.env.INPUT_WHO, process.env.STATE_who, process.env.STATE_old, process.env.FROM_NODE, process.env.LATER || '-');";
const NODE: &str = r#"
name: Node
inputs: { who: { default: nobody }, "many words": { default: yes please } }
runs: { using: node20, main: dist/main.js, post: dist/post.js }
"#;

fn node_files() -> Vec<(&'static str, &'static str)> {
    let on_failure = "inputs: { who: { default: nobody } }\nruns: { using: node16, main: ../n/dist/main.js, post: ../n/dist/post.js, post-if: failure() }";
    let both = r#"
runs:
  using: composite
  steps:
    - { uses: ./n, with: { who: inner1 } }
    - { uses: ./n, with: { who: inner2 }, env: { LATER: own } }
"#;
    vec![
        ("n/action.yml", NODE),
        ("n/dist/main.js", MAIN),
        ("n/dist/post.js", POST),
        ("f/action.yml", on_failure),
        ("both/action.yml", both),
        ("pre/action.yml", "runs: { using: node20, pre: x.js, main: ../n/dist/main.js }"),
    ]
}

/// Node.js is this machine's own: a container of these tests has none.
fn has_node() -> bool {
    let found = std::process::Command::new("node").arg("--version").output().is_ok();
    if !found {
        println!("skipped: there is no node on this machine");
    }
    found
}

#[tokio::test]
async fn a_javascript_action_has_state_and_a_post_step() {
    if !has_node() {
        return;
    }
    let world = World::host().await;
    let steps = vec![
        uses("./n", &[("Who", "Ada")]).id("n"),
        uses("./both", &[]),
        uses("./f", &[]),
        uses("./pre", &[]),
        run("echo '${{ steps.n.outputs.greeting }}'; echo LATER=yes >> $GITHUB_ENV"),
    ];
    let done = world.run(job_in(&world, &node_files(), steps)).await;
    done.succeeded();
    assert_eq!(
        wrote(&done),
        [
            "main Ada yes please - true",
            "main inner1 yes please - true",
            "main inner2 yes please - true",
            "main nobody undefined - true",
            "main undefined undefined - true",
            "Hello Ada",
            "post inner2 inner2 way 1 own",
            "post inner1 inner1 way 1 yes",
            "post Ada Ada way 1 yes",
        ],
        "{}",
        done.all()
    );
    let names = names(&done);
    assert_eq!(names[6..], ["Post Run ./f", "Post Run ./both", "Post Run ./n"], "{names:?}");
    assert!(done.all().contains("`pre` execution is not supported for local action from './pre'"));
}

#[tokio::test]
async fn post_steps_follow_their_conditions_after_a_failure() {
    if !has_node() {
        return;
    }
    let world = World::host().await;
    let steps = vec![uses("./f", &[("who", "fail")]), uses("./n", &[]), uses("./n", &[]).when("always()")];
    let done = world.run(job_in(&world, &node_files(), steps)).await;
    assert_eq!(done.report.conclusion, Failure);
    assert_eq!(
        wrote(&done),
        [
            "main fail undefined - true",
            "##[error]no",
            "main nobody yes please - true",
            "post nobody nobody way 1 -",
            "post fail fail way 1 -"
        ],
        "{}",
        done.all()
    );
    assert_eq!(done.outcomes().last().map(|(_, outcome, _)| *outcome), Some(Success));
}

#[tokio::test]
async fn a_container_without_node_says_which_is_wanted() {
    let Some(world) = World::docker().await else { return };
    let done = world.run(job_in(&world, &node_files(), vec![uses("./n", &[])])).await;
    assert_eq!(done.report.conclusion, Failure);
    let text = done.all();
    assert!(text.contains("needs Node.js 20") && text.contains("the job's container"), "{text}");
}
