//! How long a rollout and a rollback take on the host: `cargo run --release -p sluice-deploy --example bench_rollout`.
//!
//! The service is `sample_service`, built beside this program; it is ready as soon as it listens.

#[path = "../tests/it/catalog.rs"]
mod catalog;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use catalog::Catalog;
use sluice_deploy::{
    Deployer, DeployerOptions, ImageProcess, ImageRef, RolloutKey, RolloutLimits, RolloutSpec, ServiceSpec,
    Target,
};
use sluice_model::{CommitSha, Digest, EnvironmentName, ServiceName};

const ROUNDS: u64 = 20;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, flag, state] = args.as_slice()
        && verb == "proxy"
        && flag == "--state"
    {
        sluice_proxy::serve(sluice_proxy::Options::new(state)).await.expect("the proxy");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program");
    let service = program.parent().expect("its folder").join("sample_service");
    let catalog = folder.path().join("catalog");
    let state = folder.path().join("deploy");
    let deployer = Deployer::open(DeployerOptions {
        owner: catalog::owner(&state),
        folder: state,
        binary: program,
        images: Arc::new(Catalog::at(&catalog)),
        engine: None,
    })
    .expect("a deployer");

    deployer.rollout(&spec(&catalog, &service, 0, 0), |_| {}).await.expect("the first release");
    let (mut forward, mut back) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (key, release, times) in [(2 * round, round, &mut forward), (2 * round + 1, round - 1, &mut back)]
        {
            let spec = spec(&catalog, &service, key, release);
            let began = Instant::now();
            let report = deployer.rollout(&spec, |_| {}).await.expect("a rollout");
            times.push((began.elapsed().as_secs_f64() * 1000.0, report.until_switch_ms + report.switch_ms));
        }
        let spec = spec(&catalog, &service, 1000 + round, round);
        deployer.rollout(&spec, |_| {}).await.expect("the way forward again");
    }
    for (name, mut times) in [("rollout of a new release", forward), ("rollback to a kept release", back)] {
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (whole, switched) = times[times.len() / 2];
        println!(
            "{name}: {whole:.0} ms, of which {switched} ms until all requests go to it (median of {ROUNDS})"
        );
    }
    deployer.teardown().await.expect("the end");
}

fn spec(catalog: &Path, service: &Path, key: u64, release: u64) -> RolloutSpec {
    let hex = format!("{release:064x}");
    let digest: Digest = format!("sha256:{hex}").parse().expect("a digest");
    let commit: CommitSha = format!("{release:040x}").parse().expect("a commit");
    let image = catalog.join(digest.hex());
    if !image.exists() {
        fs::create_dir_all(image.join("root")).expect("an image");
        fs::copy(service, image.join("root/server")).expect("the sample service beside this program");
        fs::write(image.join("root/release.txt"), format!("{release}.0 {commit}")).expect("its release");
        let process = ImageProcess { argv: vec!["/server".to_owned()], ..ImageProcess::default() };
        let process = serde_json::to_vec(&process).expect("its process");
        fs::write(image.join("process.json"), process).expect("its process");
    }
    RolloutSpec {
        key: RolloutKey::new(key.to_string()),
        repository: "acme/shop".parse().expect("a name"),
        environment: EnvironmentName::new("production"),
        version: format!("{release}.0"),
        commit,
        target: Target::Host,
        services: vec![ServiceSpec {
            name: ServiceName::new("api"),
            image: ImageRef { repository: "shop/api".to_owned(), digest },
            port: 8000,
            health_path: "/healthz".to_owned(),
            version_path: Some("/version".to_owned()),
            env: BTreeMap::new(),
            replicas: 1,
            depends_on: Vec::new(),
            route_port: None,
        }],
        keep: 1,
        limits: RolloutLimits { verify_for_ms: 0, ..RolloutLimits::default() },
    }
}
