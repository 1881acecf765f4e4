use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sluice_docker::{AttachedOutput, ContainerSpec, Engine, Health, PortPublish, Protocol, PublishedPort};

use super::docker::{HEALTH_TIMEOUT, fetch_image, labels, mapped_image, volume_mount};
use super::relay::Forward;
use super::{ContainerWish, Making, PlaceError, ServiceAccess, Wish, parse_options};

/// A CircleCI job is spared the race with a service that is ready soon, and waits no longer: CircleCI's would not.
const BRIEF_HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of what a service wrote is shown where it is not up.
const OUTPUT_LINES: u32 = 50;

/// The containers beside a job, and their network.
pub struct Services {
    engine: Engine,
    network: Option<String>,
    running: Vec<Service>,
}

struct Service {
    facts: ServiceFacts,
    inside: Vec<InsidePort>,
    /// Known when it is up.
    forwards: Vec<Forward>,
}

/// A TCP port of a service that the job's own localhost has too.
struct InsidePort {
    container_port: u16,
    /// None: the one that the engine chose on this machine.
    wished: Option<u16>,
}

/// What GitHub's `job.services.<name>` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFacts {
    pub name: String,
    pub id: String,
    pub network: String,
    /// Port of the container, port of localhost as steps see it.
    pub ports: Vec<(u16, u16)>,
}

impl Services {
    /// GitHub's services, in a network of the job's own, healthy. CircleCI's start beside the job's container later.
    pub async fn begin(making: &Making<'_>, engine: &Engine, wish: &Wish) -> Result<Self, PlaceError> {
        let mut services = Self { engine: engine.clone(), network: None, running: Vec::new() };
        if wish.services.is_empty() || wish.service_access == ServiceAccess::Localhost {
            return Ok(services);
        }
        let name = format!("sluice-{}-{}", making.process, making.job.replace('/', "-"));
        services.network = Some(engine.create_network(&name, &labels(making)).await?);
        let network = services.network.clone().unwrap_or_default();
        services.start_beside(making, wish, &network).await?;
        Ok(services)
    }

    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    pub fn facts(&self) -> Vec<ServiceFacts> {
        self.running.iter().map(|service| service.facts.clone()).collect()
    }

    /// Ports of the job's own localhost, with the names of the services that they lead to.
    pub fn forwards(&self) -> impl Iterator<Item = (&str, Forward)> {
        self.running.iter().flat_map(|service| {
            service.forwards.iter().map(|forward| (service.facts.name.as_str(), *forward))
        })
    }

    /// Starts every service in `network`, and waits for those that have a check.
    pub async fn start_beside(
        &mut self,
        making: &Making<'_>,
        wish: &Wish,
        network: &str,
    ) -> Result<(), PlaceError> {
        for (name, service) in &wish.services {
            let (spec, inside) = self.spec(making, wish, name, service, network).await?;
            let id = self.engine.create_container(&spec).await?;
            // Known before it is started, so that it is removed whatever comes.
            let facts =
                ServiceFacts { name: name.clone(), id, network: network.to_owned(), ports: Vec::new() };
            let id = facts.id.clone();
            self.running.push(Service { facts, inside, forwards: Vec::new() });
            self.engine.start_container(&id).await?;
        }
        let is_localhost = wish.service_access == ServiceAccess::Localhost;
        for index in 0..self.running.len() {
            let name = self.running[index].facts.name.clone();
            let line = match self.await_health(index, is_localhost).await? {
                None => format!("Service {name} is up"),
                // CircleCI waits for no service, and ends no job for one ("Configure databases").
                Some(problem) if is_localhost => {
                    format!("##[warning]The container {name} {problem}; the job goes on")
                }
                Some(problem) => {
                    self.tell_output(making, index).await;
                    return Err(PlaceError::Refused(format!("the service `{name}` {problem}")));
                }
            };
            making.log.say(0, line).await;
        }
        Ok(())
    }

    async fn spec(
        &self,
        making: &Making<'_>,
        wish: &Wish,
        name: &str,
        service: &ContainerWish,
        network: &str,
    ) -> Result<(ContainerSpec, Vec<InsidePort>), PlaceError> {
        let refused = |reason: String| PlaceError::Refused(format!("service `{name}`: {reason}"));
        let image = mapped_image(making, service).await;
        fetch_image(making, &self.engine, &image, service).await?;
        let options = parse_options(&service.options).map_err(refused)?;
        let is_localhost = wish.service_access == ServiceAccess::Localhost;
        let mut spec = ContainerSpec {
            image,
            env: service.env.clone(),
            user: service.user.clone().or_else(|| options.user.clone()),
            entrypoint: service
                .entrypoint
                .clone()
                .or_else(|| options.entrypoint.clone().map(|program| vec![program])),
            command: service.command.clone(),
            labels: labels(making),
            network: Some(network.to_owned()),
            aliases: if is_localhost { Vec::new() } else { vec![name.to_owned()] },
            ..Default::default()
        };
        for port in &service.ports {
            spec.ports.push(publish(port).map_err(refused)?);
        }
        let inside = match wish.service_access {
            ServiceAccess::Ports => take_inside(&mut spec.ports),
            ServiceAccess::Network | ServiceAccess::Localhost => Vec::new(),
        };
        for volume in &service.volumes {
            spec.mounts.push(volume_mount(volume, wish.host_engine)?);
        }
        options.apply(&mut spec);
        Ok((spec, inside))
    }

