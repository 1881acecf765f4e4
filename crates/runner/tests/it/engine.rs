//! What steps on the host make at the machine's container engine.

use sluice_docker::{Engine, Labels};
use sluice_model::Conclusion::Failure;
use sluice_runner::{OnFailure, Runner, RunnerConfig};

use crate::world::{TINY, World, circle, circleci};

/// The host, and the engine that its steps find.
async fn host() -> Option<(World, Engine)> {
    World::docker().await?;
    Some((World::host().await, Engine::connect().await.unwrap()))
}

/// What the steps of a world's jobs have made: containers, networks, volumes.
pub async fn left(data: &std::path::Path, engine: &Engine) -> (usize, usize, usize) {
    let owner = std::fs::read_to_string(data.join("runner/owner")).unwrap();
    let labels = Labels::default().with(format!("sluice.owner.{}", owner.trim()), "steps");
    (
        engine.list_containers(&labels).await.unwrap().len(),
        engine.list_networks(&labels).await.unwrap().len(),
        engine.list_volumes(&labels).await.unwrap().len(),
    )
}

fn make(name: &str) -> String {
    format!(
        "docker network create {name} && docker volume create {name} && \
         docker run --detach --name {name} --network {name} --restart always {TINY} /bin/sleep 600 && \
         docker tag {TINY} sluice-test/made:{name}"
    )
}

#[tokio::test]
async fn containers_go_with_the_job_and_images_stay() {
    let Some((world, engine)) = host().await else { return };
    let name = format!("sluice-test-goes-{}", std::process::id());
    let look = format!(
        "docker ps --format '{{{{.Names}}}}' --filter name={name}; \
         docker run --rm --volume /x sluice-test/made:{name} /bin/cat /etc/group"
    );
    let order = circleci(vec![circle(&make(&name)), circle(&look)]);
    let done = world.run(order).await;
    done.succeeded();
    assert_eq!(done.output(2).lines().next(), Some(name.as_str()), "{}", done.all());
    assert!(done.output(2).contains("dev:x:1234"), "{}", done.all());
    assert_eq!(left(&world.data(), &engine).await, (0, 0, 0));
    assert!(engine.inspect_container(&name).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(world.data().join("runner/engines")).unwrap().count(), 0);
    let image = format!("sluice-test/made:{name}");
    assert!(engine.inspect_image(&image).await.unwrap().is_some());
    engine.remove_image(&image).await.unwrap();
}

#[tokio::test]
async fn containers_go_with_a_job_that_failed_and_was_kept() {
    let Some((world, engine)) = host().await else { return };
    let name = format!("sluice-test-kept-{}", std::process::id());
    let config = RunnerConfig {
        executor: sluice_runner::ExecutorChoice::Host,
        on_failure: OnFailure { keep: true, stops: None },
        ..RunnerConfig::new(world.data())
    };
    let runner = Runner::new(config).await.unwrap();
    let world = World { runner, ..world };
    let done = world.run(circleci(vec![circle(&format!("{} && exit 3", make(&name)))])).await;
    assert_eq!(done.report.conclusion, Failure, "{}", done.all());
    assert_eq!(sluice_runner::Kept::all(&world.data()).len(), 1);
    assert_eq!(left(&world.data(), &engine).await, (0, 0, 0));
    engine.remove_image(&format!("sluice-test/made:{name}")).await.unwrap();
}

#[tokio::test]
async fn a_folder_with_a_long_name_has_a_short_socket() {
    let Some((world, engine)) = host().await else { return };
    let config = RunnerConfig {
        executor: sluice_runner::ExecutorChoice::Host,
        ..RunnerConfig::new(world.data().join("long".repeat(25)))
    };
    let world = World { runner: Runner::new(config).await.unwrap(), ..world };
    let done =
        world.run(circleci(vec![circle("echo ${DOCKER_HOST#unix://}; docker version > /dev/null")])).await;
    done.succeeded();
    let said = done.output(1);
    assert!(said.starts_with("/tmp/sluice-"), "{said}");
    assert!(!std::path::Path::new(said.trim()).is_symlink(), "{said} is left");
    drop(engine);
}

/// Sluice in a step finds its own containers by its own label, and all of them go with the step's job.
#[tokio::test]
async fn labels_that_a_step_gives_itself_stay() {
    let Some((world, engine)) = host().await else { return };
    let inner = format!("inner-{}", std::process::id());
    let script = format!(
        "docker run --detach --label sluice.owner={inner} --label sluice.process=p {TINY} /bin/sleep 600; \
         docker ps --filter label=sluice.owner={inner} --format '{{{{.Label \"sluice.process\"}}}}'"
    );
    let done = world.run(circleci(vec![circle(&script)])).await;
    done.succeeded();
    assert_eq!(done.output(1).lines().last(), Some("p"), "{}", done.all());
    assert_eq!(engine.list_containers(&Labels::of_owner(&inner)).await.unwrap(), []);
    assert_eq!(left(&world.data(), &engine).await, (0, 0, 0));
}
