use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt;
use sluice_docker::{
    AttachedOutput, ContainerFound, ContainerInspected, ContainerSpec, Engine, EngineError, Labels,
    PortPublish, Protocol, RegistryCredentials, Restart,
};
use tokio::sync::Mutex;

use crate::failure::RolloutFailed;
use crate::images::Images;
use crate::ledger::slug;
use crate::record::InstanceRecord;
use crate::spec::ImageRef;

const LABEL_INSTANCE: &str = "sluice.instance";
const LABEL_ENVIRONMENT: &str = "sluice.environment";
const LABEL_SERVICE: &str = "sluice.service";
/// On the network of a data folder.
const LABEL_NETWORK: &str = "sluice.network";

/// Instances as containers.
///
/// A container publishes its port on a port of 127.0.0.1 that is chosen before it is made: so it keeps its address
/// when the engine restarts it (its address in the network changes then), nobody outside this machine reaches it past
/// the proxy, and an image may listen on a fixed port, for old and new have networks of their own. Containers reach
/// each other through the proxy, which also listens on the gateway of their network: no host networking, and nothing
/// that Engine 20.10 does not have.
#[derive(Debug)]
pub struct Containers {
    engine: Engine,
    owner: String,
    /// One at a time: the engine takes two networks, and two pulls, of the same name.
    making: Mutex<()>,
}

impl Containers {
    pub fn new(engine: Engine, owner: &str) -> Self {
        Self { engine, owner: owner.to_owned(), making: Mutex::new(()) }
    }

    fn network_name(&self) -> String {
        format!("sluice-{}", slug(&self.owner))
    }

    fn network_labels(&self) -> Labels {
        Labels::of_owner(&self.owner).with(LABEL_NETWORK, "deploy")
    }

    fn container_name(&self, record: &InstanceRecord) -> String {
        format!("sluice-{}-{}", slug(record.environment.as_str()), record.id)
    }

    /// The network of this data folder, made if it is missing; its gateway is where containers find this machine.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn gateway(&self) -> Result<IpAddr, EngineError> {
        let _one = self.making.lock().await;
        let name = self.network_name();
        if self.engine.list_networks(&self.network_labels()).await?.is_empty() {
            self.engine.create_network(&name, &self.network_labels()).await?;
        }
        self.engine.network_gateway(&name).await
    }

    /// Brings the image to the engine, unless it is there. It is then known by its digest alone, so that a rollback
    /// needs neither the registry nor its address of that time.
    ///
    /// # Errors
    /// A sentence for a person.
    pub async fn fetch(
        &self,
        image: &ImageRef,
        images: &dyn Images,
        fetching: impl FnOnce(),
    ) -> Result<String, String> {
        let _one = self.making.lock().await;
        let local = self.local_name(image);
        let found = self.engine.inspect_image(&local).await.map_err(|error| error.to_string())?;
        if found.is_some() {
            return Ok(local);
        }
        fetching();
        let source = images.pull_source(image);
        let reference = format!("{}/{}@{}", source.registry, image.repository, image.digest);
        let credentials = RegistryCredentials {
            username: source.username,
            password: source.password,
            server: source.registry,
        };
        let pulled = self.engine.pull_image(&reference, Some(&credentials), |_| {}).await;
        pulled.map_err(|error| error.to_string())?;
        self.engine.tag_image(&reference, &local).await.map_err(|error| error.to_string())?;
        // Else the registry's name would hold the image when it is removed by the other.
        self.engine.remove_image(&reference).await.map_err(|error| error.to_string())?;
        Ok(local)
    }

    fn local_name(&self, image: &ImageRef) -> String {
        format!("sluice-{}:{}", slug(&self.owner), image.digest.hex())
    }

    /// # Errors
    /// What the engine says.
    pub async fn remove_image(&self, image: &ImageRef) -> Result<(), EngineError> {
        self.engine.remove_image(&self.local_name(image)).await
    }

    /// Makes and starts the container of an instance whose record is written already.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn start(
        &self,
        record: &InstanceRecord,
        image: String,
        port: u16,
        env: Vec<(String, String)>,
    ) -> Result<(), EngineError> {
        let name = self.container_name(record);
        let labels = Labels::of_owner(&self.owner)
            .with(LABEL_INSTANCE, record.id.as_str())
            .with(LABEL_ENVIRONMENT, format!("{}/{}", record.repository, record.environment))
            .with(LABEL_SERVICE, record.service.as_str());
        let spec = ContainerSpec {
            name: Some(name.clone()),
            image,
            env,
            labels,
            network: Some(self.network_name()),
            ports: vec![PortPublish {
                container_port: port,
                host_port: Some(record.address.port()),
                host_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                protocol: Protocol::Tcp,
            }],
            restart: Restart::UnlessStopped,
            ..ContainerSpec::default()
        };
        self.engine.create_container(&spec).await?;
        self.engine.start_container(&name).await
    }

    /// # Errors
    /// What the engine says.
    pub async fn inspect(&self, record: &InstanceRecord) -> Result<Option<ContainerInspected>, EngineError> {
        self.engine.inspect_container(&self.container_name(record)).await
    }

    pub async fn last_lines(&self, record: &InstanceRecord, count: usize) -> Vec<String> {
        let mut output = Vec::new();
        let mut pieces = std::pin::pin!(self.engine.container_logs(
            &self.container_name(record),
            Some(count as u32),
            false
        ));
        while let Some(Ok(AttachedOutput::Stdout(piece) | AttachedOutput::Stderr(piece))) =
            pieces.next().await
        {
            output.extend_from_slice(&piece);
        }
        crate::host::lines(&output, count)
    }

    /// # Errors
    /// What the engine says.
    pub async fn stop(&self, record: &InstanceRecord) -> Result<(), EngineError> {
        let name = self.container_name(record);
        self.engine.stop_container(&name, Duration::from_millis(record.stop_within_ms)).await?;
        self.engine.remove_container(&name).await
    }

    /// The containers of this data folder's instances, written down or not: the id of each, and of its instance.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn list(&self) -> Result<Vec<(String, String)>, EngineError> {
        let found = self.engine.list_containers(&Labels::of_owner(&self.owner)).await?;
        let instance = |container: ContainerFound| {
            let instance = container.labels.get(LABEL_INSTANCE)?.to_owned();
            Some((container.id, instance))
        };
        Ok(found.into_iter().filter_map(instance).collect())
    }

    /// # Errors
    /// What the engine says.
    pub async fn remove(&self, container: &str) -> Result<(), EngineError> {
        self.engine.remove_container(container).await
    }

    /// Removes whatever this data folder has deployed to the engine, written down or not: containers, their
    /// network, and the images that were brought for them.
    ///
    /// # Errors
    /// What the engine says first; the rest is tried all the same.
    pub async fn remove_everything(&self, images: &[ImageRef]) -> Result<(), RolloutFailed> {
        let found = self.list().await?;
        let removals = found.iter().map(|(container, _)| self.remove(container));
        let mut outcome =
            futures_util::future::join_all(removals).await.into_iter().collect::<Result<(), _>>();
        for network in self.engine.list_networks(&self.network_labels()).await? {
            outcome = outcome.and(self.engine.remove_network(&network.id).await);
        }
        for image in images {
            outcome = outcome.and(self.remove_image(image).await);
        }
        Ok(outcome?)
    }
}
