//! One rollout in a process of its own, to be killed: `deploy_process rollout FOLDER CATALOG SPEC.json`; and the proxy
//! that it starts: `deploy_process proxy --state DIR`.

#[path = "../tests/it/catalog.rs"]
mod catalog;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use catalog::Catalog;
use sluice_deploy::{Deployer, DeployerOptions, RolloutSpec};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["proxy", "--state", state] => {
            sluice_proxy::serve(sluice_proxy::Options::new(state)).await.map_err(|error| error.to_string())
        }
        ["rollout", folder, catalog, spec] => rollout(folder, catalog, spec).await,
        _ => Err("usage: deploy_process proxy --state DIR | rollout FOLDER CATALOG SPEC".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn rollout(folder: &str, catalog: &str, spec: &str) -> Result<(), String> {
    let text = std::fs::read(spec).map_err(|error| error.to_string())?;
    let spec: RolloutSpec = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let options = DeployerOptions {
        folder: PathBuf::from(folder),
        owner: catalog::owner(Path::new(folder)),
        binary: std::env::current_exe().map_err(|error| error.to_string())?,
        images: Arc::new(Catalog::at(Path::new(catalog))),
        engine: None,
    };
    let deployer = Deployer::open(options).map_err(|error| error.to_string())?;
    deployer.rollout(&spec, |step| println!("{step}")).await.map_err(|error| error.to_string())?;
    Ok(())
}
