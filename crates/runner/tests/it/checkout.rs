use sluice_wire::SourceTree;

use crate::world::{World, git, github, repository, run, uses};

#[tokio::test]
async fn a_working_tree_comes_with_its_changes_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    git(path, &["init", "-q", "-b", "master"]);
    std::fs::write(path.join("a"), "old\n").unwrap();
    git(path, &["add", "-A"]);
    git(path, &["commit", "-q", "-m", "first"]);
    let head = git(path, &["rev-parse", "HEAD"]);
    std::fs::write(path.join("a"), "changed\n").unwrap();
    std::fs::write(path.join("new"), "new\n").unwrap();
    git(path, &["add", "-A"]);
    let tree = git(path, &["write-tree"]);
    let snapshot = git(path, &["commit-tree", &tree, "-p", &head, "-m", "snapshot"]);
    let before = git(path, &["status", "--porcelain"]);
    for world in World::both().await {
        let mut order = github(vec![
            uses("actions/checkout@v4", &[]),
            run("cat a new; git rev-parse HEAD; git status --porcelain; echo mine > a"),
        ]);
        order.trigger.sha = head.parse().unwrap();
        order.source = SourceTree::WorkingTree { path: path.to_owned(), snapshot: snapshot.clone() };
        let done = world.run(order).await;
        done.succeeded();
        assert_eq!(done.output(2), format!("changed\nnew\n{head}\n M a\n?? new\n"));
    }
    assert_eq!(git(path, &["status", "--porcelain"]), before);
    assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "changed\n");
}

#[tokio::test]
async fn a_tag_is_checked_out_without_a_branch() {
    let world = World::host().await;
    let mut order = github(vec![
        uses("actions/checkout@v4", &[]),
        run("git describe --tags --exact-match; git symbolic-ref -q HEAD || echo detached"),
    ]);
    order.trigger.git_ref = "refs/tags/version1.0.0".to_owned();
    let done = world.run(order).await;
    done.succeeded();
    assert_eq!(done.output(2), "version1.0.0\ndetached\n");
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_named() {
    let world = World::host().await;
    let mut order = github(vec![uses("actions/checkout@v4", &[])]);
    order.trigger.sha = "0123456789012345678901234567890123456789".parse().unwrap();
    let done = world.run(order).await;
    assert!(done.all().contains("`git fetch` failed"), "{}", done.all());
    let mut order = github(vec![uses("actions/checkout@v4", &[("repository", "other/one")])]);
    order.trigger.sha = repository().1.parse().unwrap();
    assert!(world.run(order).await.all().contains("`repository: other/one`"));
}
