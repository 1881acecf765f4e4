//! Actions that are not built in: of the workspace, of other repositories, images.

use std::time::Duration;

use sluice_model::Conclusion::{Failure, Success};
use sluice_plan::{ActionLock, Step};
use sluice_wire::{JobOrder, SourceTree};

use crate::world::{
    Done, StepExt, TINY, World, git, github, repository_of, run, secret, steps_of, template, uses,
};

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
    let odd = "runs: { using: composite, steps: [{ uses: actions/checkout@v4, with: { ssh-key: x } }] }";
    let files =
        [("bad/action.yml", "runs: { using: composite, steps: [{ run: x }] }"), ("odd/action.yml", odd)];
    let done = world
        .run(job_in(
            &world,
            &files,
            vec![uses("./nowhere", &[]).goes_on(), uses("./odd", &[]).goes_on(), uses("./bad", &[])],
        ))
        .await;
    let text = done.all();
    assert!(text.contains("Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under"), "{text}");
    assert!(text.contains("the input `ssh-key` of `actions/checkout@v4` is not supported yet"), "{text}");
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

/// A repository in the mirror, its commit tagged `v1` by an object of its own.
fn mirror(world: &World, name: &str, files: &[(&str, &str)]) -> String {
    let folder = world.folder.path().join("mirror").join(name);
    let sha = repository_of(&folder, files);
    git(&folder, &["tag", "-a", "-m", "one", "v1"]);
    sha
}

const INNER: &str = "runs: { using: composite, steps: [{ run: 'echo inner ${GITHUB_ACTION_PATH##*/} $(cat $GITHUB_ACTION_PATH/data)', shell: sh }] }";
const OUTER: &str = r#"
inputs: { who: { default: nobody } }
runs:
  using: composite
  steps:
    - run: echo "outer ${{ inputs.who }} ${GITHUB_ACTION_PATH#*/_actions/} [${{ github.action_repository }}] [$GITHUB_ACTION_REF]"
      shell: sh
    - uses: acme/inner/deep@feature/x
"#;

#[tokio::test]
async fn actions_of_other_repositories_are_downloaded_before_the_first_step() {
    for world in World::both().await {
        let outer = mirror(&world, "Acme/Outer", &[("action.yml", OUTER)]);
        mirror(&world, "acme/inner.git", &[("deep/action.yaml", INNER), ("deep/data", "data")]);
        git(&world.folder.path().join("mirror/acme/inner.git"), &["checkout", "-q", "-b", "feature/x"]);
        let steps = vec![uses("acme/outer@v1", &[("who", "Ada")]), uses(&format!("acme/outer@{outer}"), &[])];
        let done = world.run(job_in(&world, &[("x", "x")], steps)).await;
        done.succeeded();
        let lines = wrote(&done);
        assert_eq!(lines[0], "outer Ada acme/outer/v1 [] []", "{}", done.all());
        assert_eq!(lines[1], "inner deep data");
        assert_eq!(lines[2], format!("outer nobody acme/outer/{outer} [] []"));
        let told = format!("Download action repository 'acme/outer@v1' (SHA:{outer})");
        let set_up = done.events.iter().position(|event| format!("{event:?}").contains(&told)).unwrap();
        let first = |event: &sluice_wire::JobEvent| {
            matches!(event, sluice_wire::JobEvent::StepStarted { step: 1, .. })
        };
        assert!(set_up < done.events.iter().position(first).unwrap());
    }
}

#[tokio::test]
async fn an_action_that_cannot_be_had_fails_the_set_up() {
    let world = World::host().await;
    mirror(&world, "acme/greet", &[("action.yml", INNER)]);
    for (action, part) in [
        ("acme/absent@v1", "--actions-mirror looks for `acme/absent@v1`"),
        ("acme/greet@v2", "Unable to resolve `acme/greet@v2`"),
        (
            "acme/greet/sub@v1",
            "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action 'acme/greet/sub@v1'",
        ),
        (
            "acme/greet@0123456789012345678901234567890123456789",
            "0123456789012345678901234567890123456789 is not to be had",
        ),
    ] {
        let done = world.run(github(vec![run("echo never"), uses(action, &[])])).await;
        assert_eq!(done.report.conclusion, Failure);
        assert!(done.report.problem.as_ref().is_some_and(|problem| problem.contains(part)), "{}", done.all());
        assert!(wrote(&done).is_empty());
    }
}

