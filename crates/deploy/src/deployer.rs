use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_docker::Engine;
use sluice_model::{CommitSha, EnvironmentName, RepositoryName, ServiceName};
use sluice_proxy::Control;
use tokio::sync::Mutex;

use crate::environment::Environment;
use crate::failure::{LedgerError, RolloutFailed};
use crate::images::Images;
use crate::instances::Instances;
use crate::ledger::{self, Ledger};
use crate::record::InstanceRecord;
use crate::routes::Routes;
use crate::spec::{RolloutSpec, Target};

/// How often outputs are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// What a [`Deployer`] needs.
pub struct DeployerOptions {
    /// Its state folder, for nobody else: a folder below the data folder.
    pub folder: PathBuf,
    /// Names the data folder: on containers, networks and processes. Letters, digits and dashes, the same at every start.
    pub owner: String,
    /// The program that is run as `BINARY proxy --state …`: this one's own path.
    pub binary: PathBuf,
    pub images: Arc<dyn Images>,
    /// None: [`Target::Docker`] is refused.
    pub engine: Option<Engine>,
}

type Environments = HashMap<(RepositoryName, EnvironmentName), Arc<Environment>>;

/// Carries out rollouts. Cheap to clone; all clones share one state. One process at a time may use a state folder.
#[derive(Clone)]
pub struct Deployer {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) instances: Arc<Instances>,
    binary: Arc<PathBuf>,
    environments: Arc<Mutex<Environments>>,
    starting_proxy: Arc<Mutex<()>>,
}

/// What is deployed in one environment, as it was written down; [`Deployer::check`] says whether it still is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    pub repository: RepositoryName,
    pub environment: EnvironmentName,
    pub live: Option<ReleaseStatus>,
    /// Running for a rollback, newest first.
    pub kept: Vec<ReleaseStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStatus {
    pub version: String,
    pub commit: CommitSha,
    pub is_faulty: bool,
    pub instances: Vec<InstanceStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    pub id: String,
    pub service: ServiceName,
    pub target: Target,
    pub address: std::net::SocketAddr,
    /// The process on this machine, in a container or not.
    pub pid: Option<i32>,
}

impl Deployer {
    /// Opens the state folder and goes on with what a predecessor left undone: instances that were being stopped.
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(options: DeployerOptions) -> Result<Self, LedgerError> {
        let DeployerOptions { folder, owner, binary, images, engine } = options;
        let ledger = Arc::new(Ledger::open(&folder)?);
        let instances = Arc::new(Instances::new(ledger.clone(), images, engine, &owner));
        let deployer = Self {
            instances: instances.clone(),
            binary: Arc::new(binary),
            environments: Arc::default(),
            starting_proxy: Arc::default(),
            ledger: ledger.clone(),
        };
        let unstopped = ledger.instances()?.into_iter().filter(|record| record.is_stopping).collect();
        deployer.stop_in_background(unstopped);
        tokio::spawn(keep_house(Arc::downgrade(&instances)));
        Ok(deployer)
    }

    /// The proxy of this data folder, started if it does not run: after a restart of the machine this is what brings
    /// the routes back.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn proxy(&self) -> Result<Control, RolloutFailed> {
        let control = Control::new(self.ledger.proxy_folder());
        if control.status().await.is_ok() {
            return Ok(control);
        }
        let _one = self.starting_proxy.lock().await;
        Ok(sluice_proxy::ensure_running(&self.ledger.proxy_folder(), &self.binary).await?)
    }

    /// What is deployed, environment by environment.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn environments(&self) -> Result<Vec<EnvironmentStatus>, LedgerError> {
        let instances = self.ledger.instances()?;
        let instance = |record: &InstanceRecord| InstanceStatus {
            id: record.id.to_string(),
            service: record.service.clone(),
            target: record.target,
            address: record.address,
            pid: record.process.map(|process| process.pid),
        };
        let release = |release: crate::record::ReleaseRecord| ReleaseStatus {
            instances: instances
                .iter()
                .filter(|record| release.instances.contains(&record.id))
                .map(instance)
                .collect(),
            version: release.version,
            commit: release.commit,
            is_faulty: release.is_faulty,
        };
        let records = self.ledger.environments()?.into_iter();
        Ok(records
            .map(|record| EnvironmentStatus {
                repository: record.repository,
                environment: record.environment,
                live: record.live.map(release),
                kept: record.kept.into_iter().map(release).collect(),
            })
            .collect())
    }

    /// Stops and removes everything that this data folder has deployed: the proxy, processes, containers, the
    /// network, images and the state itself. Rollouts must not run meanwhile.
    ///
    /// # Errors
    /// What went wrong first; the state then stays, so that a repeat goes on.
    pub async fn teardown(&self) -> Result<(), RolloutFailed> {
        let proxy = sluice_proxy::stop(&self.ledger.proxy_folder()).await;
        self.instances.stop_everything().await?;
        proxy?;
        self.environments.lock().await.clear();
        ledger::remove(self.ledger.folder())?;
        Ok(())
    }

    pub(crate) async fn environment(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<Arc<Environment>, LedgerError> {
        let mut environments = self.environments.lock().await;
        let key = (repository.clone(), environment.clone());
        if let Some(known) = environments.get(&key) {
            return Ok(known.clone());
        }
        let read = Arc::new(Environment::new(self.ledger.environment(repository, environment)?));
        environments.insert(key, read.clone());
        Ok(read)
    }

    /// The routes of a release's services, made if they are missing.
    pub(crate) async fn routes(&self, spec: &RolloutSpec) -> Result<Routes, RolloutFailed> {
        let proxy = self.proxy().await?;
        let gateway = self.instances.gateway(spec.target).await?;
        let statuses = proxy.open(Routes::orders(spec, gateway)?).await?;
        Ok(Routes::new(spec, &statuses, gateway))
    }

    /// Stops instances while the caller goes on; those that are not stopped when the process ends are stopped by the
    /// next one.
    pub(crate) fn stop_in_background(&self, records: Vec<InstanceRecord>) {
        for record in records {
            let instances = self.instances.clone();
            tokio::spawn(async move {
                let (id, outcome) = (record.id.clone(), instances.stop(record).await);
                let outcome = match outcome {
                    Ok(()) => instances.sweep_images().await,
                    failed => failed,
                };
                if let Err(error) = outcome {
                    tracing::warn!(instance = %id, %error, "an instance is not stopped yet; the next sweep tries again");
                }
            });
        }
    }
}

impl fmt::Debug for Deployer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployer").field("folder", &self.ledger.folder()).finish_non_exhaustive()
    }
}

async fn keep_house(instances: Weak<Instances>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        let Some(instances) = instances.upgrade().filter(|instances| !instances.is_torn_down()) else {
            return;
        };
        if let Err(error) = instances.cap_outputs() {
            tracing::warn!(%error, "an instance's output could not be cut");
        }
        if let Err(error) = instances.sweep_containers().await {
            tracing::warn!(%error, "containers that are not known any more could not be removed");
        }
        if let Err(error) = instances.sweep_images().await {
            tracing::warn!(%error, "images that are not used any more could not be removed");
        }
    }
}
