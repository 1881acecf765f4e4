//! The registry as the server keeps it: what goes, what stays for releases, what rots.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sluice_registry::Credentials;
use sluice_registry::attest::{PublicKey, Verified, VerifyError, verify};
use sluice_registry::image::{self, Content, Location, PackOptions};
use sluice_wire::{Client, CollectGarbage, GoneItem, GoneKind, NewRegistryToken, ReleaseSummary};

use crate::access::status;
use crate::age::age;
use crate::jobs::{pipeline, tokens};
use crate::world::{World, git};

const POLICY: &str = "\
services:
  api: { image: shop/api, port: 8000, health: / }
environments:
  uat: { approve: { by: [qa] }, gate: approve-uat }
registry:
  retention: [{ tags: \"build-*\", keep: 1 }]
";

const DRY: CollectGarbage = CollectGarbage { dry_run: true };
const WET: CollectGarbage = CollectGarbage { dry_run: false };

pub fn location(world: &World, image: &str, password: &str) -> Location {
    let host = world.url.strip_prefix("http://").unwrap();
    let location: Location = format!("{host}/{image}").parse().unwrap();
    location
        .with_credentials(Credentials::Basic { username: "admin".to_owned(), password: password.to_owned() })
}

/// Pushes an image of one file with this text, and gives its digest.
pub async fn push(world: &World, image: &str, password: &str, text: &str) -> String {
    let from: PathBuf = world.folder.path().join("content");
    std::fs::write(&from, text).unwrap();
    let options = PackOptions::new(vec![Content { from, to: "/content".to_owned() }]);
    image::pack(&options, &location(world, image, password)).await.unwrap().digest.to_string()
}

async fn release(world: &World) -> ReleaseSummary {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(release) = world.admin.releases(&world.repository).await.unwrap().into_iter().next() {
            return release;
        }
        assert!(Instant::now() < until, "the run made no release");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn keys(world: &World) -> Vec<PublicKey> {
    let keys = world.admin.signing_keys().await.unwrap();
    keys.pem.iter().map(|pem| PublicKey::from_pem(pem).unwrap()).collect()
}

/// Waits until both statements are there: they come after the release.
async fn attested(world: &World, image: &Location) -> Verified {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match verify(image, &keys(world).await).await {
            Ok(verified) if verified.attestations.len() == 2 => return verified,
            other => assert!(Instant::now() < until, "not signed in time: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of_kind(gone: &[GoneItem], kind: GoneKind) -> Vec<&str> {
    gone.iter().filter(|item| item.kind == kind).map(|item| item.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_stays_and_what_the_rules_let_go_goes() {
    let mut world = World::start().await;
    world.write("sluice.yaml", POLICY);
    // Green at its end: the gate is for another test.
    let pipeline = pipeline(&world).replace("      - approve-uat: { type: approval }\n", "");
    world.write(".circleci/config.yml", &pipeline);
    world.push().await.unwrap();
    let job = tokens(&world).await.registry;
    let released = push(&world, "shop/api:version1", &job, "released").await;
    let data = world.folder.path().join("data/registry");
    age(&data);
    // Nothing is released yet, but the run goes on.
    let token = world.token().await;
    image::remove(&location(&world, "shop/api:version1", &token)).await.unwrap();
    assert_eq!(world.admin.collect_garbage(&WET).await.unwrap().repositories, []);
    std::fs::write(world.folder.path().join("go"), "").unwrap();
    world.ended(1).await;
    assert_eq!(release(&world).await.images.values().next().unwrap().digest.to_string(), released);

    // The run's word about it is signed, attached, and stays with it.
    let image = location(&world, &format!("shop/api@{released}"), &token);
    let verified = attested(&world, &image).await;
    let definition = &verified.provenance.build_definition;
    assert_eq!(definition.external_parameters["repository"], "acme/shop");
    assert_eq!(definition.external_parameters["workflow"], ".circleci/config.yml");
    assert_eq!(definition.internal_parameters["job"], "work");
    let commit = git(&world.tree(), &["rev-parse", "HEAD"]).unwrap();
    assert_eq!(definition.resolved_dependencies[0].digest["gitCommit"], commit.trim());
    assert_eq!(
        verified.provenance.run_details.metadata.invocation_id,
        format!("{}/acme/shop/runs/1", world.url)
    );
    // An image that a person pushed has no run that could speak for it.
    push(&world, "shop/api:by-hand", &token, "by hand").await;
    let unsigned = verify(&location(&world, "shop/api:by-hand", &token), &keys(&world).await).await;
    assert!(matches!(unsigned, Err(VerifyError::Nothing { .. })), "{unsigned:?}");

    let mut builds = Vec::new();
    for n in 1..=3 {
        builds.push(push(&world, &format!("shop/api:build-{n}"), &token, &format!("build {n}")).await);
    }
    assert_eq!(world.admin.collect_garbage(&DRY).await.unwrap().repositories, []);
    age(&data);
    let planned = world.admin.collect_garbage(&DRY).await.unwrap();
    assert_eq!(planned, world.admin.collect_garbage(&DRY).await.unwrap());
    let gone = &planned.repositories[0];
    assert_eq!((planned.repositories.len(), gone.repository.as_str()), (1, "shop/api"));
    assert_eq!(of_kind(&gone.gone, GoneKind::Tag), ["build-2", "build-1"]);
    assert_eq!(gone.gone[0].why, "retention of `build-*`, not among the newest 1");
    let mut manifests = of_kind(&gone.gone, GoneKind::Manifest);
    manifests.sort_unstable();
    let mut expected = vec![builds[0].as_str(), builds[1].as_str()];
    expected.sort_unstable();
    assert_eq!(manifests, expected);
    assert_eq!(of_kind(&gone.gone, GoneKind::Blob).len(), 4);

    let done = world.admin.collect_garbage(&WET).await.unwrap();
    assert_eq!(done.repositories, planned.repositories);
    for image in [format!("shop/api@{released}"), "shop/api:build-3".to_owned()] {
        image::inspect(&location(&world, &image, &token), None).await.unwrap();
    }
    assert!(image::inspect(&location(&world, "shop/api:build-1", &token), None).await.is_err());
    let reader = world.account("rea", "write", &[]).await;
    assert_eq!(status(reader.collect_garbage(&DRY).await), 403);
    assert_eq!(status(reader.scrub().await), 403);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_images_reaches_no_others_and_nothing_else() {
    let mut world = World::start().await;
    let ann = world.account("admin", "admin", &[]).await;
    let owner = sluice_model::UserName::new("admin");
    let scopes = ["pull,push:tools/*", "pull:public/cat"].map(str::to_owned).to_vec();
    let request = NewRegistryToken { label: "builder".to_owned(), scopes: scopes.clone(), days: Some(1) };
    let fresh = ann.new_registry_token(&owner, &request).await.unwrap();
    let scoped = fresh.token.expose();
    push(&world, "tools/cat:v1", scoped, "cat").await;
    let token = world.token().await;
    push(&world, "public/cat:v1", &token, "cat").await;
    push(&world, "shop/api:v1", &token, "api").await;
    image::inspect(&location(&world, "public/cat:v1", scoped), None).await.unwrap();
    assert!(image::inspect(&location(&world, "shop/api:v1", scoped), None).await.is_err());
    let deleted = image::remove(&location(&world, "tools/cat:v1", scoped)).await.unwrap_err();
    assert!(
        deleted.to_string().contains("this token is for `pull,push:tools/*`, `pull:public/cat` only"),
        "{deleted}"
    );
    // It is no token for the rest of the server, and is listed and revoked like others.
    let client = Client::new(&world.url, Some(fresh.token.clone())).unwrap();
    assert_eq!(status(client.whoami().await), 401);
    let accounts = ann.accounts().await.unwrap();
    let listed = accounts[0].tokens.iter().find(|token| token.id == fresh.id).unwrap();
    assert_eq!(listed.scopes, scopes);
    ann.revoke_token(&owner, &fresh.id).await.unwrap();
    assert!(image::inspect(&location(&world, "public/cat:v1", scoped), None).await.is_err());
    for wrong in [vec![], vec!["pull".to_owned()], vec!["pull:A".to_owned()]] {
        let request = NewRegistryToken { label: "x".to_owned(), scopes: wrong, days: None };
        assert_eq!(status(ann.new_registry_token(&owner, &request).await), 400);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_signs_and_the_one_before_is_still_trusted() {
    let mut world = World::start().await;
    let first = keys(&world).await;
    let writer = world.account("wes", "write", &[]).await;
    assert_eq!(status(writer.replace_signing_key().await), 403);
    world.admin.replace_signing_key().await.unwrap();
    let after = keys(&world).await;
    assert_eq!((after.len(), after[1]), (2, first[0]));
    world.restart().await;
    assert_eq!(keys(&world).await, after);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_names_the_images_that_rot_hurts() {
    let mut world = World::start().await;
    let token = world.token().await;
    push(&world, "tools/cat:v1", &token, "sound").await;
    let inspected = image::inspect(&location(&world, "tools/cat:v1", &token), None).await.unwrap();
    assert_eq!(world.admin.scrub().await.unwrap().rotten, []);
    let digest = &inspected.layers[0].digest;
    let blob =
        world.folder.path().join("data/registry/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let report = world.admin.scrub().await.unwrap();
    assert_eq!((report.rotten.len(), report.blobs), (1, 3));
    assert_eq!(report.rotten[0].images, ["tools/cat:v1"]);
    world.end().await;
}
