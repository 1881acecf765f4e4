//! The runner is killed with SIGKILL, which it cannot answer: nothing of its job lives on.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sluice_docker::{Engine, Labels};
use sluice_runner::{ExecutorChoice, Runner, RunnerConfig};

use crate::engine::left;
use crate::world::{TINY, World, circle, circleci};

/// Runs in a process of its own, which `kill_runner` kills.
#[tokio::test]
async fn child_that_runs_a_job() {
    let Some(folder) = std::env::var_os("SLUICE_TEST_KILLED_FOLDER") else { return };
    let folder = Path::new(&folder);
    let executor = match std::env::var("SLUICE_TEST_KILLED_EXECUTOR").as_deref() {
        Ok("docker") => ExecutorChoice::Docker,
        _ => ExecutorChoice::Host,
    };
    let marker = std::env::var("SLUICE_TEST_KILLED_MARKER").unwrap();
    let runner = Runner::new(RunnerConfig { executor, ..RunnerConfig::new(folder) }).await.unwrap();
    let first = std::env::var("SLUICE_TEST_KILLED_FIRST").unwrap_or_default();
    let script = format!("{first}\ntrap '' TERM INT; sleep {marker} & echo started; sleep {marker}");
    let order = circleci(vec![circle(&script)]);
    let (events, mut seen) = tokio::sync::mpsc::channel(16);
    let started = folder.join("started");
    tokio::spawn(async move {
        while let Some(event) = seen.recv().await {
            if format!("{event:?}").contains("text: \"started") {
                std::fs::write(&started, "").unwrap();
            }
        }
    });
    runner.run(order, events, Default::default()).await;
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

fn is_running(marker: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.any(|command| {
        command.windows(marker.len()).any(|part| part == marker.as_bytes()) && command.starts_with(b"sleep")
    })
}

/// `first` is a script that the step begins with.
async fn kill_runner(executor: &str, marker: &str, first: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child_that_runs_a_job"])
        .env("SLUICE_TEST_KILLED_FOLDER", folder.path())
        .env("SLUICE_TEST_KILLED_EXECUTOR", executor)
        .env("SLUICE_TEST_KILLED_MARKER", marker)
        .env("SLUICE_TEST_KILLED_FIRST", first)
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the job starts", async || folder.path().join("started").exists()).await;
    // The step says that it started before it has.
    until("the process of its step runs", async || is_running(marker)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    until("its processes end", async || !is_running(marker)).await;
    folder
}

#[tokio::test]
async fn on_the_host_no_process_survives_and_the_next_start_removes_the_folder() {
    let folder = kill_runner("host", &format!("77{}", std::process::id()), "").await;
    let config = RunnerConfig { executor: ExecutorChoice::Host, ..RunnerConfig::new(folder.path()) };
    let next = Runner::new(config).await.unwrap();
    assert_eq!(next.sweep().await.unwrap().folders, 1);
    assert_eq!(std::fs::read_dir(folder.path().join("runner/live")).unwrap().count(), 1);
}

#[tokio::test]
async fn in_docker_the_container_goes_too() {
    if World::docker().await.is_none() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    assert!(engine.inspect_image(TINY).await.unwrap().is_some());
    let folder = kill_runner("docker", &format!("78{}", std::process::id()), "").await;
    let owner = std::fs::read_to_string(folder.path().join("runner/owner")).unwrap();
    let labels = Labels::of_owner(owner.trim());
    until("the container is removed", async || engine.list_containers(&labels).await.unwrap().is_empty())
        .await;
}

/// The runner on the host asks no engine by itself: a note tells the next one where to look.
#[tokio::test]
async fn what_a_step_made_at_the_engine_goes_at_the_next_start() {
    if World::docker().await.is_none() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let marker = format!("79{}", std::process::id());
    let first = format!(
        "docker network create sluice-test-{marker}; \
         docker run --detach --network sluice-test-{marker} --volume sluice-test-{marker}:/data {TINY} /bin/sleep 600"
    );
    let folder = kill_runner("host", &marker, &first).await;
    assert_eq!(left(folder.path(), &engine).await, (1, 1, 1));
    let config = RunnerConfig { executor: ExecutorChoice::Host, ..RunnerConfig::new(folder.path()) };
    let next = Runner::new(config).await.unwrap();
    let swept = next.sweep().await.unwrap();
    assert_eq!((swept.containers, swept.networks, swept.volumes, swept.folders), (1, 1, 1, 1));
    assert_eq!(left(folder.path(), &engine).await, (0, 0, 0));
    assert_eq!(std::fs::read_dir(folder.path().join("runner/engines")).unwrap().count(), 0);
    assert_eq!(next.sweep().await.unwrap(), Default::default());
}
