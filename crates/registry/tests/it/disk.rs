//! A disk that is full: told by name, nothing half done, and all is well when there is room again. Needs root, for a
//! small file system of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use sluice_registry::OpenToAll;

use crate::support::{Answer, TestRegistry, sha256};

/// A file system in memory at a folder; none, said loudly, where this account may not mount.
struct Small<'f>(&'f Path);

impl<'f> Small<'f> {
    fn mount(folder: &'f Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: this account may not mount a file system");
        None
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // Lazily: the registry may still have a file open.
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let Some(_small) = Small::mount(&path) else { return };
    let test = TestRegistry::at(folder, Arc::new(OpenToAll), |options| options).await;
    let text = test.push("a", "v1", &vec![1; 500_000]).await;

    let large = vec![2; 8_000_000];
    let whole = format!("/v2/a/blobs/uploads/?digest={}", sha256(&large));
    Answer::of(test.request(Method::POST, &whole).body(large.clone())).await.refuses(507, "DISK_FULL");
    let place = test.begin("a").await;
    Answer::of(test.request(Method::PATCH, &place).body(large)).await.refuses(507, "DISK_FULL");
    test.delete(&place).await.is(StatusCode::NO_CONTENT);

    // Not a byte is left for a manifest either.
    let filler = path.join("filler");
    let _ = std::fs::write(&filler, vec![0; 4_000_000]);
    let refused = test.put_manifest("a", "v3", &format!(" {text}")).await;
    refused.refuses(507, "DISK_FULL");
    assert_eq!(test.get("/v2/a/manifests/v1").await.body, text.as_bytes());
    std::fs::remove_file(filler).unwrap();
    test.put_manifest("a", "v3", &format!(" {text}")).await.is(StatusCode::CREATED);
    assert!(test.registry.scrub(u64::MAX).await.unwrap().rotten.is_empty());
}
