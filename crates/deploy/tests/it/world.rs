use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use sluice_deploy::{
    Deployer, DeployerOptions, EnvValue, ImageProcess, ImageRef, Progress, RolloutFailed, RolloutKey,
    RolloutLimits, RolloutReport, RolloutSpec, ServiceSpec, Target,
};
use sluice_docker::Engine;
use sluice_model::{CommitSha, Digest, EnvironmentName, ServiceName};
use tokio::net::TcpStream;

use crate::catalog::{self, Catalog};

/// A data folder with a deployer. What it started ends with it.
pub struct World {
    pub folder: tempfile::TempDir,
    pub deployer: Deployer,
    engine: Option<Engine>,
    pub target: Target,
}

/// A program that cargo has built beside this test.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: build it with `cargo build --examples`", program.display());
    program
}

impl World {
    pub fn on_host() -> Self {
        Self::new(Target::Host, None)
    }

    pub fn new(target: Target, engine: Option<Engine>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let deployer = Self::open(folder.path(), engine.clone());
        Self { folder, deployer, engine, target }
    }

    fn open(folder: &Path, engine: Option<Engine>) -> Deployer {
        let options = DeployerOptions {
            folder: folder.join("deploy"),
            owner: catalog::owner(&folder.join("deploy")),
            binary: example("deploy_process"),
            images: Arc::new(Catalog::at(&folder.join("catalog"))),
            engine,
        };
        Deployer::open(options).unwrap()
    }

    pub fn owner(&self) -> String {
        catalog::owner(&self.folder.path().join("deploy"))
    }

    /// As a new process would find things.
    pub fn reopen(&mut self) {
        self.deployer = Self::open(self.folder.path(), self.engine.clone());
    }

    /// A release of `api` whose image says `version`.
    pub fn release(&self, key: &str, version: &str) -> RolloutSpec {
        let image = self.image("api", version);
        RolloutSpec {
            key: RolloutKey::new(key),
            repository: "acme/shop".parse().unwrap(),
            environment: EnvironmentName::new("production"),
            version: version.to_owned(),
            commit: commit(version),
            target: self.target,
            services: vec![service("api", image)],
            keep: 1,
            limits: RolloutLimits {
                ready_within_ms: 20_000,
                verify_for_ms: 0,
                drain_within_ms: 10_000,
                stop_within_ms: 2_000,
            },
        }
    }

    /// An image in the catalog: the sample service with its release in a file.
    pub fn image(&self, name: &str, version: &str) -> ImageRef {
        let digest = digest(&format!("{name} {version}"));
        let folder = self.folder.path().join("catalog").join(digest.hex());
        let root = folder.join("root");
        fs::create_dir_all(&root).unwrap();
        fs::copy(example("sample_service"), root.join("server")).unwrap();
        fs::write(root.join("release.txt"), format!("{version} {}", commit(version))).unwrap();
        let process = ImageProcess {
            argv: vec!["/server".to_owned()],
            env: vec![("FROM_IMAGE".to_owned(), "yes".to_owned())],
            working_dir: "/".to_owned(),
        };
        fs::write(folder.join("process.json"), serde_json::to_vec(&process).unwrap()).unwrap();
        ImageRef { repository: format!("shop/{name}"), digest }
    }

    pub async fn rollout(&self, spec: &RolloutSpec) -> Result<(RolloutReport, Vec<Progress>), RolloutFailed> {
        let mut steps = Vec::new();
        let report = self.deployer.rollout(spec, |step| steps.push(step)).await?;
        Ok((report, steps))
    }

    /// The rollout, which must work; and the address of the first service's route.
    pub async fn deploy(&self, spec: &RolloutSpec) -> (RolloutReport, SocketAddr) {
        let (report, _) = self.rollout(spec).await.unwrap();
        let address = address(&report, 0);
        (report, address)
    }

    /// Processes of this account that carry this data folder's mark.
    pub fn processes(&self) -> Vec<i32> {
        let mark = format!("SLUICE_OWNER={}", self.owner());
        let pids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let carries = |pid: &i32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|line| line == mark.as_bytes()))
        };
        pids.filter(carries).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let deployer = self.deployer.clone();
        let end = || tokio::runtime::Runtime::new().unwrap().block_on(deployer.teardown());
        let ended = std::thread::scope(|scope| scope.spawn(end).join());
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

pub fn service(name: &str, image: ImageRef) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new(name),
        image,
        port: 8000,
        health_path: "/healthz".to_owned(),
        version_path: Some("/version".to_owned()),
        env: BTreeMap::new(),
        replicas: 1,
        depends_on: Vec::new(),
        route_port: None,
    }
}

pub fn with_env(mut spec: RolloutSpec, name: &str, value: &str) -> RolloutSpec {
    spec.services[0].env.insert(name.to_owned(), EnvValue::new(value));
    spec
}

pub fn digest(of: &str) -> Digest {
    let hex: String = of.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex:0<64}").parse().unwrap()
}

pub fn commit(of: &str) -> CommitSha {
    let hex: String = of.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<40}").parse().unwrap()
}

pub fn address(report: &RolloutReport, service: usize) -> SocketAddr {
    report.services[service].url.strip_prefix("http://").unwrap().parse().unwrap()
}

pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "shop").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

pub async fn says(address: SocketAddr, path: &str) -> String {
    let (status, body) = get(address, path).await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "it never happened that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Requests to an address, one after the other, until it is told to end.
pub struct Load {
    going: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    pub fn on(address: SocketAddr) -> Self {
        let (going, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (goes, count) = (going.clone(), answered.clone());
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            while goes.load(Ordering::SeqCst) {
                match get(address, "/").await {
                    Ok((200, _)) => drop(count.fetch_add(1, Ordering::SeqCst)),
                    other => failures.push(format!("{other:?}")),
                }
            }
            failures
        });
        Self { going, answered, task }
    }

    pub async fn end_without_failures(self) {
        let enough = self.answered.load(Ordering::SeqCst) + 20;
        until("requests are answered", async || self.answered.load(Ordering::SeqCst) >= enough).await;
        self.going.store(false, Ordering::SeqCst);
        assert_eq!(self.task.await.unwrap(), Vec::<String>::new());
    }
}
