use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a container engine is reached. `Display` is what `DOCKER_HOST` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl EngineAddress {
    /// The address that programs of this machine would use: `DOCKER_HOST`, else the first usual socket that is there.
    /// Nobody is asked whether an engine answers.
    ///
    /// None where there is none; an error says that `DOCKER_HOST` names none that is understood.
    pub fn of_this_machine() -> Option<Result<Self, String>> {
        let is_there = |address: &Result<Self, String>| match address {
            Ok(Self::Unix(path)) => path.exists(),
            Ok(Self::Tcp(_)) | Err(_) => true,
        };
        candidates().iter().map(|text| text.parse()).find(is_there)
    }
}

/// `DOCKER_HOST` alone where it is set, for a person who names an engine means that one; else Docker's socket, and
/// Podman's (the user's, then the system's).
pub fn candidates() -> Vec<String> {
    if let Ok(address) = std::env::var("DOCKER_HOST")
        && !address.is_empty()
    {
        return vec![address];
    }
    let mut addresses = vec!["/var/run/docker.sock".to_owned()];
    if let Ok(runtime_folder) = std::env::var("XDG_RUNTIME_DIR") {
        addresses.push(format!("{runtime_folder}/docker.sock"));
        addresses.push(format!("{runtime_folder}/podman/podman.sock"));
    }
    addresses.push("/run/podman/podman.sock".to_owned());
    addresses
}

impl FromStr for EngineAddress {
    type Err = String;

    /// `unix:///path`, `/path`, `tcp://host:port` or `http://host:port`.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        match text.split_once("://") {
            _ if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp" | "http", host)) => Ok(Self::Tcp(host.trim_end_matches('/').to_owned())),
            _ => Err(format!("`{text}` is not unix:///path, tcp://host:port or http://host:port")),
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_docker_host() {
        for (text, shown) in [
            ("/run/x.sock", Some("unix:///run/x.sock")),
            ("unix:///run/x.sock", Some("unix:///run/x.sock")),
            ("tcp://10.0.0.1:2375/", Some("tcp://10.0.0.1:2375")),
            ("http://localhost:1", Some("tcp://localhost:1")),
            ("ssh://build@host", None),
            ("", None),
        ] {
            let address = text.parse::<EngineAddress>().ok().map(|address| address.to_string());
            assert_eq!(address.as_deref(), shown, "{text}");
        }
    }
}
