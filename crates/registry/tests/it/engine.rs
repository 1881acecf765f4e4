//! Docker and skopeo against the registry. Skipped where they are not installed, unless SLUICE_TEST_DOCKER=1.

use std::process::{Command, Output};

use crate::support::TestRegistry;

fn run(program: &str, arguments: &[&str], config: &std::path::Path) -> Option<Output> {
    Command::new(program).args(arguments).env("DOCKER_CONFIG", config).output().ok()
}

#[track_caller]
fn succeed(program: &str, arguments: &[&str], config: &std::path::Path) -> String {
    let output = run(program, arguments, config).unwrap_or_else(|| panic!("{program} cannot be run"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}: {text}", arguments.join(" "));
    text
}

fn answers(program: &str, argument: &str) -> bool {
    let answers = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
    if !answers {
        assert!(std::env::var("SLUICE_TEST_DOCKER").as_deref() != Ok("1"), "{program} does not answer");
        println!("skipped: {program} does not answer");
    }
    answers
}

/// Removes an image from the engine at the end, whatever happens.
struct Tagged(String);

impl Drop for Tagged {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_logs_in_pushes_and_pulls() {
    if !answers("docker", "version") {
        return;
    }
    let test = TestRegistry::guarded().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path();
    let image = Tagged(format!("{}/ben/docker-test:v1", test.host));
    let content = folder.path().join("rootfs.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(&content).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(test.host.len() as u64);
    header.set_mode(0o644);
    // The host's port makes the layer another one than in every earlier run.
    archive.append_data(&mut header, "file", test.host.as_bytes()).unwrap();
    archive.finish().unwrap();
    succeed("docker", &["import", &content.display().to_string(), &image.0], config);

    let refused = run("docker", &["push", &image.0], config).unwrap();
    assert!(!refused.status.success(), "it was pushed without credentials");
    let wrong = run("docker", &["login", "-u", "ben", "-p", "wrong", &test.host], config).unwrap();
    assert!(!wrong.status.success(), "a wrong password was taken");
    succeed("docker", &["login", "-u", "ben", "-p", "secret", &test.host], config);
    let pushed = succeed("docker", &["push", &image.0], config);
    let told = test.events.pushed.lock().unwrap().clone();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].by.as_str(), "ben");
    assert!(pushed.contains(told[0].digest.as_str()), "{pushed}");

    succeed("docker", &["rmi", &image.0], config);
    let by_digest = Tagged(format!("{}/ben/docker-test@{}", test.host, told[0].digest));
    succeed("docker", &["pull", &by_digest.0], config);
    succeed("docker", &["pull", &image.0], config);

    let elsewhere = Tagged(format!("{}/ann/docker-test:v1", test.host));
    succeed("docker", &["tag", &image.0, &elsewhere.0], config);
    let denied = run("docker", &["push", &elsewhere.0], config).unwrap();
    assert!(!denied.status.success(), "ben pushed to ann's repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_an_index_with_everything_in_it() {
    if !answers("skopeo", "--version") {
        return;
    }
    let test = TestRegistry::guarded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let mut manifests = Vec::new();
    let layout = folder.path().join("layout");
    for architecture in ["amd64", "arm64"] {
        use sluice_registry::image::{Content, PackOptions, pack};
        std::fs::write(&file, architecture).unwrap();
        let mut options = PackOptions::new(vec![Content { from: file.clone(), to: "/file".to_owned() }]);
        options.platform.architecture = architecture.to_owned();
        let place = format!("oci:{}:{architecture}", layout.display());
        let packed = pack(&options, &place.parse().unwrap()).await.unwrap();
        let size = std::fs::metadata(layout.join("blobs/sha256").join(packed.digest.hex())).unwrap().len();
        manifests.push(serde_json::json!({
            "mediaType": sluice_registry::media_type::OCI_MANIFEST, "digest": packed.digest, "size": size,
            "platform": { "os": "linux", "architecture": architecture },
        }));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests,
        "mediaType": sluice_registry::media_type::OCI_INDEX })
    .to_string();
    let digest = crate::support::sha256(index.as_bytes());
    std::fs::write(layout.join("blobs/sha256").join(digest.hex()), &index).unwrap();
    let listed = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": sluice_registry::media_type::OCI_INDEX, "digest": digest, "size": index.len(),
        "annotations": { "org.opencontainers.image.ref.name": "all" } }] });
    std::fs::write(layout.join("index.json"), listed.to_string()).unwrap();

    let one = format!("docker://{}/ben/one:all", test.host);
    let two = format!("docker://{}/ben/two:all", test.host);
    let config = folder.path();
    let from = format!("oci:{}:all", layout.display());
    let login = ["--dest-tls-verify=false", "--dest-creds=ben:secret"];
    succeed("skopeo", &[&["copy", "--all"], &login[..], &[&from, &one]].concat(), config);
    let source = ["--src-tls-verify=false", "--src-creds=ben:secret"];
    succeed("skopeo", &[&["copy", "--all"], &source[..], &login[..], &[&one, &two]].concat(), config);
    let back = format!("oci:{}:all", folder.path().join("back").display());
    succeed("skopeo", &[&["copy", "--all"], &source[..], &[&two, &back]].concat(), config);

    let told = test.events.pushed.lock().unwrap();
    assert_eq!(told.len(), 6);
    assert!(told.iter().filter(|pushed| pushed.digest == digest).all(|pushed| pushed.manifests.len() == 2));
    assert!(folder.path().join("back/blobs/sha256").join(digest.hex()).exists());
}
