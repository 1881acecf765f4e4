use sluice_wire::{JobState, RunState};

use crate::world::{World, git};

const CI: &str = "\
name: ci
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - uses: actions/checkout@v4
      - id: say
        run: |
          cat greeting.txt
          echo \"word=hello\" >> \"$GITHUB_OUTPUT\"
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - run: echo \"build said ${{ needs.build.outputs.word }}\"
";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_green_run_and_says_where_it_is() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", CI);
    world.write("greeting.txt", "good morning\n");
    let said = world.push().await.unwrap();
    let url = format!("{}/acme/shop/runs/1", world.url);
    assert!(said.contains(&format!("remote: Run 1 (ci): {url}")), "{said}");
    let run = world.ended(1).await;
    assert_eq!(run.run.state, RunState::Success, "{run:#?}\n{}", world.log(1, "build").await);
    assert!(world.log(1, "build").await.contains("good morning"));
    assert!(world.log(1, "test").await.contains("build said hello"));
    assert_eq!(run.run.actor.as_str(), "admin");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pipeline_file_has_a_failed_run_that_says_why() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", "on: push\njobs:\n  build:\n    steps: 7\n");
    let said = world.push().await.unwrap();
    assert!(said.contains("remote: Run 1 failed"), "{said}");
    let run = world.ended(1).await;
    assert_eq!(run.run.state, RunState::Failure);
    assert!(
        run.diagnostics.iter().any(|found| found.location.path == ".github/workflows/ci.yml"),
        "{run:#?}"
    );
    assert!(run.jobs.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_cancelled_and_rerun() {
    let mut world = World::start().await;
    let wait = "on: push\njobs:\n  build:\n    runs-on: x\n    steps:\n      - run: |\n          if [ -e go ]; then exit 0; fi\n          echo begun; sleep 600\n";
    world.write(".github/workflows/ci.yml", wait);
    world.push().await.unwrap();
    world.wait(1, "running", |run| run.jobs.iter().any(|job| job.state == JobState::Running)).await;
    world.admin.cancel(&world.repository, 1, &Default::default()).await.unwrap();
    assert_eq!(world.ended(1).await.run.state, RunState::Cancelled);
    world.admin.rerun(&world.repository, 1, &Default::default()).await.unwrap();
    let again = world
        .wait(1, "running again", |run| {
            run.run.attempt == 2 && run.jobs.iter().any(|job| job.state == JobState::Running)
        })
        .await;
    assert_eq!(again.jobs[0].attempt, 2);
    world.admin.cancel(&world.repository, 1, &Default::default()).await.unwrap();
    world.ended(1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commit_pushed_again_starts_nothing() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", CI);
    world.write("greeting.txt", "x\n");
    world.push().await.unwrap();
    world.ended(1).await;
    world.restart().await;
    assert_eq!(world.runs().await, [1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_holds_up_no_other_one() {
    let mut world = World::start().await;
    world.write(".github/workflows/broken.yml", "on: push\njobs:\n  build:\n    steps: 7\n");
    world.write(
        ".github/workflows/unsupported.yml",
        "on: push\njobs:\n  build:\n    runs-on: windows-latest\n    steps: [{ run: dir }]\n",
    );
    world.write(".github/workflows/ci.yml", CI);
    world.write("greeting.txt", "x\n");
    let said = world.push().await.unwrap();
    assert!(said.contains("Run 1 (ci)"), "{said}");
    assert_eq!(world.ended(1).await.run.state, RunState::Success);
    let unsupported = world.ended(2).await;
    assert_eq!(unsupported.run.file, ".github/workflows/unsupported.yml");
    assert!(unsupported.diagnostics[0].message.contains("windows-latest"), "{unsupported:#?}");
    let broken = world.ended(3).await;
    assert_eq!(
        (broken.run.file.as_str(), broken.run.state),
        (".github/workflows/broken.yml", RunState::Failure)
    );
    assert_eq!(world.runs().await, [3, 2, 1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_starts_nothing_says_why() {
    let mut world = World::start().await;
    world.write("greeting.txt", "x\n");
    let said = world.push().await.unwrap();
    assert!(said.contains("Nothing runs: the commit has no pipeline file"), "{said}");
    world.write(".github/workflows/ci.yml", &CI.replace("on: push", "on: { push: { branches: [other] } }"));
    let said = world.push().await.unwrap();
    assert!(said.contains("Does not run: ci: ") && said.contains("other"), "{said}");
    world.write(".github/workflows/ci.yml", CI);
    git(&world.tree(), &["commit", "--quiet", "--all", "-m", "Release 2\n\n[skip ci]"]).unwrap();
    let said = world.push_refs("HEAD").await.unwrap();
    assert!(said.contains("Does not run: ci: the commit's message says `[skip ci]`"), "{said}");
    assert!(world.runs().await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_too_many_refs_says_what_it_left_out() {
    let mut world = World::start().await;
    world.write("greeting.txt", "x\n");
    world.push().await.unwrap();
    let tree = world.tree();
    for number in 0..53 {
        git(&tree, &["branch", &format!("b{number}")]).unwrap();
    }
    let said = world.push_refs("--all").await.unwrap();
    assert!(said.contains("3 more refs start nothing"), "{said}");
    world.end().await;
}