#[tokio::test]
async fn the_lock_says_which_commit_runs() {
    let world = World::host().await;
    let say =
        |text: &str| format!("runs: {{ using: composite, steps: [{{ run: echo {text}, shell: sh }}] }}");
    let old = mirror(&world, "acme/greet", &[("action.yml", &say("old"))]);
    let folder = world.folder.path().join("mirror/acme/greet");
    std::fs::write(folder.join("action.yml"), say("new")).unwrap();
    git(&folder, &["commit", "-q", "-am", "second"]);
    git(&folder, &["tag", "-f", "-a", "-m", "moved", "v1"]);
    let mut order = github(vec![uses("acme/greet@v1", &[])]);
    secret(&mut order, "TOKEN", "s3cret-value");
    let done = world.run(order.clone()).await;
    assert_eq!(wrote(&done), ["new"]);
    assert!(done.all().contains("`acme/greet@v1` is not pinned, and this job has secrets"), "{}", done.all());
    order.lock = Some(ActionLock::parse(&format!("acme/greet@v1 {old}")).unwrap());
    let done = world.run(order.clone()).await;
    assert_eq!(wrote(&done), ["old"]);
    assert!(!done.all().contains("not pinned"));
    order.lock = Some(ActionLock::default());
    let done = world.run(order).await;
    assert!(
        done.report.problem.unwrap().contains("`acme/greet@v1` is not in sluice.lock: `sluice lock` adds")
    );
}

