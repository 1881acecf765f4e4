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

/// A commit of one file in a new repository.
fn small(folder: &std::path::Path, file: &str) {
    std::fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "-q", "-b", "master"]);
    std::fs::write(folder.join(file), format!("{file}\n")).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", file]);
}

fn add_submodule(of: &std::path::Path, from: &std::path::Path, path: &str) {
    let address = format!("file://{}", from.display());
    git(of, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &address, path]);
    git(of, &["commit", "-q", "-m", "a submodule"]);
}

#[tokio::test]
async fn submodules_come_out_of_the_users_own_clone() {
    let folder = tempfile::tempdir().unwrap();
    let [leaf, library, path] = ["leaf", "library", "main"].map(|name| folder.path().join(name));
    small(&leaf, "leaf.txt");
    small(&library, "library.txt");
    add_submodule(&library, &leaf, "vendor/leaf");
    small(&path, "main.txt");
    add_submodule(&path, &library, "vendor/library");
    git(
        &path,
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive"],
    );
    let head = git(&path, &["rev-parse", "HEAD"]);
    // What .gitmodules names is not reached: all that is needed is in the clone.
    std::fs::rename(&leaf, folder.path().join("away")).unwrap();
    std::fs::rename(&library, folder.path().join("away too")).unwrap();

    let list =
        "shopt -s globstar; printf '%s\\n' vendor/**/*.txt; git -C vendor/library remote get-url origin";
    for world in World::both().await {
        for (value, files) in [
            ("true", "vendor/library/library.txt\n"),
            ("recursive", "vendor/library/library.txt\nvendor/library/vendor/leaf/leaf.txt\n"),
        ] {
            let mut order = github(vec![uses("actions/checkout@v4", &[("submodules", value)]), run(list)]);
            order.trigger.sha = head.parse().unwrap();
            order.source = SourceTree::WorkingTree { path: path.clone(), snapshot: head.clone() };
            let done = world.run(order).await;
            done.succeeded();
            assert_eq!(done.output(2), format!("{files}file://{}\n", library.display()), "{value}");
        }
    }
}

#[tokio::test]
async fn a_server_does_not_follow_a_submodule_onto_its_own_disk() {
    let folder = tempfile::tempdir().unwrap();
    let [secret, path] = ["secret", "main"].map(|name| folder.path().join(name));
    small(&secret, "secret.txt");
    small(&path, "main.txt");
    add_submodule(&path, &secret, "stolen");
    let mut order = github(vec![uses("actions/checkout@v4", &[("submodules", "true")])]);
    order.trigger.sha = git(&path, &["rev-parse", "HEAD"]).parse().unwrap();
    order.source = SourceTree::Bare { path: path.join(".git") };
    let done = World::host().await.run(order).await;
    assert!(done.all().contains("transport 'file' not allowed"), "{}", done.all());
}

#[tokio::test]
async fn a_sparse_checkout_makes_the_folders_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    git(path, &["init", "-q", "-b", "master"]);
    for file in ["root.txt", "web/page.html", "api/main.rs"] {
        std::fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
        std::fs::write(path.join(file), "committed\n").unwrap();
    }
    git(path, &["add", "-A"]);
    git(path, &["commit", "-q", "-m", "first"]);
    let head = git(path, &["rev-parse", "HEAD"]);
    std::fs::write(path.join("web/page.html"), "changed\n").unwrap();
    git(path, &["add", "-A"]);
    let tree = git(path, &["write-tree"]);
    let snapshot = git(path, &["commit-tree", &tree, "-p", &head, "-m", "snapshot"]);
    let list = "find . -name .git -prune -o -type f -print | sort; cat web/page.html; git status --porcelain";
    for (inputs, files) in [
        (&[("sparse-checkout", "web")][..], "./root.txt\n./web/page.html\n"),
        (&[("sparse-checkout", "*.html"), ("sparse-checkout-cone-mode", "false")], "./web/page.html\n"),
    ] {
        let mut order = github(vec![uses("actions/checkout@v4", inputs), run(list)]);
        order.trigger.sha = head.parse().unwrap();
        order.source = SourceTree::WorkingTree { path: path.to_owned(), snapshot: snapshot.clone() };
        let done = World::host().await.run(order).await;
        done.succeeded();
        assert_eq!(done.output(2), format!("{files}changed\n M web/page.html\n"));
    }
}
