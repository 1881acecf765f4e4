use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest};
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};

use crate::{Engine, EngineError, Labels};

/// A network, a volume or an image of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// A network's id, the name of a volume or an image.
    pub id: String,
    pub labels: Labels,
}

impl Engine {
    /// Makes a bridge network and gives its id.
    pub async fn create_network(&self, name: &str, labels: &Labels) -> Result<String, EngineError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.to_map()),
            ..Default::default()
        };
        let made = self.docker.create_network(request).await;
        made.map(|network| network.id).map_err(|error| EngineError::of("create the network", name, error))
    }

    /// The address of this machine in a network, as its containers see it.
    pub async fn network_gateway(&self, network: &str) -> Result<std::net::IpAddr, EngineError> {
        let seen = self.docker.inspect_network(network, None).await;
        let seen = seen.map_err(|error| EngineError::of("inspect the network", network, error))?;
        let ranges = seen.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        ranges.into_iter().find_map(|range| range.gateway?.parse().ok()).ok_or_else(|| EngineError::Refused {
            what: "find the gateway of the network",
            name: network.to_owned(),
            reason: "it has none".to_owned(),
        })
    }

    /// Joins a container to a network, reachable there under `aliases`.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), EngineError> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings { aliases: Some(aliases.to_vec()), ..Default::default() }),
        };
        let joined = self.docker.connect_network(network, request).await;
        joined.map_err(|error| EngineError::of("connect to the network", network, error))
    }

    /// Removes a network; one that is not there is removed already.
    pub async fn remove_network(&self, network: &str) -> Result<(), EngineError> {
        let removed = self.docker.remove_network(network).await;
        gone(removed.map_err(|error| EngineError::of("remove the network", network, error)))
    }

    /// The networks that carry all of `labels`.
    pub async fn list_networks(&self, labels: &Labels) -> Result<Vec<Found>, EngineError> {
        let options = ListNetworksOptionsBuilder::default().filters(&labels.to_filter()).build();
        let found = self.docker.list_networks(Some(options)).await;
        let found =
            found.map_err(|error| EngineError::of("list networks of", &self.version().address, error))?;
        let line = |network: bollard::models::Network| Found {
            id: network.id.unwrap_or_default(),
            labels: network.labels.unwrap_or_default().into_iter().collect(),
        };
        Ok(found.into_iter().map(line).collect())
    }

    /// The volumes that carry all of `labels`.
    pub async fn list_volumes(&self, labels: &Labels) -> Result<Vec<Found>, EngineError> {
        let options = ListVolumesOptionsBuilder::default().filters(&labels.to_filter()).build();
        let found = self.docker.list_volumes(Some(options)).await;
        let found =
            found.map_err(|error| EngineError::of("list volumes of", &self.version().address, error))?;
        let line = |volume: bollard::models::Volume| Found {
            id: volume.name,
            labels: volume.labels.into_iter().collect(),
        };
        Ok(found.volumes.unwrap_or_default().into_iter().map(line).collect())
    }

    /// Removes a volume; one that is not there is removed already.
    pub async fn remove_volume(&self, volume: &str) -> Result<(), EngineError> {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        let removed = self.docker.remove_volume(volume, Some(options)).await;
        gone(removed.map_err(|error| EngineError::of("remove the volume", volume, error)))
    }
}

/// A removal of what is not there has done its work.
pub(crate) fn gone(removal: Result<(), EngineError>) -> Result<(), EngineError> {
    match removal {
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}
