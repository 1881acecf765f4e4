//! The socket before the real engine, with the programs that jobs call it by.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use sluice_docker::{Engine, EngineSocket, EngineSocketSpec, Found, Labels};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::image::{TINY, engine};

struct World {
    engine: Engine,
    folder: tempfile::TempDir,
    labels: Labels,
    _socket: EngineSocket,
}

impl World {
    async fn new(test: &str) -> Option<Self> {
        let engine = engine().await?;
        let folder = tempfile::tempdir().unwrap();
        let labels =
            Labels::of_owner("docker-tests-socket").with("test", format!("{test}-{}", std::process::id()));
        let _socket = EngineSocket::open(EngineSocketSpec {
            path: folder.path().join("docker.sock"),
            engine: engine.address().unwrap(),
            labels: labels.clone(),
            before_first: Box::new(|| Ok(())),
        })
        .unwrap();
        Some(Self { engine, folder, labels, _socket })
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        let host = format!("unix://{}", self.folder.path().join("docker.sock").display());
        command.args(words).env("DOCKER_HOST", host).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    async fn docker(&self, words: &[&str]) -> String {
        succeeded(self.command("docker", words).output().await.unwrap())
    }

    async fn containers(&self) -> Vec<String> {
        let found = self.engine.list_containers(&self.labels).await.unwrap();
        found.into_iter().map(|found| found.id).collect()
    }

    async fn volumes(&self) -> Vec<String> {
        ids(self.engine.list_volumes(&self.labels).await.unwrap())
    }

    async fn remove_all(&self) {
        for id in self.containers().await {
            self.engine.remove_container(&id).await.unwrap();
        }
        for id in ids(self.engine.list_networks(&self.labels).await.unwrap()) {
            self.engine.remove_network(&id).await.unwrap();
        }
        for name in self.volumes().await {
            self.engine.remove_volume(&name).await.unwrap();
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn ids(found: Vec<Found>) -> Vec<String> {
    found.into_iter().map(|found| found.id).collect()
}

#[track_caller]
fn succeeded(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn containers_networks_and_volumes_are_found_by_label() {
    let Some(world) = World::new("made").await else { return };
    let name = |what: &str| format!("sluice-test-{what}-{}", std::process::id());
    world.docker(&["network", "create", "--label", "own=yes", &name("net")]).await;
    world.docker(&["volume", "create", &name("volume")]).await;
    let [implied, mounted] =
        [format!("{}:/data", name("implied")), format!("type=volume,src={},dst=/m", name("mounted"))];
    let run = [
        "run",
        "--detach",
        "--network",
        &name("net"),
        "-v",
        &implied,
        "--mount",
        &mounted,
        "-v",
        "/anonymous",
    ];
    let id = world.docker(&[&run[..], &["--entrypoint", "/bin/sleep", TINY, "600"]].concat()).await;
    assert_eq!(world.containers().await, std::slice::from_ref(&id));
    let networks = world.engine.list_networks(&world.labels).await.unwrap();
    assert_eq!((networks.len(), networks[0].labels.get("own")), (1, Some("yes")));
    let mut volumes = world.volumes().await;
    volumes.sort();
    assert_eq!(volumes, [name("implied"), name("mounted"), name("volume")]);

    // Also what a container makes that was given the machine's socket.
    let inspected = world.docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &id]).await;
    let all: Vec<&str> = inspected.split_whitespace().collect();
    assert_eq!(all.len(), 3);
    let anonymous = all.iter().find(|name| !name.starts_with("sluice-test-")).unwrap();
    world.docker(&["rm", "--force", &id]).await;
    let gone = Command::new("docker").args(["volume", "inspect", anonymous]).output().await.unwrap();
    assert!(!gone.status.success(), "the anonymous volume is left");
    let socket = "/var/run/docker.sock:/s";
    let inside = world.docker(&["create", "-v", socket, TINY, "/bin/sh"]).await;
    let source = world.docker(&["inspect", "--format", "{{(index .Mounts 0).Source}}", &inside]).await;
    assert_eq!(Path::new(&source), world.folder.path().join("docker.sock"));
    world.remove_all().await;
    assert!(world.containers().await.is_empty() && world.volumes().await.is_empty());
}

#[tokio::test]
async fn a_prune_removes_the_jobs_own_alone() {
    let (Some(own), Some(other)) = (World::new("prune-own").await, World::new("prune-other").await) else {
        return;
    };
    let create = ["create", "--entrypoint", "/bin/true", TINY];
    own.docker(&create).await;
    let theirs = other.docker(&create).await;
    other.docker(&["network", "create", &format!("sluice-test-prune-{}", std::process::id())]).await;
    own.docker(&["system", "prune", "--all", "--force"]).await;
    own.docker(&["network", "prune", "--force"]).await;
    assert!(own.containers().await.is_empty());
    assert_eq!(other.containers().await, [theirs]);
    assert_eq!(other.engine.list_networks(&other.labels).await.unwrap().len(), 1);
    own.docker(&["image", "inspect", TINY]).await;
    other.remove_all().await;
}

#[tokio::test]
async fn programs_in_containers_are_heard_and_talked_to() {
    let Some(world) = World::new("talked").await else { return };
    let said = world.docker(&["run", "--rm", TINY, "/bin/sh", "-c", "echo out; echo err >&2; exit 0"]).await;
    assert_eq!(said, "out");
    let failed =
        world.command("docker", &["run", "--rm", TINY, "/bin/sh", "-c", "exit 7"]).output().await.unwrap();
    assert_eq!(failed.status.code(), Some(7));

    // Input is read to its end, and what comes after it is still heard.
    let words = ["run", "--rm", "--interactive", TINY, "/bin/sh", "-c", "cat; echo after"];
    let mut child = world.command("docker", &words);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let long = "0123456789abcde\n".repeat(1 << 16);
    let written = long.clone();
    tokio::spawn(async move { input.write_all(written.as_bytes()).await.unwrap() });
    let said = succeeded(child.wait_with_output().await.unwrap());
    assert!(said == format!("{long}after"), "{} bytes came back", said.len());

    let id = world.docker(&["run", "--detach", TINY, "/bin/sh", "-c", "echo logged; sleep 600"]).await;
    assert_eq!(world.docker(&["exec", &id, "/bin/sh", "-c", "echo in it"]).await, "in it");
    let begun = Instant::now();
    while world.docker(&["logs", &id]).await != "logged" {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let file = world.write("copied", "text");
    world.docker(&["cp", file.to_str().unwrap(), &format!("{id}:/copied")]).await;
    assert_eq!(world.docker(&["exec", &id, "/bin/cat", "/copied"]).await, "text");
    world.remove_all().await;
}

#[tokio::test]
async fn many_calls_at_once_do_not_mix() {
    let Some(world) = World::new("many").await else { return };
    let runs = (0..8).map(|number| {
        let script = format!("echo {number}; sleep 0.2; echo {number}");
        let world = &world;
        async move { (number, world.docker(&["run", "--rm", TINY, "/bin/sh", "-c", &script]).await) }
    });
    for (number, said) in futures_util::future::join_all(runs).await {
        assert_eq!(said, format!("{number}\n{number}"));
    }
    world.remove_all().await;
}

#[tokio::test]
async fn a_classic_build_leaves_no_container_even_when_it_fails() {
    let Some(world) = World::new("classic").await else { return };
    let tag = format!("sluice-test/classic:{}", std::process::id());
    world.write(
        "good/Dockerfile",
        &format!("FROM {TINY}\nCOPY big /big\nRUN [\"/bin/sh\", \"-c\", \"cat /big > /made\"]\n"),
    );
    world.write("good/big", &"x".repeat(3 << 20));
    world.write("bad/Dockerfile", &format!("FROM {TINY}\nRUN [\"/bin/sh\", \"-c\", \"exit 3\"] # {tag}\n"));
    let build = async |folder: &str| {
        let mut command = world.command("docker", &["build", "--tag", &tag, folder]);
        command.env("DOCKER_BUILDKIT", "0").output().await.unwrap()
    };
    succeeded(build("good").await);
    let size = world
        .docker(&[
            "run",
            "--rm",
            &tag,
            "/bin/sh",
            "-c",
            "cat /made | while read -r line; do echo ${#line}; done; true",
        ])
        .await;
    assert_eq!(size, "");
    let failed = build("bad").await;
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(!failed.status.success() && said.contains("Running in"), "{said}");
    let id = said.split("Running in ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(world.engine.inspect_container(id).await.unwrap().is_none(), "{id} is left");
    world.docker(&["rmi", &tag]).await;
    world.remove_all().await;
}

#[tokio::test]
async fn buildkit_talks_to_its_client_through_the_socket() {
    let Some(world) = World::new("buildkit").await else { return };
    // The first client that has BuildKit without a plugin, or with it.
    let has_buildkit = async |program: &'static str| {
        let version = Command::new(program).arg("--version").output().await.ok()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let major: u32 = version.split("version ").nth(1)?.split('.').next()?.parse().ok()?;
        let plugin = Command::new(program).args(["buildx", "version"]).output().await.ok()?;
        (major < 23 || plugin.status.success()).then_some(program)
    };
    let program = match has_buildkit("docker").await {
        Some(program) => Some(program),
        None => has_buildkit("/usr/bin/docker").await,
    };
    let Some(program) = program else {
        println!("skipped: no docker client here has BuildKit");
        return;
    };
    world.write("secret", "hush");
    world.write(
        "context/Dockerfile",
        &format!(
            "FROM {TINY} AS made\nCOPY here /here\nRUN --mount=type=secret,id=s [\"/bin/sh\", \"-c\", \"cat /here /run/secrets/s > /both\"]\n\
             FROM scratch\nCOPY --from=made /both /both\n"
        ),
    );
    world.write("context/here", "context and ");
    let words = [
        "build",
        "--progress=plain",
        "--no-cache",
        "--secret",
        "id=s,src=secret",
        "--output",
        "out",
        "context",
    ];
    succeeded(world.command(program, &words).env("DOCKER_BUILDKIT", "1").output().await.unwrap());
    assert_eq!(std::fs::read_to_string(world.folder.path().join("out/both")).unwrap(), "context and hush");
    world.remove_all().await;
}
