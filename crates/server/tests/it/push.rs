use sluice_wire::{JobState, RunState};

use crate::world::World;

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
