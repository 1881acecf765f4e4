use sluice_wire::{Client, ClientError, NewToken, RunQuery, Secret};

use crate::world::World;

/// The status that a request was refused with.
pub fn status<T: std::fmt::Debug>(result: Result<T, ClientError>) -> u16 {
    match result.unwrap_err() {
        ClientError::Refused { status, .. } => status,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_or_pushes_without_a_token() {
    let mut world = World::start().await;
    world.write("a.txt", "x");
    world.push().await.unwrap();
    for token in [None, Some(Secret::new("slc_wrong"))] {
        let client = Client::new(&world.url, token).unwrap();
        assert_eq!(status(client.runs(&world.repository, &RunQuery::default()).await), 401);
        assert_eq!(status(client.repositories().await), 401);
        assert_eq!(status(client.accounts().await), 401);
        client.version().await.unwrap();
    }
    assert!(world.push_as("admin", "wrong").await.is_err());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_may_not_write_nor_administrate() {
    let mut world = World::start().await;
    world.write("a.txt", "x");
    world.push().await.unwrap();
    let reader = world.account("rea", "read", &[]).await;
    reader.runs(&world.repository, &RunQuery::default()).await.unwrap();
    assert_eq!(status(reader.cancel(&world.repository, 1, &Default::default()).await), 403);
    assert_eq!(status(reader.accounts().await), 403);
    let other = "admin".to_owned();
    let label = NewToken { label: "x".to_owned() };
    assert_eq!(status(reader.new_token(&sluice_model::UserName::new(other), &label).await), 403);
    let own = reader.new_token(&sluice_model::UserName::new("rea"), &label).await.unwrap();
    let again = Client::new(&world.url, Some(own.token.clone())).unwrap();
    assert_eq!(again.whoami().await.unwrap().name.as_str(), "rea");
    let said = world.push_as("rea", own.token.expose()).await.unwrap_err();
    assert!(said.contains("403"), "{said}");
    reader.revoke_token(&sluice_model::UserName::new("rea"), &own.id).await.unwrap();
    assert_eq!(status(again.whoami().await), 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let mut world = World::start().await;
    let none = "acme/none".parse().unwrap();
    let refusal = world.admin.runs(&none, &RunQuery::default()).await.unwrap_err();
    assert!(refusal.to_string().contains("git push"), "{refusal}");
    assert_eq!(status(world.admin.run(&world.repository, 99).await), 404);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_do_not_share_a_folder() {
    let mut world = World::start().await;
    let version = world.admin.version().await.unwrap();
    let options = sluice_server::Options::new(world.folder.path().join("data"), "x", version);
    let refusal = sluice_server::Server::start(options).await.err().unwrap();
    assert!(format!("{refusal:#}").contains("another server"), "{refusal:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_of_the_machine_looks_into_the_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::start().await;
    let folder = std::fs::metadata(world.folder.path().join("data")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    world.end().await;
}
