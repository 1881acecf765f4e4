//! A server of the test's own, the people who use it, and a small shop that it delivers.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::repository::Said;

const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder, and a free port.
pub struct World {
    folder: TempDir,
    listen: String,
}

impl World {
    pub fn new() -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { folder: TempDir::new().unwrap(), listen }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn teardown(&self) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        Said::from(command.args(["teardown", "--data"]).arg(self.data()).output().unwrap())
    }

    /// The command lines of processes that have this world's folder in them.
    pub fn leftovers(&self) -> String {
        let needle = self.folder.path().to_string_lossy().into_owned();
        let mut found = String::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&needle) {
                found.push_str(&line);
                found.push('\n');
            }
        }
        found
    }
}

pub struct Server {
    child: Child,
    url: String,
    folder: PathBuf,
    admin: String,
}

impl Server {
    pub fn start(world: &World) -> Self {
        let child = launch(world);
        let url = format!("http://{}", world.listen);
        let mut server = Self { child, url, folder: world.folder.path().to_owned(), admin: String::new() };
        server.await_answer();
        server.admin = std::fs::read_to_string(world.data().join("admin-token")).unwrap().trim().to_owned();
        server
    }

    fn await_answer(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        eventually("the server answers", || {
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended: {}", self.last_words());
            is_ready(&address)
        });
    }

    fn last_words(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    pub fn kill_and_restart(&mut self, world: &World) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = launch(world);
        self.await_answer();
    }

    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn person(&self, token: &str) -> Person {
        Person { url: self.url.clone(), token: token.to_owned() }
    }

    fn make_person(&self, name: &str, group: &str) -> Person {
        let admin = self.person(&self.admin);
        assert_eq!(admin.sluice(&["users", "set", name, "--group", group]).code, 0);
        let token = admin.sluice(&["users", "token", name]);
        assert_eq!(token.code, 0, "{token:?}");
        self.person(token.stdout.lines().next().unwrap())
    }

    /// A shop with a developer and a manager.
    pub fn shop(&self) -> Shop {
        let developer = self.make_person("devi", "developers");
        let manager = self.make_person("mina", "managers");
        let folder = self.folder.join("shop");
        std::fs::create_dir_all(folder.join(".circleci")).unwrap();
        std::fs::write(folder.join(".circleci/config.yml"), pipeline(service())).unwrap();
        std::fs::write(folder.join("sluice.yaml"), POLICY).unwrap();
        let shop = Shop { folder, developer, manager };
        shop.git(&["init", "--quiet", "--initial-branch=master"]);
        let address = self.url.trim_start_matches("http://");
        shop.git(&[
            "remote",
            "add",
            "sluice",
            &format!("http://devi:{}@{address}/acme/shop.git", shop.developer.token),
        ]);
        shop
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- the server's log\n{}", self.last_words());
        }
    }
}

