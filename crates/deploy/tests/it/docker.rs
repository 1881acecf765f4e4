use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sluice_deploy::{RolloutSpec, Target};
use sluice_docker::{ContainerSpec, Engine, Labels};
use sluice_model::ServiceName;

use crate::world::{Load, World, address, get, says, service, until, with_env};

/// None where no engine answers; then the test prints that it was skipped.
async fn engine() -> Option<Engine> {
    match Engine::connect().await {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var("SLUICE_TEST_DOCKER").is_ok_and(|value| value == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// The sample service as one static file, which needs no base image.
fn static_service(folder: &Path) -> PathBuf {
    let program = folder.join("static-service");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample_service.rs");
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
        .arg(&program)
        .arg(source)
        .status()
        .unwrap();
    assert!(built.success());
    program
}

/// Puts the image of a release into the engine, under the name that the deployer looks for first.
async fn import(world: &World, engine: &Engine, program: &Path, spec: &RolloutSpec) {
    for service in &spec.services {
        let image = &service.image;
        let root = world.folder.path().join("catalog").join(image.digest.hex()).join("root");
        fs::copy(program, root.join("server")).unwrap();
        let archive = world.folder.path().join("image.tar");
        let packed =
            Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".").status().unwrap();
        assert!(packed.success());
        let name = format!("sluice-{}:{}", world.owner(), image.digest.hex());
        let changes =
            ["ENTRYPOINT [\"/server\"]".to_owned(), "WORKDIR /".to_owned(), "ENV FROM_IMAGE=yes".to_owned()];
        engine.import_filesystem(&archive, &name, &changes, |_| {}).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_rolled_out_rolled_back_and_removed() {
    let Some(engine) = engine().await else { return };
    let mut world = World::new(Target::Docker, Some(engine.clone()));
    let program = static_service(world.folder.path());
    let two_services = |world: &World, key: &str, version: &str| {
        let mut spec = with_env(world.release(key, version), "PASSWORD", "hunter2");
        let mut web = service("web", world.image("web", version));
        web.depends_on = vec![ServiceName::new("api")];
        web.health_path = "/peer?API_URL".to_owned();
        spec.services.push(web);
        spec.limits.stop_within_ms = 1_000;
        spec
    };
    let first = two_services(&world, "1", "1.0");
    import(&world, &engine, &program, &first).await;
    let began = Instant::now();
    let (report, route) = world.deploy(&first).await;
    let with_starts = began.elapsed();
    let web = address(&report, 1);
    assert_eq!(says(route, "/env?PASSWORD").await, "hunter2");
    assert_eq!(says(route, "/env?PORT").await, "8000");
    assert_eq!(says(route, "/env?FROM_IMAGE").await, "yes");
    assert_eq!(says(web, "/peer?API_URL").await, "1.0");

    let load = Load::on(web);
    let second = two_services(&world, "2", "2.0");
    import(&world, &engine, &program, &second).await;
    // What a killed server began is adopted.
    let partly = tokio::time::timeout(Duration::from_millis(200), world.rollout(&second)).await;
    assert!(partly.is_err(), "it was quicker than it could be cut off");
    world.reopen();
    world.deploy(&second).await;
    assert_eq!(says(web, "/peer?API_URL").await, "2.0");
    let labels = Labels::of_owner(&world.owner());
    until("what the cut off one had begun and nobody adopted is gone", async || {
        engine.list_containers(&labels).await.unwrap().len() == 4
    })
    .await;

    // The engine may end the making of a container after whoever asked for it is dead.
    let late = ContainerSpec {
        name: Some(format!("sluice-late-{}", world.owner())),
        image: format!("sluice-{}:{}", world.owner(), second.services[0].image.digest.hex()),
        labels: labels.clone().with("sluice.instance", "api-0-forgotten"),
        ..ContainerSpec::default()
    };
    engine.create_container(&late).await.unwrap();
    until("a container that no record tells of is removed", async || {
        engine.list_containers(&labels).await.unwrap().len() == 4
    })
    .await;

    let began = Instant::now();
    let (report, _) = world.deploy(&two_services(&world, "3", "1.0")).await;
    let took = began.elapsed();
    assert!(
        took < with_starts,
        "a rollback took {took:?}, and a rollout that starts containers {with_starts:?}"
    );
    assert_eq!(report.services.iter().map(|service| service.adopted).sum::<u64>(), 2);
    assert_eq!(says(web, "/peer?API_URL").await, "1.0");
    load.end_without_failures().await;

    // The engine restarts one that dies, at the same address.
    let _ = get(route, "/die").await;
    until("it is back", async || get(route, "/").await.is_ok_and(|(status, _)| status == 200)).await;

    world.deployer.teardown().await.unwrap();
    assert_eq!(engine.list_containers(&labels).await.unwrap(), Vec::new());
    assert_eq!(engine.list_networks(&labels).await.unwrap(), Vec::new());
    for spec in [&first, &second] {
        let name = format!("sluice-{}:{}", world.owner(), spec.services[0].image.digest.hex());
        assert_eq!(engine.inspect_image(&name).await.unwrap(), None, "{name} is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_crashes_fails_at_once_with_its_last_lines() {
    let Some(engine) = engine().await else { return };
    let world = World::new(Target::Docker, Some(engine.clone()));
    let program = static_service(world.folder.path());
    let spec = with_env(world.release("1", "1.0"), "BEHAVIOUR", "crash");
    import(&world, &engine, &program, &spec).await;
    let began = Instant::now();
    let failed = world.rollout(&spec).await.unwrap_err().to_string();
    assert!(began.elapsed() < Duration::from_secs(10), "it was waited for, though dead");
    assert!(
        failed.contains("before it was ready") && failed.contains("cannot open the database"),
        "{failed}"
    );
    let labels = Labels::of_owner(&world.owner());
    until("it is removed", async || engine.list_containers(&labels).await.unwrap().is_empty()).await;

    let mut missing = world.release("2", "2.0");
    missing.services[0].image.digest = crate::world::digest("none");
    let failed = world.rollout(&missing).await.unwrap_err();
    assert!(failed.to_string().contains("is not to be had") && !failed.is_final(), "{failed}");
}
