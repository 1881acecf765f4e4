use std::time::Duration;

use futures_util::StreamExt;
use sluice_docker::{AttachedOutput, ContainerSpec, Engine, EngineError, Labels};
use tokio::io::AsyncWriteExt;

use crate::image::{TINY, engine};

fn spec(script: &str, test: &str) -> ContainerSpec {
    ContainerSpec {
        image: TINY.to_owned(),
        entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()]),
        labels: Labels::of_owner("docker-tests").with("test", test),
        ..Default::default()
    }
}

async fn remove_all(engine: &Engine, test: &str) {
    let labels = Labels::of_owner("docker-tests").with("test", test);
    for found in engine.list_containers(&labels).await.unwrap() {
        engine.remove_container(&found.id).await.unwrap();
    }
    assert_eq!(engine.list_containers(&labels).await.unwrap(), []);
}

#[tokio::test]
async fn an_attached_container_answers_and_sees_the_end_of_its_input() {
    let Some(engine) = engine().await else { return };
    let spec = ContainerSpec {
        stdin: true,
        no_log: true,
        ..spec("echo \"$GREETING $WHO\"; echo late >&2; cat; exit 7", "attach")
    };
    let spec = ContainerSpec { env: vec![("WHO".to_owned(), "you".to_owned())], ..spec };
    let id = engine.create_container(&spec).await.unwrap();
    let mut attached = engine.attach(&id).await.unwrap();
    engine.start_container(&id).await.unwrap();
    attached.input.write_all(b"echoed\n").await.unwrap();
    attached.input.shutdown().await.unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = attached.output.next().await {
        match piece.unwrap() {
            AttachedOutput::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            AttachedOutput::Stderr(bytes) => stderr.extend_from_slice(&bytes),
        }
    }
    assert_eq!(String::from_utf8_lossy(&stdout), "hello you\nechoed\n");
    assert_eq!(String::from_utf8_lossy(&stderr), "late\n");
    assert_eq!(engine.wait_container(&id).await.unwrap().code, 7);
    remove_all(&engine, "attach").await;
}

#[tokio::test]
async fn a_container_that_does_not_listen_is_killed_after_its_grace() {
    let Some(engine) = engine().await else { return };
    let id = engine.create_container(&spec("trap '' TERM; while :; do sleep 1; done", "stop")).await.unwrap();
    engine.start_container(&id).await.unwrap();
    let seen = engine.inspect_container(&id).await.unwrap().unwrap();
    assert!(seen.running && seen.pid.is_some() && !seen.addresses.is_empty(), "{seen:?}");
    engine.stop_container(&id, Duration::from_millis(200)).await.unwrap();
    assert_eq!(engine.wait_container(&id).await.unwrap().code, 137);
    remove_all(&engine, "stop").await;
}

#[tokio::test]
async fn errors_name_the_thing_and_the_next_step() {
    let Some(engine) = engine().await else { return };
    let absent = ContainerSpec { image: "sluice-test/absent:1".to_owned(), ..Default::default() };
    let error = engine.create_container(&absent).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::NoSuchImage { image } if image == "sluice-test/absent:1"),
        "{error}"
    );
    assert!(engine.inspect_container("sluice-test-absent").await.unwrap().is_none());
    assert!(engine.inspect_image("sluice-test/absent:1").await.unwrap().is_none());
    engine.remove_container("sluice-test-absent").await.unwrap();
    engine.remove_network("sluice-test-absent").await.unwrap();
    let error = engine.start_container("sluice-test-absent").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no container `sluice-test-absent`");
}

#[tokio::test]
async fn networks_are_found_by_label() {
    let Some(engine) = engine().await else { return };
    let labels = Labels::of_owner("docker-tests-network");
    let name = format!("sluice-test-{}", std::process::id());
    let id = engine.create_network(&name, &labels).await.unwrap();
    let found = engine.list_networks(&labels).await.unwrap();
    assert_eq!(found.iter().map(|found| &found.id).collect::<Vec<_>>(), [&id]);
    engine.remove_network(&id).await.unwrap();
    assert!(engine.list_networks(&labels).await.unwrap().is_empty());
}
