use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, PoisonError};

use sluice_docker::Engine;
use tokio::sync::Mutex;

use crate::containers::Containers;
use crate::failure::{LedgerError, RolloutFailed};
use crate::host::{self, Host};
use crate::image_folder::ImageFolders;
use crate::images::Images;
use crate::ledger::Ledger;
use crate::record::{InstanceId, InstanceRecord, ProcessMark};
use crate::spec::{RolloutSpec, ServiceSpec, Target};

/// Ports for instances: below the range from which Linux takes the ports of outgoing connections, above the proxy's.
const FIRST_PORT: u16 = 30_000;
const PORTS: u16 = 2_700;
/// How much of a dead instance's output a message tells.
const LAST_LINES: usize = 10;

/// Every instance of a data folder, on either target.
pub struct Instances {
    ledger: Arc<Ledger>,
    images: Arc<dyn Images>,
    folders: ImageFolders,
    host: Host,
    containers: Option<Containers>,
    next_port: AtomicU16,
    /// From the choice of a port to its record.
    choosing: Mutex<()>,
    /// What this process stops just now.
    stopping: std::sync::Mutex<HashSet<InstanceId>>,
}

/// What an instance is started with: its identity, as far as a change of it needs another instance.
pub struct Recipe<'a> {
    pub spec: &'a RolloutSpec,
    pub service: &'a ServiceSpec,
    /// Without `PORT`.
    pub env: Vec<(String, String)>,
    pub fingerprint: String,
}

impl<'a> Recipe<'a> {
    pub fn new(
        ledger: &Ledger,
        spec: &'a RolloutSpec,
        service: &'a ServiceSpec,
        urls: &[(String, String)],
    ) -> Self {
        let declared = |name: &str| service.env.contains_key(name);
        let env: Vec<(String, String)> = urls
            .iter()
            .filter(|(name, _)| !declared(name))
            .cloned()
            .chain(service.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())))
            .collect();
        let fingerprint = ledger.fingerprint(&(&service.image, spec.target, service.port, &env));
        Self { spec, service, env, fingerprint }
    }
}

/// Whether an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    Running(ProcessMark),
    Ended { how: String },
}

impl Instances {
    pub fn new(ledger: Arc<Ledger>, images: Arc<dyn Images>, engine: Option<Engine>, owner: &str) -> Self {
        Self {
            folders: ImageFolders::new(ledger.image_folder(), images.clone()),
            host: Host::new(owner),
            containers: engine.map(|engine| Containers::new(engine, owner)),
            next_port: AtomicU16::new(rand::random::<u16>() % PORTS),
            choosing: Mutex::new(()),
            stopping: std::sync::Mutex::default(),
            ledger,
            images,
        }
    }

    fn containers(&self) -> Result<&Containers, RolloutFailed> {
        self.containers
            .as_ref()
            .ok_or_else(|| RolloutFailed::NoEngine { reason: "none answered when Sluice started".to_owned() })
    }

    /// Where instances of a target find this machine, beside 127.0.0.1.
    ///
    /// # Errors
    /// When there is no engine, or it fails.
    pub async fn gateway(&self, target: Target) -> Result<Option<IpAddr>, RolloutFailed> {
        match target {
            Target::Host => Ok(None),
            Target::Docker => Ok(Some(self.containers()?.gateway().await?)),
        }
    }

