//! A pushed image starts the workflows that wait for it, and what a stranger's pull request may push.

use serde_json::{Value, json};
use sluice_model::RepositoryName;
use sluice_registry::image;
use sluice_store::{Append, NewEffect, NewEvent, Store, Transaction};
use sluice_wire::{CancelRequest, RunState};

use crate::jobs::tokens;
use crate::registry::{location, push};
use crate::world::World;

/// A workflow whose job hands its tokens out and waits for the file `go`.
fn workflow(world: &World, on: &str, first: &str) -> String {
    let folder = world.folder.path().display();
    format!(
        r#"on: {on}
jobs:
  work:
    runs-on: ubuntu-latest
    steps:
      - run: |
          {first}
          printf '%s\n%s\n' "$SLUICE_TOKEN" "$SLUICE_REGISTRY_PASSWORD" > {folder}/tokens.part
          mv {folder}/tokens.part {folder}/tokens
          while [ ! -e {folder}/go ]; do sleep 0.05; done
"#
    )
}

fn switch(world: &mut World, repository: &str) -> RepositoryName {
    std::mem::replace(&mut world.repository, repository.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_a_base_image_builds_anew_and_no_circle_goes_on() {
    let mut world = World::start().await;
    let admin = world.token().await;
    // The base pushes its image when it is pushed to, and would build anew for every image of the shop's.
    let shop = switch(&mut world, "acme/base");
    world.write(".github/workflows/push.yml", &workflow(&world, "push", "true"));
    world.write(".github/workflows/again.yml", &workflow(&world, "registry_package", "echo again"));
    world.write("sluice.yaml", "registry: { follow: [\"shop/*\"] }");
    world.push().await.unwrap();
    let base = tokens(&world).await;

    let base_repository = switch(&mut world, shop.as_str());
    std::fs::remove_dir_all(world.tree().join(".github")).unwrap();
    let said = "echo \"${{ github.event_name }} ${{ github.event.action }} ${{ github.event.registry_package.name }} \
                ${{ github.event.registry_package.package_version.container_metadata.tag.name }} by ${{ github.actor }}\"";
    world.write(
        ".github/workflows/rebuild.yml",
        &workflow(&world, "{ registry_package: { types: [published] } }", said),
    );
    let updated = "on: { registry_package: { types: [updated] } }\njobs:\n  work:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo updated\n";
    world.write(".github/workflows/updated.yml", updated);
    world.write(".github/workflows/broken.yml", "on: push\njobs: [");
    world.write("sluice.yaml", "registry: { follow: [\"base/*\"] }");
    world.push().await.unwrap();
    // The broken file has a run of its own: pushed, and not again with every image.
    assert_eq!(world.ended(1).await.run.state, RunState::Failure);

    push(&world, "base/os:latest", &base.registry, "first").await;
    let rebuilding = tokens(&world).await;
    // The same again is nothing new, and a tag that moves is an update.
    push(&world, "base/os:latest", &base.registry, "first").await;
    push(&world, "base/os:latest", &base.registry, "second").await;
    assert_eq!(world.ended(3).await.run.workflow, ".github/workflows/updated.yml");
    // A job of the shop's rebuild pushes: the base, where it began, follows, and is not started again.
    push(&world, "shop/app:1", &rebuilding.registry, "app").await;
    assert_eq!(world.runs().await, [3, 2, 1]);
    switch(&mut world, base_repository.as_str());
    assert_eq!(world.runs().await, [1]);
    // A person's push starts both.
    push(&world, "base/os:by-hand", &admin, "third").await;
    let again = tokens(&world).await;
    assert_ne!(again.registry, base.registry);
    assert_eq!(world.runs().await, [2, 1]);
    std::fs::write(world.folder.path().join("go"), "").unwrap();
    for number in [1, 2] {
        assert_eq!(world.ended(number).await.run.state, RunState::Success);
    }
    switch(&mut world, shop.as_str());
    for number in [2, 4] {
        assert_eq!(world.ended(number).await.run.state, RunState::Success);
    }
    // The log is whole when its job has ended.
    assert!(world.log(2, "work").await.contains("registry_package published os latest by admin"));
    assert_eq!(world.runs().await, [4, 3, 2, 1]);
    world.end().await;
}

/// Writes a trigger into the outbox of a server that is down, as one that took pull requests would have: the last
/// push, changed.
async fn trigger(world: &World, change: impl Fn(&mut Value)) {
    let store = Store::open(&world.folder.path().join("data/sluice.db")).unwrap();
    let stream = format!("repository/{}", world.repository);
    let events = store.events(&stream, 0).await.unwrap();
    let moved = events.iter().rev().find(|event| event.body.contains("\"trigger\"")).unwrap();
    let mut body: Value = serde_json::from_str(&moved.body).unwrap();
    change(&mut body["trigger"]);
    let effect = json!({ "kind": "plan", "trigger": body["trigger"] });
    let expected = store.last_sequence(&stream).await.unwrap();
    let append = Append {
        stream,
        expected,
        at: moved.at,
        events: vec![NewEvent { kind: "ref_moved".to_owned(), body: body.to_string() }],
        effects: vec![NewEffect { event: 0, kind: "plan".to_owned(), body: effect.to_string() }],
    };
    store.commit(Transaction { appends: vec![append], writes: Vec::new() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_pull_request_pushes_under_pr_only() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", &workflow(&world, "pull_request", "true"));
    world.write(
        "sluice.yaml",
        "services: { api: { image: store/api, port: 8000 } }\nenvironments: { uat: {} }\n",
    );
    world.push().await.unwrap();
    for (number, from, may) in [(1, "mallory/shop", false), (2, "acme/shop", true)] {
        world.end().await;
        trigger(&world, |trigger| {
            trigger["event"] = json!("pull_request");
            trigger["base_ref"] = json!("master");
            trigger["head_ref"] = json!("change");
            let head = json!({ "ref": "change", "repo": { "full_name": from } });
            trigger["payload"] = json!({ "pull_request": { "head": head } }).to_string().into();
        })
        .await;
        world.restart().await;
        let job = tokens(&world).await.registry;
        for image in ["store/api", "shop/api", "acme/shop/api"] {
            let refused = pushed(&world, &format!("{image}:1"), &job).await;
            let expected = "what a pull request from another repository runs may push under `pr/shop/`";
            assert_eq!(refused.is_none(), may, "{image} of {from}: {refused:?}");
            assert!(refused.is_none_or(|refusal| refusal.contains(expected)));
        }
        for image in ["pr/shop/api", "pr/acme/shop/api"] {
            assert_eq!(pushed(&world, &format!("{image}:1"), &job).await, None, "{image} of {from}");
        }
        for image in ["pr/other/api", "pr", "other/api"] {
            assert!(pushed(&world, &format!("{image}:1"), &job).await.is_some(), "{image} of {from}");
        }
        world.admin.cancel(&world.repository, number, &CancelRequest::default()).await.unwrap();
        world.ended(number).await;
    }
    world.end().await;
}

/// Why an image was not taken; none where it was.
async fn pushed(world: &World, image: &str, password: &str) -> Option<String> {
    let from = world.folder.path().join("content");
    std::fs::write(&from, image).unwrap();
    let content = image::Content { from, to: "/content".to_owned() };
    let packed =
        image::pack(&image::PackOptions::new(vec![content]), &location(world, image, password)).await;
    packed.err().map(|error| error.to_string())
}
