use sluice_forge::{ForgeError, Limits};
use sluice_model::RepositoryName;

use crate::{commit, git, git_there, person, serve};

#[tokio::test]
async fn refs_lead_to_commits_and_the_default_branch_is_one_that_is_there() {
    let served = serve(Limits::default()).await;
    let tree = person(served.folder.path(), "ann");
    let name: RepositoryName = "acme/shop".parse().unwrap();
    git(&tree, &["tag", "-m", "one", "version1"]).unwrap();
    let sha: sluice_model::CommitSha = git(&tree, &["rev-parse", "HEAD"]).unwrap().trim().parse().unwrap();
    let url = format!("{}/acme/shop.git", served.url);
    git_there(&tree, &["push", "--follow-tags", &url, "master"]).await.unwrap();
    let refs = served.forge.refs(&name).await.unwrap();
    let seen: Vec<_> = refs.iter().map(|git_ref| (git_ref.name.as_str(), &git_ref.sha)).collect();
    assert_eq!(seen, [("refs/heads/master", &sha), ("refs/tags/version1", &sha)]);
    assert_eq!(served.forge.default_branch(&name).await.unwrap(), None);
    served.forge.settle_default_branch(&name).await.unwrap();
    assert_eq!(served.forge.default_branch(&name).await.unwrap().unwrap().name, "refs/heads/master");
}

#[tokio::test]
async fn files_are_read_at_a_commit() {
    let served = serve(Limits { file_bytes: 100, changed_paths: 3, ..Limits::default() }).await;
    let tree = person(served.folder.path(), "ann");
    let name: RepositoryName = "acme/shop".parse().unwrap();
    let first = git(&tree, &["rev-parse", "HEAD"]).unwrap().trim().parse().unwrap();
    std::fs::create_dir_all(tree.join(".github/workflows/deeper")).unwrap();
    std::fs::write(tree.join(".github/workflows/ci.yml"), "on: push\n").unwrap();
    std::fs::write(tree.join(".github/workflows/deeper/x.yml"), "on: push\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", tree.join(".github/workflows/link.yml")).unwrap();
    let second = commit(&tree, "Add a pipeline: äöü");
    std::fs::write(tree.join("large"), "x".repeat(101)).unwrap();
    let third = commit(&tree, "Large");
    let url = format!("{}/acme/shop.git", served.url);
    git_there(&tree, &["push", &url, "master"]).await.unwrap();

    let forge = &served.forge;
    let workflows = ".github/workflows";
    assert!(forge.files_under(&name, &first, workflows).await.unwrap().is_empty());
    let found = forge.files_under(&name, &second, workflows).await.unwrap();
    assert_eq!(found, [".github/workflows/ci.yml", ".github/workflows/deeper/x.yml"]);
    let file = forge.file(&name, &second, ".github/workflows/ci.yml").await.unwrap();
    assert_eq!(file.as_deref(), Some(&b"on: push\n"[..]));
    assert_eq!(forge.file(&name, &first, ".github/workflows/ci.yml").await.unwrap(), None);
    assert_eq!(forge.file(&name, &second, ".github/workflows/link.yml").await.unwrap(), None);
    assert_eq!(forge.file(&name, &second, ".github").await.unwrap(), None);
    let large = forge.file(&name, &third, "large").await.unwrap_err();
    assert!(matches!(large, ForgeError::FileTooLarge { limit: 100, .. }), "{large}");

    let changed = forge.changed_paths(&name, &first, &second).await.unwrap().unwrap();
    assert_eq!(changed.len(), 3);
    assert_eq!(forge.changed_paths(&name, &first, &third).await.unwrap(), None, "more than the limit");
    let gone = "f".repeat(40).parse().unwrap();
    assert_eq!(forge.changed_paths(&name, &gone, &third).await.unwrap(), None);
    assert!(forge.is_ancestor(&name, &first, &third).await.unwrap());
    assert!(!forge.is_ancestor(&name, &third, &first).await.unwrap());

    let commit = forge.commit(&name, &second).await.unwrap();
    assert_eq!((commit.subject.as_str(), commit.author_name.as_str()), ("Add a pipeline: äöü", "Ann"));
    assert_eq!(commit.author_email, "ann@example.com");
    let none = forge.commit(&"acme/none".parse().unwrap(), &second).await.unwrap_err();
    assert!(matches!(none, ForgeError::NoRepository(_)), "{none}");
}