    /// Why the service is not up; none where it is. One without a check is as soon as it runs.
    async fn await_health(&mut self, index: usize, is_brief: bool) -> Result<Option<String>, PlaceError> {
        let timeout = if is_brief { BRIEF_HEALTH_TIMEOUT } else { HEALTH_TIMEOUT };
        let began = Instant::now();
        let service = &mut self.running[index];
        loop {
            let seen = self.engine.inspect_container(&service.facts.id).await?;
            let seen = seen.ok_or_else(|| {
                PlaceError::Refused(format!("the service `{}` is gone", service.facts.name))
            })?;
            let problem = match seen.health {
                Health::None | Health::Healthy if seen.running => {
                    service.know(&seen.ports);
                    return Ok(None);
                }
                Health::Starting if seen.running && began.elapsed() < timeout => None,
                Health::Starting if seen.running => {
                    Some(format!("was not healthy within {} s", timeout.as_secs()))
                }
                Health::Unhealthy => Some("says that it is unhealthy".to_owned()),
                _ => Some(format!("ended with code {}", seen.exit_code.unwrap_or(-1))),
            };
            if problem.is_some() {
                return Ok(problem);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Shows the end of what a service wrote that is not up, as GitHub's runner does.
    async fn tell_output(&self, making: &Making<'_>, index: usize) {
        let service = &self.running[index].facts;
        let mut output = Vec::new();
        let mut pieces = std::pin::pin!(self.engine.container_logs(&service.id, Some(OUTPUT_LINES), false));
        while let Some(Ok(AttachedOutput::Stdout(piece) | AttachedOutput::Stderr(piece))) =
            pieces.next().await
        {
            output.extend_from_slice(&piece);
        }
        let output = String::from_utf8_lossy(&output);
        making.log.say(0, format!("The last lines of the service {}:", service.name)).await;
        for line in output.lines() {
            making.log.say(0, line.to_owned()).await;
        }
    }

    pub async fn close(self) {
        for service in &self.running {
            let _ = self.engine.remove_container(&service.facts.id).await;
        }
        if let Some(network) = &self.network {
            let _ = self.engine.remove_network(network).await;
        }
    }
}

impl Service {
    /// Where its ports are, now that the engine has published them.
    fn know(&mut self, published: &[PublishedPort]) {
        for port in published {
            let container_port = port.container_port;
            let is_own = |inside: &&InsidePort| {
                port.protocol == Protocol::Tcp && inside.container_port == container_port
            };
            let outside = port.host_port;
            let here: Vec<_> = self.inside.iter().filter(is_own).collect();
            if here.is_empty() {
                self.facts.ports.push((container_port, outside));
            }
            for port in here {
                let inside = port.wished.unwrap_or(outside);
                self.facts.ports.push((container_port, inside));
                self.forwards.push(Forward { inside, outside });
            }
        }
    }
}

/// Leaves of TCP ports a free one of this machine for each of the container's, and says where the job wished them.
fn take_inside(ports: &mut Vec<PortPublish>) -> Vec<InsidePort> {
    let mut inside: Vec<InsidePort> = Vec::new();
    ports.retain_mut(|port| {
        if port.protocol != Protocol::Tcp {
            return true;
        }
        let container_port = port.container_port;
        let is_first = inside.iter().all(|other| other.container_port != container_port);
        let wished = port.host_port.take().filter(|port| *port != 0);
        inside.push(InsidePort { container_port, wished });
        is_first
    });
    inside
}

/// CircleCI's named images answer on the job's own address.
pub fn extra_hosts(wish: &Wish) -> Vec<String> {
    if wish.service_access != ServiceAccess::Localhost {
        return Vec::new();
    }
    let named = wish.services.iter().filter(|(name, _)| !name.is_empty());
    named.map(|(name, _)| format!("{name}:127.0.0.1")).collect()
}

/// `80`, `8080:80`, `8080:80/udp`: on this machine's loopback.
fn publish(text: &str) -> Result<PortPublish, String> {
    let wrong = || format!("`{text}` is no port; write it like `8080:80`");
    let (ports, protocol) = match text.rsplit_once('/') {
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some(_) => return Err(wrong()),
        None => (text, Protocol::Tcp),
    };
    let (host_port, container_port) = match ports.split_once(':') {
        Some((host, container)) => (Some(host.parse().map_err(|_| wrong())?), container),
        None => (None, ports),
    };
    let container_port = container_port.parse().map_err(|_| wrong())?;
    let host_ip = Some(std::net::Ipv4Addr::LOCALHOST.into());
    Ok(PortPublish { container_port, host_port, host_ip, protocol })
}
