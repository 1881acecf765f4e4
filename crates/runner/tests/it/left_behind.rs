use std::path::Path;

use sluice_runner::{ExecutorChoice, Runner, RunnerConfig};

use crate::world::{World, circle, circleci};

/// Processes of this machine whose command line holds `marker`.
fn processes_with(marker: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(marker)).count()
}

async fn until_gone(marker: &str) {
    let wait = async {
        while processes_with(marker) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.expect("processes were left behind");
}

#[tokio::test]
async fn no_process_survives_its_job() {
    for world in World::both().await {
        let marker = format!("86{:05}", std::process::id() % 100_000 + world.kind as u32);
        let script = format!(
            "setsid sleep {marker} & (trap '' TERM INT HUP; exec -a quiet bash -c 'sleep {marker}; :' &) ; sleep {marker} &"
        );
        // Plain `setsid` is not in the tiny image; a subshell that outlives its parent is enough there.
        let script = if world.kind == sluice_runner::ExecutorKind::Docker {
            script.replace("setsid ", "")
        } else {
            script
        };
        world.run(circleci(vec![circle(&script)])).await.succeeded();
        until_gone(&format!("sleep\0{marker}")).await;
    }
}

#[tokio::test]
async fn a_sweep_removes_what_the_dead_left_and_nothing_of_the_living() {
    let world = World::host().await;
    let live = world.data().join("runner/live");
    let dead = live.join("0000dead0000");
    std::fs::create_dir_all(dead.join("1/work")).unwrap();
    std::fs::write(dead.join("lock"), "").unwrap();
    let other =
        Runner::new(RunnerConfig { executor: ExecutorChoice::Host, ..RunnerConfig::new(world.data()) })
            .await
            .unwrap();
    let owner = std::fs::read_to_string(world.data().join("runner/owner")).unwrap();
    let marker = format!("{}/0000dead0000", owner.trim());
    let mut left =
        std::process::Command::new("sleep").arg("600").env("SLUICE_RUNNER_OWNER", marker).spawn().unwrap();
    let swept = other.sweep().await.unwrap();
    assert_eq!((swept.processes, swept.folders), (1, 1));
    assert!(!left.wait().unwrap().success());
    assert!(!dead.exists() && count(&live) == 2);
    assert_eq!(other.sweep().await.unwrap(), Default::default());
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}
