use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::world::{Load, World, example, says, until};

/// The server is killed at every step that a rollout tells of: a repeat ends in the same state, with nothing started
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_is_dropped_anywhere_is_completed_by_a_repeat() {
    let mut world = World::on_host();
    let (_, route) = world.deploy(&world.release("0", "0.0")).await;
    let load = Load::on(route);
    let mut previous = 0;
    for number in 1..20 {
        let version = format!("{number}.0");
        let spec = world.release(&version, &version);
        let mut steps = 0;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut stop = Some(stop);
        let outcome = tokio::select! {
            biased;
            _ = stopped => None,
            outcome = world.deployer.rollout(&spec, |_| {
                steps += 1;
                if steps == number {
                    drop(stop.take());
                }
            }) => Some(outcome),
        };
        world.reopen();
        world.deploy(&spec).await;
        assert_eq!(says(route, "/").await, version);
        // Live and kept; what is being stopped may take a moment.
        until("two instances run", async || world.processes().len() == 2).await;
        previous = steps;
        if outcome.is_some_and(|outcome| outcome.is_ok()) {
            break;
        }
    }
    assert!((5..19).contains(&previous), "{previous} steps");
    load.end_without_failures().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_is_killed_is_completed_by_a_repeat() {
    let mut world = World::on_host();
    let (_, route) = world.deploy(&world.release("0", "0.0")).await;
    let load = Load::on(route);
    // Twelve moments over what a rollout takes.
    for moment in 0..12u64 {
        let version = format!("{}.0", moment + 1);
        let spec = world.release(&version, &version);
        let file = world.folder.path().join("spec.json");
        fs::write(&file, serde_json::to_vec(&spec).unwrap()).unwrap();
        let mut process = tokio::process::Command::new(example("deploy_process"))
            .arg("rollout")
            .arg(world.folder.path().join("deploy"))
            .arg(world.folder.path().join("catalog"))
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is what is tested; nothing is waited for.
        let _ = tokio::time::timeout(Duration::from_millis(moment * 12), process.wait()).await;
        let _ = process.kill().await;
        world.reopen();
        world.deploy(&spec).await;
        assert_eq!(says(route, "/").await, version);
        until("two instances run", async || world.processes().len() == 2).await;
    }
    load.end_without_failures().await;
}
