use std::net::{IpAddr, SocketAddr};

use sluice_model::ServiceName;
use sluice_proxy::{OpenRoute, RouteKey, RouteStatus};

use crate::failure::RolloutFailed;
use crate::spec::{RolloutSpec, ServiceSpec};

/// The routes of one environment: `owner/repository/environment/service`, each with a port that stays.
#[derive(Debug)]
pub struct Routes {
    routes: Vec<(ServiceName, RouteStatus)>,
    gateway: Option<IpAddr>,
}

impl Routes {
    pub fn new(spec: &RolloutSpec, statuses: &[RouteStatus], gateway: Option<IpAddr>) -> Self {
        let status = |service: &ServiceSpec| {
            let key = key(spec, service).ok()?;
            Some((service.name.clone(), statuses.iter().find(|status| status.key == key)?.clone()))
        };
        Self { routes: spec.services.iter().filter_map(status).collect(), gateway }
    }

    /// # Errors
    /// When a name does not fit into a route's.
    pub fn orders(spec: &RolloutSpec, gateway: Option<IpAddr>) -> Result<Vec<OpenRoute>, RolloutFailed> {
        let order = |service: &ServiceSpec| {
            let key = key(spec, service)?;
            Ok(OpenRoute { key, port: service.route_port, also_on: gateway.into_iter().collect() })
        };
        spec.services.iter().map(order).collect()
    }

    pub fn of(&self, service: &ServiceName) -> Option<&RouteStatus> {
        self.routes.iter().find(|(name, _)| name == service).map(|(_, status)| status)
    }

    pub fn address(&self, service: &ServiceName) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], self.of(service)?.port)))
    }

    pub fn url(&self, service: &ServiceName) -> String {
        self.address(service).map_or(String::new(), |address| format!("http://{address}"))
    }

    /// `API_URL` and so on: where an instance finds each service of its own environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let host = self.gateway.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let variable = |(service, status): &(ServiceName, RouteStatus)| {
            let name: String = service.as_str().chars().map(upper).collect();
            (format!("{name}_URL"), format!("http://{}", SocketAddr::new(host, status.port)))
        };
        self.routes.iter().map(variable).collect()
    }

    /// The greatest generation that the proxy has seen of these routes.
    pub fn generation(&self) -> u64 {
        self.routes.iter().map(|(_, status)| status.generation).max().unwrap_or(0)
    }
}

/// With what the names of all routes of an environment begin.
pub fn prefix(spec: &RolloutSpec) -> String {
    format!("{}/{}/", spec.repository, spec.environment)
}

/// # Errors
/// When a name does not fit into a route's.
pub fn key(spec: &RolloutSpec, service: &ServiceSpec) -> Result<RouteKey, RolloutFailed> {
    RouteKey::new(format!("{}{}", prefix(spec), service.name))
        .map_err(|error| RolloutFailed::Invalid { reason: error.to_string() })
}