fn launch(world: &World) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(world.folder.path().join("server.log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["serve", "--listen", &world.listen, "--runner", "host", "--data"])
        .arg(world.data())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn is_ready(address: &str) -> bool {
    get(address, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A whole HTTP answer, headers included.
fn get(address: &str, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Somebody with a token and the command line.
pub struct Person {
    url: String,
    token: String,
}

impl Person {
    pub fn sluice(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(args).env("SLUICE_URL", &self.url).env("SLUICE_TOKEN", &self.token);
        command.env("SLUICE_REPOSITORY", "acme/shop").env("NO_COLOR", "1");
        Said::from(command.output().unwrap())
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let said = self.sluice(args);
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {said:?}"))
    }
}

/// A repository with one service, whose pipeline packs, tests, pushes and deploys it.
pub struct Shop {
    folder: PathBuf,
    pub developer: Person,
    pub manager: Person,
}

impl Shop {
    fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=Devi", "-c", "user.email=devi@example.com"])
            .args(args)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn token(&self) -> String {
        self.developer.token.clone()
    }

    pub fn push(&self, version: &str) {
        self.push_lying(version, version);
    }

    /// Commits a version whose service says another one.
    pub fn push_lying(&self, version: &str, said: &str) {
        std::fs::write(self.folder.join("VERSION"), version).unwrap();
        std::fs::write(self.folder.join("SAID"), said).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", version]);
        self.git(&["push", "--quiet", "sluice", "master"]);
    }

    /// Commits a version and pushes it; its run on the server is cancelled.
    pub fn push_and_cancel(&self, version: &str) {
        self.push(version);
        let mut number = 0;
        eventually("the push began a run", || {
            let runs = self.developer.json(&["runs", "--json"]);
            let run = runs.as_array().into_iter().flatten().find(|run| run["title"] == version);
            number = run.and_then(|run| run["number"].as_u64()).unwrap_or(0);
            number > 0
        });
        assert_eq!(self.developer.sluice(&["cancel", &number.to_string()]).code, 0);
        self.await_run(version, "cancelled");
    }

    /// Changes the version and commits nothing.
    pub fn write(&self, version: &str) {
        std::fs::write(self.folder.join("VERSION"), version).unwrap();
        std::fs::write(self.folder.join("SAID"), version).unwrap();
        self.git(&["add", "--all"]);
    }

    /// `sluice run` on the developer's own machine, whose jobs deliver to the server.
    pub fn run_here(&self) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(["run", "--runner", "host", "--approve", "all", "--deliver-to", "sluice"]);
        command.env("XDG_STATE_HOME", self.folder.with_extension("state")).env("NO_COLOR", "1");
        command.env("XDG_CONFIG_HOME", self.folder.with_extension("config")).current_dir(&self.folder);
        Said::from(command.stdin(Stdio::null()).output().unwrap())
    }

    pub fn run(&self, number: u64) -> Value {
        let runs = self.developer.json(&["runs", "--json"]);
        let runs = runs.as_array().cloned().unwrap_or_default();
        runs.into_iter().find(|run| run["number"] == number).unwrap_or(Value::Null)
    }

    /// The number of this version's run, once it stands so.
    pub fn await_run(&self, version: &str, state: &str) -> u64 {
        let mut number = 0;
        eventually(&format!("the run of {version} is {state}"), || {
            let runs = self.developer.json(&["runs", "--json"]);
            let run = runs.as_array().into_iter().flatten().find(|run| run["title"] == version);
            number = run.and_then(|run| run["number"].as_u64()).unwrap_or(0);
            run.is_some_and(|run| run["state"] == state)
        });
        number
    }

    fn environment(&self, name: &str) -> Value {
        let environments = self.developer.json(&["status", "--json"]);
        let environments = environments.as_array().cloned().unwrap_or_default();
        environments.into_iter().find(|environment| environment["name"] == name).unwrap_or(Value::Null)
    }

    pub fn live(&self, environment: &str) -> Option<String> {
        self.environment(environment)["live"]["version"].as_str().map(str::to_owned)
    }

    pub fn await_live(&self, environment: &str, version: &str) {
        eventually(&format!("{version} is live in {environment}"), || {
            self.live(environment).as_deref() == Some(version)
        });
    }

    /// The version that the environment's own address answers with.
    pub fn served(&self, environment: &str) -> String {
        let address = self.environment(environment)["live"]["addresses"]["app"].as_str().unwrap().to_owned();
        let answer = get(address.trim_start_matches("http://"), "/version").unwrap();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap();
        let version: Value = serde_json::from_str(&body).unwrap();
        version["version"].as_str().unwrap().to_owned()
    }
}

/// A small service, built once.
fn service() -> &'static Path {
    static SERVICE: OnceLock<PathBuf> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join(format!("service-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/sample_service.rs");
        let built = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
            .args([
                "--edition",
                "2024",
                "-O",
                "-C",
                "target-feature=+crt-static",
                "-C",
                "strip=symbols",
                "-o",
            ])
            .arg(&program)
            .arg(source)
            .status()
            .unwrap();
        assert!(built.success());
        program
    })
}

const POLICY: &str = "\
name: shop
release: { on: { branches: [master] } }
services:
  app: { image: shop/app, port: 8000, health: /healthz, version: /version }
environments:
  dev: { verify_for: 200ms }
  production: { approve: { by: [managers] }, verify_for: 300ms }
";

fn pipeline(service: &Path) -> String {
    let service = service.display();
    format!(
        r#"version: 2.1
executors:
  any: {{ docker: [{{ image: none }}] }}
jobs:
  build:
    executor: any
    steps:
      - checkout
      - run: |
          mkdir root images
          cp {service} root/server
          printf '%s %s' "$(cat SAID)" "$CIRCLE_SHA1" > root/release.txt
          sluice image pack root=/ --to "oci-archive:images/app.tar:v" --entrypoint /server --workdir / \
            --label "org.opencontainers.image.version=$(cat VERSION)" --label "org.opencontainers.image.revision=$CIRCLE_SHA1"
      - persist_to_workspace: {{ root: ., paths: [images] }}
  test:
    executor: any
    steps:
      - attach_workspace: {{ at: . }}
      - run: |
          echo "tested: $(sluice image ls oci-archive:images/app.tar | awk '/^v /{{ print $2 }}')"
  push:
    executor: any
    steps:
      - attach_workspace: {{ at: . }}
      - run: sluice image copy oci-archive:images/app.tar:v "$SLUICE_REGISTRY/shop/app:$CIRCLE_SHA1"
  deploy:
    executor: any
    parameters: {{ environment: {{ type: string }} }}
    steps:
      - run: sluice deploy << parameters.environment >> --tag "$CIRCLE_SHA1"
workflows:
  deliver:
    jobs:
      - build
      - test: {{ requires: [build] }}
      - push: {{ requires: [test] }}
      - deploy: {{ name: deploy-dev, environment: dev, requires: [push] }}
      - approve-production: {{ type: approval, requires: [deploy-dev] }}
      - deploy: {{ name: deploy-production, environment: production, requires: [approve-production] }}
"#
    )
}
