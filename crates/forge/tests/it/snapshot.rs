use std::path::Path;

use sluice_forge::{ForgeError, snapshot};

use crate::{git, person};

#[tokio::test]
async fn a_snapshot_holds_what_is_not_committed_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tree = person(folder.path(), "ann");
    std::fs::write(tree.join(".gitignore"), "ignored\n").unwrap();
    std::fs::write(tree.join("ignored"), "x").unwrap();
    std::fs::write(tree.join("a.txt"), "changed\n").unwrap();
    std::fs::create_dir(tree.join("deep")).unwrap();
    std::fs::write(tree.join("deep/new.txt"), "new\n").unwrap();
    std::fs::write(tree.join("staged.txt"), "staged\n").unwrap();
    git(&tree, &["add", "staged.txt"]).unwrap();
    let before = look(&tree);

    let into = folder.path().join("snapshot.git");
    let taken = snapshot(&tree.join("deep"), &into).await.unwrap();
    assert_eq!(look(&tree), before, "the snapshot touched the person's repository");
    assert!(taken.is_changed);
    assert_eq!(taken.branch.as_deref(), Some("refs/heads/master"));
    let listed = git(&into, &["ls-tree", "-r", "--name-only", taken.commit.as_str()]).unwrap();
    assert_eq!(listed, ".gitignore\na.txt\ndeep/new.txt\nstaged.txt\n");
    let text = git(&into, &["show", &format!("{}:a.txt", taken.commit)]).unwrap();
    assert_eq!(text, "changed\n");
    let parent = git(&into, &["rev-parse", &format!("{}^", taken.commit)]).unwrap();
    assert_eq!(parent.trim(), taken.head.as_str());
    let copy = folder.path().join("copy");
    git(folder.path(), &["clone", "--quiet", &into.to_string_lossy(), &copy.to_string_lossy()]).unwrap();
    assert_eq!(std::fs::read_to_string(copy.join("a.txt")).unwrap(), "one\n");
}

#[tokio::test]
async fn a_clean_tree_is_known_as_clean() {
    let folder = tempfile::tempdir().unwrap();
    let tree = person(folder.path(), "ann");
    git(&tree, &["checkout", "--quiet", "--detach"]).unwrap();
    let taken = snapshot(&tree, &folder.path().join("s.git")).await.unwrap();
    assert!(!taken.is_changed);
    assert_eq!((taken.branch, taken.commit), (None, taken.head));
}

#[tokio::test]
async fn what_is_no_repository_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = snapshot(folder.path(), &folder.path().join("s.git")).await.unwrap_err();
    assert!(matches!(refusal, ForgeError::NotARepository { .. }), "{refusal}");
    git(folder.path(), &["init", "--quiet"]).unwrap();
    let refusal = snapshot(folder.path(), &folder.path().join("s.git")).await.unwrap_err();
    assert!(matches!(refusal, ForgeError::NoCommit { .. }), "{refusal}");
}

/// Everything that a snapshot might touch: the index' bytes, the state, the refs and the number of objects.
fn look(tree: &Path) -> (Vec<u8>, String, String, String) {
    // `git status` refreshes the index, so the bytes are read after it.
    let status = git(tree, &["--no-optional-locks", "status", "--porcelain"]).unwrap();
    let refs = git(tree, &["for-each-ref"]).unwrap();
    let objects = git(tree, &["count-objects", "-v"]).unwrap();
    (std::fs::read(tree.join(".git/index")).unwrap(), status, refs, objects)
}