    /// The instance of this recipe that runs already, if there is one.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or the engine fails.
    pub async fn adopt(
        &self,
        recipe: &Recipe<'_>,
        replica: u32,
    ) -> Result<Option<InstanceRecord>, RolloutFailed> {
        let fits = |record: &InstanceRecord| {
            record.is_of(recipe.spec)
                && record.service == recipe.service.name
                && record.replica == replica
                && record.fingerprint == recipe.fingerprint
                && !record.is_stopping
        };
        for mut record in self.ledger.instances()?.into_iter().filter(fits) {
            if let Life::Running(process) = self.life(&record).await? {
                if record.process.is_none() {
                    record.process = Some(process);
                    self.ledger.save_instance(&record).await?;
                }
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Starts a new instance. Its record is on disk before anything runs.
    ///
    /// # Errors
    /// When the image is not to be had, or does not start.
    pub async fn start(
        &self,
        recipe: &Recipe<'_>,
        replica: u32,
        fetching: impl FnOnce(),
    ) -> Result<InstanceRecord, RolloutFailed> {
        let (spec, service) = (recipe.spec, recipe.service);
        let no_image = |reason| RolloutFailed::Image {
            service: service.name.clone(),
            image: service.image.to_string(),
            reason,
        };
        let not_started = |reason| RolloutFailed::NotStarted { service: service.name.clone(), reason };
        let _images = self.ledger.use_images().await?;
        match spec.target {
            Target::Host => {
                let image = self.folders.get(&service.image, fetching).await.map_err(no_image)?;
                let mut record = self.write_down(recipe, replica).await?;
                let mut env = recipe.env.clone();
                env.push(("PORT".to_owned(), record.address.port().to_string()));
                record.process =
                    Some(self.host.start(&self.ledger, &record, &image, &env).await.map_err(not_started)?);
                self.ledger.save_instance(&record).await?;
                Ok(record)
            }
            Target::Docker => {
                let containers = self.containers()?;
                self.ledger.note_engine_image(&service.image).await?;
                let image =
                    containers.fetch(&service.image, &*self.images, fetching).await.map_err(no_image)?;
                let mut record = self.write_down(recipe, replica).await?;
                let mut env = recipe.env.clone();
                env.push(("PORT".to_owned(), service.port.to_string()));
                let started = containers.start(&record, image, service.port, env).await;
                started.map_err(|error| not_started(error.to_string()))?;
                if let Life::Running(process) = self.life(&record).await? {
                    record.process = Some(process);
                    self.ledger.save_instance(&record).await?;
                }
                Ok(record)
            }
        }
    }

    async fn write_down(&self, recipe: &Recipe<'_>, replica: u32) -> Result<InstanceRecord, RolloutFailed> {
        let _one = self.choosing.lock().await;
        let (spec, service) = (recipe.spec, recipe.service);
        let record = InstanceRecord {
            id: InstanceId::new(&service.name, replica),
            repository: spec.repository.clone(),
            environment: spec.environment.clone(),
            service: service.name.clone(),
            replica,
            fingerprint: recipe.fingerprint.clone(),
            image: service.image.clone(),
            target: spec.target,
            address: self.free_address()?,
            process: None,
            stop_within_ms: spec.limits.stop_within_ms,
            is_stopping: false,
        };
        self.ledger.save_instance(&record).await?;
        Ok(record)
    }

    /// An address that nobody listens on and no instance was given.
    fn free_address(&self) -> Result<SocketAddr, RolloutFailed> {
        let given = self.ledger.instances()?;
        let free = |address: &SocketAddr| {
            !given.iter().any(|record| record.address == *address)
                && std::net::TcpListener::bind(address).is_ok()
        };
        (0..PORTS)
            .map(|_| FIRST_PORT + self.next_port.fetch_add(1, Ordering::Relaxed) % PORTS)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .find(free)
            .ok_or_else(|| RolloutFailed::Invalid {
                reason: "no port is free for another instance".to_owned(),
            })
    }

    /// # Errors
    /// When the engine fails.
    pub async fn life(&self, record: &InstanceRecord) -> Result<Life, RolloutFailed> {
        match record.target {
            Target::Host => Ok(match self.host.find(record) {
                Some(process) => Life::Running(process),
                None => Life::Ended { how: self.host.how_it_ended(&record.id).await },
            }),
            Target::Docker => {
                let Some(found) = self.containers()?.inspect(record).await? else {
                    return Ok(Life::Ended { how: "was removed".to_owned() });
                };
                // While the engine waits to restart it, it says that it runs; but there is no process.
                let pid = found.pid.filter(|_| found.running).and_then(|pid| i32::try_from(pid).ok());
                Ok(match (pid, found.exit_code) {
                    (Some(pid), _) => Life::Running(ProcessMark { pid, start_time: 0 }),
                    (None, _) if found.oom_killed => Life::Ended { how: "ran out of memory".to_owned() },
                    (None, Some(code)) => Life::Ended { how: format!("ended with exit code {code}") },
                    (None, None) => Life::Ended { how: "ended".to_owned() },
                })
            }
        }
    }

    pub async fn last_lines(&self, record: &InstanceRecord) -> Vec<String> {
        match (record.target, &self.containers) {
            (Target::Docker, Some(containers)) => containers.last_lines(record, LAST_LINES).await,
            _ => host::last_lines(&self.ledger.instance_folder(&record.id), LAST_LINES),
        }
    }

    pub fn is_stopping_now(&self, id: &InstanceId) -> bool {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Stops an instance and forgets it. Its record says so first, and goes last. Does nothing when it is at it
    /// already.
    ///
    /// # Errors
    /// When the engine or the ledger fails; the record stays then, and the next sweep tries again.
    pub async fn stop(&self, record: InstanceRecord) -> Result<(), RolloutFailed> {
        let id = record.id.clone();
        if !self.stopping.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone()) {
            return Ok(());
        }
        let outcome = self.stop_now(record).await;
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        outcome
    }

    async fn stop_now(&self, mut record: InstanceRecord) -> Result<(), RolloutFailed> {
        if !record.is_stopping {
            record.is_stopping = true;
            self.ledger.save_instance(&record).await?;
        }
        match record.target {
            Target::Host => self.host.stop(&record).await,
            Target::Docker => self.containers()?.stop(&record).await?,
        }
        self.ledger.forget_instance(&record.id)?;
        Ok(())
    }

    /// Removes containers that no record tells of: the engine may end the making of one after the server that asked
    /// for it was killed, and after the next one has forgotten it. A record comes before its container and goes after
    /// it, so containers are looked at first.
    ///
    /// # Errors
    /// When the ledger or the engine fails.
    pub async fn sweep_containers(&self) -> Result<(), RolloutFailed> {
        let Some(containers) = &self.containers else { return Ok(()) };
        if self.ledger.engine_images()?.is_empty() {
            return Ok(());
        }
        let found = containers.list().await?;
        let known = self.ledger.instances()?;
        let is_known = |instance: &str| known.iter().any(|record| record.id.as_str() == instance);
        for (container, _) in found.iter().filter(|(_, instance)| !is_known(instance)) {
            containers.remove(container).await?;
        }
        Ok(())
    }

    /// Removes images that no instance uses; not while one is started.
    ///
    /// # Errors
    /// When the ledger or the engine fails.
    pub async fn sweep_images(&self) -> Result<(), RolloutFailed> {
        let Some(_lock) = self.ledger.sweep_images()? else { return Ok(()) };
        let used: Vec<_> = self.ledger.instances()?.into_iter().map(|record| record.image).collect();
        self.folders.sweep(&used);
        // Without an engine the notes stay, for when there is one again.
        let Some(containers) = &self.containers else { return Ok(()) };
        for image in self.ledger.engine_images()?.iter().filter(|image| !used.contains(image)) {
            containers.remove_image(image).await?;
            self.ledger.forget_engine_image(image)?;
        }
        Ok(())
    }

    /// The state folder is gone: everything was torn down.
    pub fn is_torn_down(&self) -> bool {
        !self.ledger.folder().exists()
    }

    /// # Errors
    /// What the system says.
    pub fn cap_outputs(&self) -> Result<(), LedgerError> {
        for record in self.ledger.instances()? {
            let folder = self.ledger.instance_folder(&record.id);
            host::cap_output(&folder).map_err(|source| LedgerError::Io { path: folder, source })?;
        }
        Ok(())
    }

    /// Stops and removes all that this data folder has ever started.
    ///
    /// # Errors
    /// What went wrong first; everything else is tried all the same.
    pub async fn stop_everything(&self) -> Result<(), RolloutFailed> {
        let records = self.ledger.instances()?;
        let grace_ms = records.iter().map(|record| record.stop_within_ms).max().unwrap_or(1_000);
        let images = self.ledger.engine_images()?;
        let containers = async {
            match &self.containers {
                Some(containers) => containers.remove_everything(&images).await,
                None => Ok(()),
            }
        };
        let processes = self.host.stop_everything(std::time::Duration::from_millis(grace_ms));
        let ((), outcome) = tokio::join!(processes, containers);
        for record in &records {
            self.ledger.forget_instance(&record.id)?;
        }
        outcome
    }
}
