//! What a job may do with what it is given, and for how long.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sluice_model::{EnvironmentName, JobId};
use sluice_wire::{Client, Decision, Secret};

use crate::access::status;
use crate::world::World;

/// Hands its tokens out and waits for the file `go`; a gate waits beside it.
pub fn pipeline(world: &World) -> String {
    let folder = world.folder.path().display();
    format!(
        r#"version: 2.1
jobs:
  work:
    machine: {{ image: default }}
    steps:
      - run: |
          printf '%s\n%s\n' "$SLUICE_TOKEN" "$SLUICE_REGISTRY_PASSWORD" > {folder}/tokens.part
          mv {folder}/tokens.part {folder}/tokens
          while [ ! -e {folder}/go ]; do sleep 0.05; done
workflows:
  main:
    jobs:
      - work
      - approve-uat: {{ type: approval }}
"#
    )
}

const POLICY: &str = "\
services:
  api: { image: NAME/api, port: 8000, health: / }
environments:
  uat: { approve: { by: [qa] }, gate: approve-uat }
";

pub struct Tokens {
    pub server: String,
    pub registry: String,
}

pub async fn tokens(world: &World) -> Tokens {
    let path = world.folder.path().join("tokens");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok(text) = std::fs::read_to_string(&path) {
            std::fs::remove_file(&path).unwrap();
            let mut lines = text.lines().map(str::to_owned);
            return Tokens { server: lines.next().unwrap(), registry: lines.next().unwrap() };
        }
        assert!(Instant::now() < until, "the job gave no tokens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Begins to push an image. Gives the registry's answer.
async fn begin_upload(world: &World, image: &str, password: &str) -> (StatusCode, String) {
    let url = format!("{}/v2/{image}/blobs/uploads/", world.url);
    let request = reqwest::Client::new().post(url).basic_auth("admin", Some(password));
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_pushes_its_own_repositorys_images_only() {
    let mut world = World::start().await;
    world.write("sluice.yaml", &POLICY.replace("NAME", "store"));
    world.push().await.unwrap();
    world.repository = "beta/other".parse().unwrap();
    world.write("sluice.yaml", &POLICY.replace("NAME", "tools"));
    world.write(".circleci/config.yml", &pipeline(&world));
    world.push().await.unwrap();
    let own = tokens(&world).await.registry;
    for image in ["tools/api", "other/x", "other", "beta/other/x"] {
        let (status, text) = begin_upload(&world, image, &own).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{image}: {text}");
    }
    for (image, reason) in [
        ("store/api", "belongs to the repository acme/shop"),
        ("acme/shop/api", "belongs to the repository acme/shop"),
        ("shop/api", "(tools/api)"),
        ("tools/web", "(tools/api)"),
        ("others", "(tools/api)"),
    ] {
        let (status, text) = begin_upload(&world, image, &own).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{image}: {text}");
        assert!(text.contains(reason), "{image}: {text}");
    }
    // Who comes second does not get the name, and is told.
    world.write("sluice.yaml", &POLICY.replace("NAME", "store"));
    let said = world.push().await.unwrap();
    assert!(said.contains("`store/api` belongs to the repository acme/shop"), "{said}");
    assert_eq!(begin_upload(&world, "store/api", &own).await.0, StatusCode::FORBIDDEN);
    std::fs::write(world.folder.path().join("go"), "").unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_neither_decides_nor_administrates_and_its_tokens_end_with_it() {
    let mut world = World::start().await;
    world.write("sluice.yaml", &POLICY.replace("NAME", "shop"));
    world.write(".circleci/config.yml", &pipeline(&world));
    world.push().await.unwrap();
    let Tokens { server, registry } = tokens(&world).await;
    let job = Client::new(&world.url, Some(Secret::new(&server))).unwrap();
    job.run(&world.repository, 1).await.unwrap();
    let yes = Decision { approve: true, comment: None };
    let (gate, uat) = (JobId::new("approve-uat"), EnvironmentName::new("uat"));
    assert_eq!(status(job.decide_gate(&world.repository, 1, &gate, &yes).await), 403);
    assert_eq!(status(job.decide_environment(&world.repository, &uat, &yes).await), 403);
    assert_eq!(status(job.accounts().await), 403);
    assert!(world.push_as("admin", &server).await.unwrap_err().contains("403"));
    // Each token is for its own door.
    assert_eq!(begin_upload(&world, "shop/api", &server).await.0, StatusCode::FORBIDDEN);
    let other = Client::new(&world.url, Some(Secret::new(&registry))).unwrap();
    assert_eq!(status(other.whoami().await), 401);
    assert_eq!(begin_upload(&world, "shop/api", &registry).await.0, StatusCode::ACCEPTED);

    std::fs::write(world.folder.path().join("go"), "").unwrap();
    let ended = |run: &sluice_wire::RunDetail| run.jobs.iter().any(|job| job.state.is_ended());
    world.wait(1, "worked", ended).await;
    assert_eq!(status(job.whoami().await), 401);
    assert_eq!(begin_upload(&world, "shop/api", &registry).await.0, StatusCode::UNAUTHORIZED);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_nobody_has_is_told_at_the_push_and_at_the_top_of_the_log() {
    let mut world = World::start().await;
    let text =
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{ run: 'echo key=${{ secrets.KEY }}.' }]\n";
    world.write(".github/workflows/ci.yml", text);
    let said = world.push().await.unwrap();
    assert!(said.contains("uses secrets.KEY, which this server has no value for"), "{said}");
    world.ended(1).await;
    let log = world.log(1, "a").await;
    assert!(log.starts_with("##[warning]there is no value for secrets.KEY"), "{log}");
    assert!(log.contains("key=."), "{log}");
    world.end().await;
}