#[tokio::test]
async fn pre_steps_of_downloaded_actions_come_first() {
    if !has_node() {
        return;
    }
    let world = World::host().await;
    let script = |stage: &str| {
        format!(
            "const fs = require('fs'); console.log('{stage}', process.env.INPUT_WHO, process.env.STATE_seen || '-', process.env.GITHUB_ACTION_REPOSITORY);\n\
             fs.appendFileSync(process.env.GITHUB_STATE, 'seen=' + (process.env.STATE_seen || '') + '{stage}+\\n');"
        )
    };
    let (pre, main, post) = (script("pre"), script("main"), script("post"));
    let action = "inputs: { who: {} }\nruns: { using: node20, pre: pre.js, main: main.js, post: post.js }";
    let never = "runs: { using: node20, pre: pre.js, pre-if: failure(), main: main.js }";
    let both = "runs: { using: composite, steps: [{ uses: acme/node@v1, with: { who: nested } }] }";
    let files = [
        ("action.yml", action),
        ("pre.js", pre.as_str()),
        ("main.js", &main),
        ("post.js", &post),
        ("n/action.yml", never),
        ("n/main.js", "console.log('no pre')"),
        ("both/action.yml", both),
    ];
    mirror(&world, "acme/node", &files);
    let steps = vec![
        run("echo first"),
        uses("acme/node@v1", &[("who", "Ada")]),
        uses("acme/node@v1", &[("who", "left out")]).when("false"),
        uses("acme/node/n@v1", &[]),
        uses("acme/node/both@v1", &[]),
    ];
    let done = world.run(github(steps)).await;
    done.succeeded();
    let seen: Vec<String> = done
        .events
        .iter()
        .filter_map(|event| match event {
            sluice_wire::JobEvent::Output { stream: sluice_wire::Stream::Stdout, text, .. } => {
                Some(text.trim().to_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        seen,
        [
            "pre Ada - acme/node",
            "pre left out - acme/node",
            "pre nested - acme/node",
            "first",
            "main Ada pre+ acme/node",
            "no pre",
            "main nested pre+ acme/node",
            "post nested pre+main+ acme/node",
            "post left out pre+ acme/node",
            "post Ada pre+main+ acme/node",
        ],
        "{}",
        done.all()
    );
    assert_eq!(names(&done)[..2], ["Pre Run acme/node@v1", "Pre Run acme/node@v1"]);
}

const DOCKERFILE: &str = "FROM sluice-test/tiny:perl\nCOPY main.sh post.sh /\nRUN chmod 755 /post.sh\nENTRYPOINT [\"/bin/sh\", \"/main.sh\"]\n";
const SCRIPT: &str = r#"
echo "$# $1 $2 [$INPUT_WHO] [$OF_ACTION] $PWD $HOME $GITHUB_WORKSPACE [$FROM_IMAGE] [$STATE_who]"
cat hello.txt
echo "greeting=from docker" >> "$GITHUB_OUTPUT"
echo "who=$INPUT_WHO" >> "$GITHUB_STATE"
echo made > made.txt
echo home > "$HOME/h"
test -f "$GITHUB_EVENT_PATH" && echo "::warning::event is there"
exit "${INPUT_CODE:-0}"
"#;

#[tokio::test]
async fn a_docker_action_is_built_and_sees_the_workspace() {
    let Some(world) = World::docker().await else { return };
    let action = r#"
inputs: { who: { default: nobody }, code: {} }
runs:
  using: docker
  image: build/Dockerfile
  args: ["--who=${{ inputs.who }}", "two words"]
  env: { OF_ACTION: "of ${{ inputs.who }}", FROM_IMAGE: no }
  post-entrypoint: /post.sh
  post-if: success()
"#;
    let files = [
        ("d/action.yml", action),
        ("d/build/Dockerfile", DOCKERFILE),
        ("d/build/main.sh", SCRIPT),
        ("d/build/post.sh", "#!/bin/sh\necho \"post $# [$STATE_who] $(cat made.txt)\"\n"),
        ("hello.txt", "hello\n"),
        (
            "bare/Dockerfile",
            "FROM sluice-test/tiny:perl\nENTRYPOINT [\"/bin/bash\", \"-c\", \"echo bare\"]\n",
        ),
    ];
    let steps = vec![
        uses("./d", &[("who", "Ada")]).id("d"),
        run("echo '${{ steps.d.outputs.greeting }}'; cat made.txt"),
        uses("./bare", &[]),
        uses(
            "docker://sluice-test/tiny:perl",
            &[("entrypoint", "/bin/bash"), ("args", "-c \"echo image $INPUT_ARGS\"")],
        ),
        uses("./d", &[("code", "3")]).goes_on(),
    ];
    let mut order = job_in(&world, &files, steps);
    // On the host, and in a container of its own below.
    steps_of(&mut order).executor =
        sluice_plan::Executor::Labels { labels: vec![template("self-hosted")], group: None, container: None };
    let mut inside = order.clone();
    let container = sluice_plan::Container::of_image(template(TINY));
    steps_of(&mut inside).executor = sluice_plan::Executor::Labels {
        labels: vec![template("x")],
        group: None,
        container: Some(container),
    };
    for order in [order, inside] {
        let done = world.run(order).await;
        done.succeeded();
        let lines = wrote(&done);
        assert_eq!(
            lines[..7],
            [
                "2 --who=Ada two words [Ada] [of Ada] /github/workspace /github/home /github/workspace [no] []",
                "hello",
                "##[warning]event is there",
                "from docker",
                "made",
                "bare",
                "image -c \"echo image $INPUT_ARGS\""
            ],
            "{}",
            done.all()
        );
        let outcomes = done.outcomes();
        assert_eq!((outcomes[5].1, outcomes[5].2), (Failure, Success), "{}", done.all());
        assert_eq!(lines[lines.len() - 2..], ["post 2 [nobody] made", "post 2 [Ada] made"], "{}", done.all());
        // Nothing is left of the containers.
        let engine = sluice_docker::Engine::connect().await.unwrap();
        let owner = std::fs::read_to_string(world.data().join("runner/owner")).unwrap();
        let left = engine.list_containers(&sluice_docker::Labels::of_owner(owner.trim())).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn the_image_of_a_docker_action_is_built_once_and_removed_by_its_data_folder() {
    let Some(world) = World::docker().await else { return };
    let engine = sluice_docker::Engine::connect().await.unwrap();
    let own =
        format!("FROM sluice-test/tiny:perl\nENV OWN={}\nENTRYPOINT [\"/bin/pwd\"]\n", std::process::id());
    let files = [("own/Dockerfile", own.as_str())];
    let done = world.run(job_in(&world, &files, vec![uses("./own", &[]), uses("./own", &[])])).await;
    done.succeeded();
    assert_eq!(done.all().matches("Building docker image").count(), 1);
    let others = tempfile::tempdir().unwrap();
    let owner = std::fs::read_to_string(world.data().join("runner/owner")).unwrap();
    let ours = async || {
        let found = engine.list_images("sluice-action").await.unwrap();
        let ours = found.into_iter().filter(|image| image.labels.get("sluice.owner") == Some(owner.trim()));
        ours.map(|image| image.id).collect::<Vec<_>>()
    };
    let before = ours().await;
    assert_eq!(before.len(), 1);
    let by_others = sluice_runner::remove_action_images(others.path(), &engine).await.unwrap();
    assert!(!by_others.contains(&before[0]) && ours().await == before);
    // Used just now, and later not for a while.
    let unused = async |unused_for| {
        sluice_runner::remove_unused_action_images(&world.data(), &engine, unused_for).await.unwrap()
    };
    assert!(unused(Duration::from_secs(3600)).await.is_empty() && ours().await == before);
    let others_unused =
        sluice_runner::remove_unused_action_images(others.path(), &engine, Duration::ZERO).await;
    assert!(others_unused.unwrap().is_empty());
    assert_eq!(unused(Duration::ZERO).await, before);
    world.run(job_in(&world, &files, vec![uses("./own", &[])])).await.succeeded();
    let removed = sluice_runner::remove_action_images(&world.data(), &engine).await.unwrap();
    assert!(removed.contains(&before[0]) && ours().await.is_empty(), "{removed:?}");
}

/// Asks the API of caches as the toolkit does, and tells what it was started as.
const ASK_FOR_CACHE: &str = r#"#!/bin/bash
port=${ACTIONS_RESULTS_URL##*:}
exec 3<>"/dev/tcp/127.0.0.1/${port%/}"
body='{"key":"none","version":"v"}'
printf 'POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
  /twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL "$ACTIONS_RUNTIME_TOKEN" "${#body}" "$body" >&3
read -r status <&3
echo "${status%$'\r'} as $$ of $(id -un): $*"
"#;

#[tokio::test]
async fn a_docker_action_reaches_the_runtime_apis() {
    let Some(world) = World::docker().await else { return };
    let dockerfile = "FROM sluice-test/tiny:perl\nCOPY ask.sh /ask.sh\nRUN [\"/bin/chmod\", \"755\", \"/ask.sh\"]\n\
                      USER dev\nENTRYPOINT [\"/ask.sh\", \"own\"]\nCMD [\"command\"]\n";
    let files = [("ask/Dockerfile", dockerfile), ("ask/ask.sh", ASK_FOR_CACHE)];
    let steps = vec![
        uses("./ask", &[]),
        uses("./ask", &[("args", "one two")]),
        uses("./ask", &[("entrypoint", "/ask.sh")]),
    ];
    let mut on_host = job_in(&world, &files, steps);
    let executor = |container| sluice_plan::Executor::Labels {
        labels: vec![template("self-hosted")],
        group: None,
        container,
    };
    steps_of(&mut on_host).executor = executor(None);
    let mut inside = on_host.clone();
    steps_of(&mut inside).executor = executor(Some(sluice_plan::Container::of_image(template(TINY))));
    for order in [on_host, inside] {
        let done = world.run(order).await;
        done.succeeded();
        let asked = "HTTP/1.1 200 OK as 1 of dev:";
        let want = [format!("{asked} own command"), format!("{asked} own one two"), asked.to_owned()];
        let said: Vec<String> = wrote(&done).iter().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(said, want, "{}", done.all());
    }
}

#[tokio::test]
async fn a_docker_action_is_stopped_by_its_timeout() {
    let Some(world) = World::docker().await else { return };
    let mut slow = uses(
        "docker://sluice-test/tiny:perl",
        &[("entrypoint", "/bin/bash"), ("args", "-c \"echo on; sleep 600\"")],
    );
    slow.timeout_minutes = Some(sluice_plan::Late::Known(0.02));
    let mut order = github(vec![slow]);
    steps_of(&mut order).executor =
        sluice_plan::Executor::Labels { labels: vec![template("self-hosted")], group: None, container: None };
    let done = world.run(order).await;
    assert_eq!(done.report.conclusion, Failure);
    assert_eq!(wrote(&done), ["on"]);
    assert!(done.all().contains("timed out"), "{}", done.all());
}

#[tokio::test]
async fn a_docker_action_without_an_engine_fails_its_step() {
    let world = World::host().await;
    let done = world.run(github(vec![uses("docker://alpine:3", &[]).goes_on(), run("echo on")])).await;
    done.succeeded();
    assert_eq!(done.outcomes()[0].1, Failure);
    assert!(
        done.all().contains("a Docker action needs a container engine, and none is used here"),
        "{}",
        done.all()
    );
}
