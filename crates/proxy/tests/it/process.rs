use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, getsid, kill_process};
use sluice_proxy::{Install, OpenRoute, ensure_running, stop};

use crate::support::{Instance, get, key, until};

/// The example that cargo has built beside this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/proxy_process");
    assert!(program.exists(), "{} is missing: build it with `cargo build --examples`", program.display());
    program
}

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_its_starter_and_serves_on_after_a_kill() {
    let deep = tempfile::tempdir().unwrap();
    let folder = deep.path().join("a-long-name-".repeat(10)).join("proxy");
    let program = program();
    let (one, two) = tokio::join!(ensure_running(&folder, &program), ensure_running(&folder, &program));
    let (control, first) = (one.unwrap(), two.unwrap().status().await.unwrap());
    assert_eq!(control.status().await.unwrap(), first, "two processes serve one folder");
    assert_eq!(getsid(Some(pid(first.pid))).unwrap(), pid(first.pid), "it has no session of its own");

    let instance = Instance::named("live").await;
    let opened = control.open(vec![OpenRoute { key: key(), port: None, also_on: Vec::new() }]).await.unwrap();
    let route = ([127, 0, 0, 1], opened[0].port).into();
    let order = Install { key: key(), generation: 1, upstreams: vec![instance.address] };
    control.install(vec![order]).await.unwrap();
    assert_eq!(get(route).await, (200, "live".to_owned()));

    kill_process(pid(first.pid), Signal::KILL).unwrap();
    until("it is dead", async || control.status().await.is_err()).await;
    let control = ensure_running(&folder, &program).await.unwrap();
    until("it listens", async || control.list().await.is_ok_and(|routes| !routes[0].listening.is_empty()))
        .await;
    assert_eq!(get(route).await, (200, "live".to_owned()));
    let second = control.status().await.unwrap();
    assert_ne!(second.pid, first.pid);

    stop(&folder).await.unwrap();
    stop(&folder).await.unwrap();
    assert!(control.status().await.is_err());
    assert!(folder.join("routes.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("routes.json"), "{").unwrap();
    let failed = ensure_running(folder.path(), &program()).await.unwrap_err().to_string();
    assert!(failed.contains("ended at once") && failed.contains("routes.json cannot be read"), "{failed}");
    let missing = ensure_running(folder.path(), &folder.path().join("none")).await.unwrap_err().to_string();
    assert!(missing.contains("none proxy --state"), "{missing}");
}
