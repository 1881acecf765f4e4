use sluice_server::Server;
use sluice_wire::{JobState, RunState};

use crate::world::{World, git, options};

/// Waits for the file `go` beside the server's folder, so that a test says when it may end.
fn waiting_job(world: &World) -> String {
    let go = world.folder.path().join("go");
    format!(
        "on: push\njobs:\n  build:\n    runs-on: x\n    steps:\n      - run: |\n          echo begun\n          while [ ! -e {} ]; do sleep 0.05; done\n",
        go.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_restart_cut_off_runs_again() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", &waiting_job(&world));
    world.push().await.unwrap();
    world.wait(1, "running", |run| run.jobs.iter().any(|job| job.state == JobState::Running)).await;
    world.restart().await;
    let again = world.wait(1, "running again", |run| {
        run.jobs.iter().any(|job| job.state == JobState::Running && job.attempt == 2)
    });
    again.await;
    std::fs::write(world.folder.path().join("go"), "").unwrap();
    assert_eq!(world.ended(1).await.run.state, RunState::Success);
    assert!(world.log(1, "build").await.contains("begun"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_end_nobody_saw_gets_its_run_at_the_next_start() {
    let mut world = World::start().await;
    world.write(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{ run: echo hi }]\n",
    );
    world.push().await.unwrap();
    world.ended(1).await;
    world.end().await;
    // As a kill between the moved ref and its trigger leaves it.
    let tree = world.tree();
    git(&tree, &["commit", "--quiet", "--allow-empty", "-m", "Unseen"]).unwrap();
    let bare = world.folder.path().join("data/git/acme/shop.git");
    git(&tree, &["push", "--quiet", &bare.to_string_lossy(), "HEAD"]).unwrap();
    world.restart().await;
    let run = world.ended(2).await;
    assert_eq!((run.run.title.as_str(), run.run.actor.as_str()), ("Unseen", "admin"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_server_and_the_next_waits_for_one_that_ends() {
    let mut world = World::start().await;
    let refused = Server::start(options(world.folder.path())).await.err().unwrap();
    assert!(refused.to_string().contains("another server uses the data folder"), "{refused}");
    let (next, ()) = tokio::join!(Server::start(options(world.folder.path())), world.end());
    next.unwrap();
}
