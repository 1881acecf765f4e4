use sluice_docker::RegistryCredentials;

/// The place that a job asks for, all expressions evaluated.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// None: on the host.
    pub container: Option<ContainerWish>,
    /// By the names that the job reaches them under.
    pub services: Vec<(String, ContainerWish)>,
    pub service_access: ServiceAccess,
    /// Relative to the work folder: GitHub's `<repository>/<repository>`, nothing for CircleCI.
    pub checkout_folder: String,
    /// Where the work folder is mounted in a container; `~` is the user's home.
    pub work_inside: String,
    /// GitHub gives a container another HOME than its image does.
    pub home_inside: Option<String>,
    /// Files below the temporary folder that the job writes whatever its steps are. They are there from the start.
    pub temp_files: Vec<String>,
    /// Steps find `circleci` and `circleci-agent` on their PATH, before all else.
    pub circleci_helper: bool,
    /// Steps are given the host's container engine.
    pub host_engine: bool,
    /// Ports of this machine's loopback that steps reach at the same address.
    pub loopback_ports: Vec<u16>,
}

/// How the steps of a job reach its services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceAccess {
    /// By name, in a network that they share. Ports are published on this machine's loopback.
    #[default]
    Network,
    /// As on GitHub's machines also at their published ports of localhost, which is the container's that stands for the
    /// machine: fixed numbers are taken there, and not on this machine, where other jobs have theirs.
    Ports,
    /// On the localhost of the job, at all ports: they are in its container's network (CircleCI).
    Localhost,
}

#[derive(Debug, Clone, Default)]
pub struct ContainerWish {
    /// As the pipeline file names it.
    pub image: String,
    pub env: Vec<(String, String)>,
    /// `80`, `8080:80`, `8080:80/udp`.
    pub ports: Vec<String>,
    /// `/path`, `name:/path`, `/host:/path:ro`.
    pub volumes: Vec<String>,
    pub options: String,
    pub credentials: Option<RegistryCredentials>,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub user: Option<String>,
}
