use sluice_wire::{CancelRequest, JobState, QueuedFor, RunDetail, RunState};

use crate::pages::Browser;
use crate::world::World;

/// A job that goes on until the file `go-NUMBER` is there, in a group that its pushes share.
fn workflow(world: &World, concurrency: &str, condition: &str) -> String {
    let folder = world.folder.path().display();
    format!(
        "name: Deploy\non: push\n{concurrency}jobs:\n  deploy:\n{condition}    runs-on: ubuntu-latest\n    steps:\n      \
         - run: 'until [ -e {folder}/go-${{{{ github.run_number }}}} ]; do sleep 0.02; done'\n"
    )
}

fn go(world: &World, number: u64) {
    std::fs::write(world.folder.path().join(format!("go-{number}")), "").unwrap();
}

async fn running(world: &World, number: u64) -> RunDetail {
    world.wait(number, "running", |run| run.jobs.iter().any(|job| job.state == JobState::Running)).await
}

async fn queued(world: &World, number: u64) -> QueuedFor {
    let run = world.wait(number, "queued", |run| run.run.state == RunState::Queued).await;
    run.run.queued[0].clone()
}

async fn page(world: &World, path: &str) -> String {
    Browser::sign_in(world).await.get(path).await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_group_take_turns_and_the_newest_waits() {
    let mut world = World::start().await;
    world.write(".github/workflows/deploy.yml", &workflow(&world, "concurrency: production\n", ""));
    world.push().await.unwrap();
    running(&world, 1).await;
    world.push().await.unwrap();
    let second = queued(&world, 2).await;
    assert_eq!(second.to_string(), "waits for the group `production`, which run 1 holds");
    world.push().await.unwrap();
    queued(&world, 3).await;
    let replaced = world.ended(2).await;
    assert_eq!(replaced.run.state, RunState::Cancelled);
    let why = "it waited for the group `production`, but run 3 came later, and only the latest waits";
    assert_eq!(replaced.run.problem.as_deref(), Some(why));
    let shown = page(&world, "/acme/shop/runs/3").await;
    assert!(shown.contains("This run waits for the group `production`, which run 1 holds"), "{shown}");
    go(&world, 1);
    go(&world, 3);
    assert_eq!(world.ended(1).await.run.state, RunState::Success);
    assert_eq!(world.ended(3).await.run.state, RunState::Success);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_in_progress_stops_the_run_before() {
    let mut world = World::start().await;
    let group =
        "concurrency: { group: '${{ github.workflow }}-${{ github.ref }}', cancel-in-progress: true }\n";
    world.write(".github/workflows/deploy.yml", &workflow(&world, group, ""));
    world.push().await.unwrap();
    running(&world, 1).await;
    world.push().await.unwrap();
    go(&world, 2);
    assert_eq!(world.ended(1).await.run.state, RunState::Cancelled);
    assert_eq!(world.ended(2).await.run.state, RunState::Success);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_queue_in_order_over_a_restart_and_a_cancelled_one_frees_its_place() {
    let mut world = World::start().await;
    let job = "    concurrency: { group: Prod, queue: max }\n";
    world.write(".github/workflows/deploy.yml", &workflow(&world, "", job));
    for number in 1..=4 {
        world.push().await.unwrap();
        match number {
            1 => drop(running(&world, 1).await),
            _ => drop(queued(&world, number).await),
        }
    }
    let waiting = queued(&world, 3).await;
    assert_eq!(waiting.to_string(), "waits for the group `Prod`, which `deploy` of run 1 holds");
    world.restart().await;
    running(&world, 1).await;
    world.admin.cancel(&world.repository, 2, &CancelRequest::default()).await.unwrap();
    assert_eq!(world.ended(2).await.run.state, RunState::Cancelled);
    let shown = page(&world, "/acme/shop/runs/4").await;
    assert!(shown.contains("waits for the group `Prod`, which `deploy` of run 1 holds"), "{shown}");
    go(&world, 1);
    running(&world, 3).await;
    assert_eq!(queued(&world, 4).await.holder.unwrap().run, 3);
    go(&world, 3);
    running(&world, 4).await;
    go(&world, 4);
    assert_eq!(world.ended(4).await.run.state, RunState::Success);
    world.end().await;
}
