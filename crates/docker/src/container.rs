use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HealthConfig, HealthStatusEnum,
    HostConfig, HostConfigLogConfig, Mount as ApiMount, MountType, NetworkingConfig, PortBinding,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::{AttachedOutput, Engine, EngineError, Labels};

/// A container to make. What it leaves out is the engine's or the image's default.
#[derive(Debug, Clone, Default)]
pub struct ContainerSpec {
    pub name: Option<String>,
    pub image: String,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_directory: Option<String>,
    pub hostname: Option<String>,
    pub labels: Labels,
    pub mounts: Vec<Mount>,
    /// A network's name or id, `host`, `none` or `container:<id>`.
    pub network: Option<String>,
    /// Names beside its own under which `network` knows it.
    pub aliases: Vec<String>,
    pub ports: Vec<PortPublish>,
    /// `name:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    pub health: Option<HealthCheck>,
    pub restart: Restart,
    /// Its input stays open until the first who attached goes.
    pub stdin: bool,
    /// Removed by the engine when it ends.
    pub auto_remove: bool,
    /// The engine keeps no copy of its output; only who is attached sees it.
    pub no_log: bool,
    pub memory_bytes: Option<i64>,
    /// Thousand-millionths of a CPU, as the Engine API counts.
    pub nano_cpus: Option<i64>,
    pub pids_limit: Option<i64>,
    pub shm_size_bytes: Option<i64>,
    /// A small init as process 1 that reaps and forwards signals.
    pub init: bool,
    pub privileged: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub tmpfs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A path of this machine.
    Bind { source: PathBuf, target: String, read_only: bool },
    /// A named volume of the engine.
    Volume { name: String, target: String, read_only: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port of the container that this machine answers on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPublish {
    pub container_port: u16,
    /// None: the engine takes a free one.
    pub host_port: Option<u16>,
    /// None: every address of this machine.
    pub host_ip: Option<IpAddr>,
    pub protocol: Protocol,
}

/// The engine's own check, which `ContainerInspected::health` tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// `["CMD", …]`, `["CMD-SHELL", "…"]` or `["NONE"]`.
    pub test: Vec<String>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub retries: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    #[default]
    Never,
    /// After a crash and after a restart of the engine, until somebody stops it.
    UnlessStopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Neither the image nor the container has a check.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFound {
    pub id: String,
    pub name: String,
    pub image: String,
    pub labels: Labels,
    pub running: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInspected {
    pub id: String,
    pub name: String,
    /// The id of the image that it was made of.
    pub image_id: String,
    pub running: bool,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub health: Health,
    /// Its process, as this machine counts; none where it does not run.
    pub pid: Option<u32>,
    /// Its address in each network that gave it one.
    pub addresses: BTreeMap<String, IpAddr>,
    pub ports: Vec<PublishedPort>,
    pub labels: Labels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    pub container_port: u16,
    pub protocol: Protocol,
    pub host_port: u16,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    pub code: i64,
    /// What the engine said of it, where it could not run it to its end.
    pub problem: Option<String>,
}

impl Engine {
    /// Makes a container, without starting it, and gives its id.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<String, EngineError> {
        let mut options = CreateContainerOptionsBuilder::default();
        if let Some(name) = &spec.name {
            options = options.name(name);
        }
        let made = self.docker.create_container(Some(options.build()), body(spec)).await;
        made.map(|container| container.id).map_err(|error| {
            match EngineError::of("create the container", spec.name.as_deref().unwrap_or(&spec.image), error)
            {
                EngineError::NoSuchImage { .. } => EngineError::NoSuchImage { image: spec.image.clone() },
                other => other,
            }
        })
    }

    pub async fn start_container(&self, container: &str) -> Result<(), EngineError> {
        let started = self.docker.start_container(container, None).await;
        started.map_err(|error| EngineError::of("start the container", container, error))
    }

    /// Waits until the container does not run any more; at once where it does not now.
    pub async fn wait_container(&self, container: &str) -> Result<Exited, EngineError> {
        self.wait_for(container, "not-running").await
    }

    /// Waits until the container is gone, as one with `auto_remove` is soon after its end.
    pub async fn wait_removed(&self, container: &str) -> Result<(), EngineError> {
        crate::network::gone(self.wait_for(container, "removed").await.map(drop))
    }

    async fn wait_for(&self, container: &str, condition: &str) -> Result<Exited, EngineError> {
        let options = WaitContainerOptionsBuilder::default().condition(condition).build();
        let mut answers = std::pin::pin!(self.docker.wait_container(container, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(Exited { code: answer.status_code, problem: None }),
            // The library takes every code but 0 for an error.
            Some(Err(Error::DockerContainerWaitError { error, code })) => {
                Ok(Exited { code, problem: (!error.is_empty()).then_some(error) })
            }
            Some(Err(error)) => Err(EngineError::of("wait for the container", container, error)),
            None => Err(EngineError::NoSuchContainer { container: container.to_owned() }),
        }
    }

    /// Asks the container to stop by its stop signal, and kills it after `grace` (rounded up to seconds).
    pub async fn stop_container(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs_f64().ceil() as u64).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let stopped = self.docker.stop_container(container, Some(options)).await;
        crate::network::gone(stopped.map_err(|error| EngineError::of("stop the container", container, error)))
    }

    /// Sends `signal` (`SIGTERM`, `SIGKILL`, …) to process 1 of the container.
    pub async fn kill_container(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        let killed = self.docker.kill_container(container, Some(options)).await;
        killed.map_err(|error| EngineError::of("kill the container", container, error))
    }

    /// Kills and removes a container with its anonymous volumes; one that is not there is removed already.
    pub async fn remove_container(&self, container: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.docker.remove_container(container, Some(options)).await;
        crate::network::gone(
            removed.map_err(|error| EngineError::of("remove the container", container, error)),
        )
    }

    /// Gives a container another name.
    pub async fn rename_container(&self, container: &str, name: &str) -> Result<(), EngineError> {
        let options = bollard::query_parameters::RenameContainerOptionsBuilder::default().name(name).build();
        let renamed = self.docker.rename_container(container, options).await;
        renamed.map_err(|error| EngineError::of("rename the container", container, error))
    }

    /// None where there is no such container.
    pub async fn inspect_container(
        &self,
        container: &str,
    ) -> Result<Option<ContainerInspected>, EngineError> {
        match self.docker.inspect_container(container, None).await {
            Ok(seen) => Ok(Some(inspected(seen))),
            Err(error) => match EngineError::of("inspect the container", container, error) {
                error if error.is_absent() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The containers, running or not, that carry all of `labels`.
    pub async fn list_containers(&self, labels: &Labels) -> Result<Vec<ContainerFound>, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&labels.to_filter()).build();
        let found = self.docker.list_containers(Some(options)).await;
        let found =
            found.map_err(|error| EngineError::of("list containers of", &self.version().address, error))?;
        let line = |container: bollard::models::ContainerSummary| ContainerFound {
            id: container.id.unwrap_or_default(),
            name: first_name(container.names.unwrap_or_default()),
            image: container.image.unwrap_or_default(),
            labels: container.labels.unwrap_or_default().into_iter().collect(),
            running: container.state.is_some_and(|state| state.to_string() == "running"),
        };
        Ok(found.into_iter().map(line).collect())
    }

    /// What the container has written so far (its last `tail` lines), and with `follow` what it goes on to write.
    pub fn container_logs(
        &self,
        container: &str,
        tail: Option<u32>,
        follow: bool,
    ) -> impl Stream<Item = Result<AttachedOutput, EngineError>> + use<> {
        let tail = tail.map_or("all".to_owned(), |lines| lines.to_string());
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).tail(&tail).build();
        let name = container.to_owned();
        self.docker.logs(container, Some(options)).map(move |piece| match piece {
            Ok(bollard::container::LogOutput::StdErr { message }) => Ok(AttachedOutput::Stderr(message)),
            Ok(other) => Ok(AttachedOutput::Stdout(other.into_bytes())),
            Err(error) => Err(EngineError::of("read the log of the container", &name, error)),
        })
    }

    /// A tar of one path of a container, which need not run. None where the path is not there.
    ///
    /// More than `limit_bytes` is refused.
    pub async fn read_path(
        &self,
        container: &str,
        path: &str,
        limit_bytes: usize,
    ) -> Result<Option<Bytes>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut pieces = std::pin::pin!(self.docker.download_from_container(container, Some(options)));
        let mut archive = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) if archive.len() + piece.len() > limit_bytes => {
                    let reason = format!("{path} is larger than {limit_bytes} bytes");
                    return Err(EngineError::Refused {
                        what: "read from",
                        name: container.to_owned(),
                        reason,
                    });
                }
                Ok(piece) => archive.extend_from_slice(&piece),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
                Err(error) => return Err(EngineError::of("read from", container, error)),
            }
        }
        Ok(Some(archive.into()))
    }
}

fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let endpoint = EndpointSettings { aliases: Some(spec.aliases.clone()), ..Default::default() };
    let networking = spec.network.as_ref().filter(|_| !spec.aliases.is_empty()).map(|network| {
        NetworkingConfig { endpoints_config: Some(HashMap::from([(network.clone(), endpoint)])) }
    });
    let key = |port: &PortPublish| format!("{}/{}", port.container_port, port.protocol.as_str());
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &spec.ports {
        let binding = PortBinding {
            host_ip: port.host_ip.map(|ip| ip.to_string()),
            host_port: Some(port.host_port.map_or(String::new(), |port| port.to_string())),
        };
        bindings.entry(key(port)).or_default().get_or_insert_default().push(binding);
    }
    let host = HostConfig {
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        network_mode: spec.network.clone(),
        port_bindings: Some(bindings),
        extra_hosts: Some(spec.extra_hosts.clone()),
        auto_remove: Some(spec.auto_remove),
        log_config: spec.no_log.then(|| HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        restart_policy: (spec.restart == Restart::UnlessStopped).then_some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        memory: spec.memory_bytes,
        nano_cpus: spec.nano_cpus,
        pids_limit: spec.pids_limit,
        shm_size: spec.shm_size_bytes,
        init: spec.init.then_some(true),
        privileged: Some(spec.privileged),
        cap_add: Some(spec.cap_add.clone()),
        cap_drop: Some(spec.cap_drop.clone()),
        tmpfs: Some(spec.tmpfs.iter().map(|path| (path.clone(), String::new())).collect()),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.command.clone(),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: spec.user.clone(),
        working_dir: spec.working_directory.clone(),
        hostname: spec.hostname.clone(),
        labels: Some(spec.labels.to_map()),
        exposed_ports: Some(spec.ports.iter().map(key).collect()),
        healthcheck: spec.health.as_ref().map(health_config),
        open_stdin: Some(spec.stdin),
        stdin_once: Some(spec.stdin),
        attach_stdin: Some(spec.stdin),
        attach_stdout: Some(spec.stdin),
        attach_stderr: Some(spec.stdin),
        host_config: Some(host),
        networking_config: networking,
        ..Default::default()
    }
}

