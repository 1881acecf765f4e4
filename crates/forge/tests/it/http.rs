use axum::http::Method;
use sluice_forge::{ForgeError, GitRequest, Limits};

use crate::{commit, git_there, person, serve};

#[tokio::test]
async fn what_is_pushed_can_be_cloned() {
    let served = serve(Limits::default()).await;
    let tree = person(served.folder.path(), "ann");
    let url = format!("{}/acme/shop.git", served.url);
    let said = git_there(&tree, &["push", &url, "master"]).await.unwrap();
    assert!(said.contains("remote: run 7: http://127.0.0.1/runs/7"), "{said}");
    assert_eq!(*served.pushes.lock().unwrap(), 1);
    git_there(served.folder.path(), &["clone", "--quiet", "--branch=master", &url, "copy"]).await.unwrap();
    assert_eq!(std::fs::read_to_string(served.folder.path().join("copy/a.txt")).unwrap(), "one\n");
}

#[tokio::test]
async fn a_large_push_and_a_forced_one_go_through() {
    let served = serve(Limits::default()).await;
    let tree = person(served.folder.path(), "ann");
    let url = format!("{}/acme/shop.git", served.url);
    // More than git sends in one piece (http.postBuffer, 1 MiB): chunked, and compressed requests.
    let noise: Vec<u8> = (0..3_000_000_u64).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(tree.join("noise"), noise).unwrap();
    commit(&tree, "Large");
    git_there(&tree, &["push", &url, "master"]).await.unwrap();
    git_there(&tree, &["commit", "--amend", "--quiet", "-m", "Other"]).await.unwrap();
    assert!(git_there(&tree, &["push", &url, "master"]).await.is_err());
    git_there(&tree, &["push", "--force", &url, "master"]).await.unwrap();
}

#[tokio::test]
async fn more_than_the_limit_is_refused() {
    let served = serve(Limits { push_bytes: 2000, ..Limits::default() }).await;
    let tree = person(served.folder.path(), "ann");
    let noise: Vec<u8> = (0..20_000_u64).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    std::fs::write(tree.join("noise"), noise).unwrap();
    commit(&tree, "Large");
    let url = format!("{}/acme/shop.git", served.url);
    let said = git_there(&tree, &["push", &url, "master"]).await.unwrap_err();
    assert!(said.contains("exceeds maximum allowed size") || said.contains("unpack"), "{said}");
    let name = "acme/shop".parse().unwrap();
    assert!(served.forge.refs(&name).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_branches_and_tags_are_taken() {
    let served = serve(Limits::default()).await;
    let tree = person(served.folder.path(), "ann");
    let url = format!("{}/acme/shop.git", served.url);
    let said = git_there(&tree, &["push", &url, "master:refs/sluice/mine"]).await.unwrap_err();
    assert!(said.contains("hidden ref"), "{said}");
}

#[tokio::test]
async fn a_hook_in_the_repository_is_not_run() {
    let served = serve(Limits::default()).await;
    let tree = person(served.folder.path(), "ann");
    let name = "acme/shop".parse().unwrap();
    served.forge.create(&name).await.unwrap();
    let hooks = served.forge.path(&name).join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("pre-receive");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let url = format!("{}/acme/shop.git", served.url);
    git_there(&tree, &["push", &url, "master"]).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_not_cloned() {
    let served = serve(Limits::default()).await;
    for name in ["acme/none.git", "acme/..git", "-x/y.git", "acme/a%2fb.git"] {
        let url = format!("{}/{name}", served.url);
        let said = git_there(served.folder.path(), &["clone", &url, "copy"]).await.unwrap_err();
        assert!(said.contains("not found") || said.contains("400"), "{name}: {said}");
    }
}

#[test]
fn only_the_smart_protocol_is_served() {
    let read = |method: &Method, path: &str, query: Option<&str>| {
        GitRequest::read("acme/shop".parse().unwrap(), method, path, query)
    };
    assert!(read(&Method::GET, "info/refs", Some("service=git-upload-pack")).is_ok());
    for (method, path, query) in [
        (Method::GET, "info/refs", None),
        (Method::GET, "HEAD", None),
        (Method::GET, "objects/info/packs", None),
        (Method::GET, "../../etc/passwd", None),
        (Method::GET, "git-receive-pack", None),
        (Method::POST, "git-receive-pack", Some("x")),
        (Method::POST, "git-upload-archive", None),
        (Method::PUT, "git-receive-pack", None),
    ] {
        let refusal = read(&method, path, query);
        assert!(matches!(refusal, Err(ForgeError::NotServed { .. })), "{method} {path}");
    }
}
