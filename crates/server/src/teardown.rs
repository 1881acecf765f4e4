use std::path::Path;
use std::sync::{Arc, OnceLock};

use sluice_deploy::{Deployer, DeployerOptions};
use sluice_docker::Engine;
use sluice_runner::{Runner, RunnerConfig};

use crate::images::{Puller, RegistryImages};
use crate::serve::owner;

/// Stops and removes everything that the server of this data folder has started and that outlives it: services, the
/// proxy, containers and networks, and what jobs that were killed have left. The data stays.
///
/// # Errors
/// Something could not be stopped or removed; calling again goes on.
pub async fn teardown(data: &Path, sluice_binary: &Path) -> anyhow::Result<()> {
    if !data.is_dir() {
        return Ok(());
    }
    let images = RegistryImages { registry: OnceLock::new(), host: String::new(), puller: Puller::new() };
    let deployer = Deployer::open(DeployerOptions {
        folder: data.join("deploy"),
        owner: owner(data)?,
        binary: sluice_binary.to_owned(),
        images: Arc::new(images),
        engine: Engine::connect().await.ok(),
    })?;
    deployer.teardown().await?;
    Runner::new(RunnerConfig::new(data)).await?.sweep().await?;
    Ok(())
}