fn mount(mount: &Mount) -> ApiMount {
    let (typ, source, target, read_only) = match mount {
        Mount::Bind { source, target, read_only } => {
            (MountType::BIND, source.display().to_string(), target, read_only)
        }
        Mount::Volume { name, target, read_only } => (MountType::VOLUME, name.clone(), target, read_only),
    };
    ApiMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(target.clone()),
        read_only: Some(*read_only),
        ..Default::default()
    }
}

fn health_config(check: &HealthCheck) -> HealthConfig {
    let nanoseconds = |time: Option<Duration>| time.and_then(|time| i64::try_from(time.as_nanos()).ok());
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        retries: check.retries.map(i64::from),
        ..Default::default()
    }
}

fn inspected(seen: ContainerInspectResponse) -> ContainerInspected {
    let state = seen.state.unwrap_or_default();
    let network = seen.network_settings.unwrap_or_default();
    let address = |(name, endpoint): (String, EndpointSettings)| {
        let ip = endpoint.ip_address.filter(|text| !text.is_empty())?.parse().ok()?;
        Some((name, ip))
    };
    let mut ports = Vec::new();
    for (key, bindings) in network.ports.unwrap_or_default() {
        let Some((container_port, protocol)) = port_key(&key) else { continue };
        for binding in bindings.unwrap_or_default() {
            if let Some(host_port) = binding.host_port.and_then(|port| port.parse().ok()) {
                ports.push(PublishedPort { container_port, protocol, host_port });
            }
        }
    }
    // One line for IPv4 and one for IPv6 name the same port.
    ports.sort_by_key(|port| (port.container_port, port.host_port));
    ports.dedup();
    ContainerInspected {
        id: seen.id.unwrap_or_default(),
        name: first_name(seen.name.into_iter().collect()),
        image_id: seen.image.unwrap_or_default(),
        running: state.running.unwrap_or(false),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed.unwrap_or(false),
        health: match state.health.and_then(|health| health.status) {
            None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) => Health::None,
            Some(HealthStatusEnum::STARTING) => Health::Starting,
            Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        },
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        addresses: network.networks.unwrap_or_default().into_iter().filter_map(address).collect(),
        ports,
        labels: seen.config.and_then(|config| config.labels).unwrap_or_default().into_iter().collect(),
    }
}

fn port_key(key: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((port.parse().ok()?, protocol))
}

/// The API puts a `/` before names.
fn first_name(names: Vec<String>) -> String {
    names.into_iter().next().unwrap_or_default().trim_start_matches('/').to_owned()
}
