use hyper::{Method, Uri};

/// What a call of the Engine API is about, as far as it matters here. Read off its method and path, with the version
/// of the API in front (`/v1.41/containers/create`) or without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Make(Made),
    /// `DELETE /containers/{id}`
    RemoveContainer,
    /// `POST /build`
    Build,
    /// `POST /containers/prune`, and of networks and volumes.
    PruneMade,
    /// `POST /images/prune`, `POST /build/prune`: what the answer calls what was removed.
    PruneKept(&'static str),
    /// `GET /networks/{id}`, `GET /volumes/{name}`
    Inspect,
    /// What it would make lives on, and carries no label that it could be found by.
    Refused(&'static str),
    Other,
}

/// What a call makes that takes labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Container,
    Network,
    Volume,
}

const OUTLIVES: &str = "a job makes containers, networks, volumes and images here; swarms, services, secrets, configs and plugins \
                        would outlive it";
const LIBPOD: &str = "Podman's own API is not served here; Docker's is, by the same engine";

impl Call {
    pub fn of(method: &Method, path: &str) -> Self {
        let (_, words) = split(path);
        match (method, words.as_slice()) {
            (&Method::POST, ["containers", "create"]) => Self::Make(Made::Container),
            (&Method::POST, ["networks", "create"]) => Self::Make(Made::Network),
            (&Method::POST, ["volumes", "create"]) => Self::Make(Made::Volume),
            (&Method::DELETE, ["containers", _]) => Self::RemoveContainer,
            (&Method::POST, ["build"]) => Self::Build,
            (&Method::POST, ["containers" | "networks" | "volumes", "prune"]) => Self::PruneMade,
            (&Method::POST, ["images", "prune"]) => Self::PruneKept("ImagesDeleted"),
            (&Method::POST, ["build", "prune"]) => Self::PruneKept("CachesDeleted"),
            (&Method::GET, ["networks" | "volumes", _]) => Self::Inspect,
            (&Method::POST, ["swarm", ..] | ["services" | "secrets" | "configs", "create"])
            | (&Method::POST, ["plugins", ..]) => Self::Refused(OUTLIVES),
            (_, ["libpod", ..]) => Self::Refused(LIBPOD),
            _ => Self::Other,
        }
    }
}

/// `/v1.41` or nothing, and the words behind it.
fn split(path: &str) -> (Option<&str>, Vec<&str>) {
    let mut words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let is_version = |word: &str| {
        let number = word.strip_prefix('v').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    match words.first().copied().filter(|word| is_version(word)) {
        Some(version) => {
            words.remove(0);
            (Some(version), words)
        }
        None => (None, words),
    }
}

/// The path of another call, in the version of the API that `path` is in.
pub fn beside(path: &str, other: &str) -> String {
    let (version, _) = split(path);
    version.map_or(format!("/{other}"), |version| format!("/{version}/{other}"))
}

/// The address with `name=value` in its query, and nothing else of that name.
pub fn with_query(uri: &Uri, name: &str, value: &str) -> String {
    let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(name);
    let pairs = uri.query().unwrap_or_default().split('&').filter(is_other).map(str::to_owned);
    let pairs: Vec<String> = pairs.chain([format!("{name}={value}")]).collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_with_and_without_a_version() {
        let post = |path| Call::of(&Method::POST, path);
        for path in ["/containers/create", "/v1.41/containers/create", "/v1.9//containers/create/"] {
            assert_eq!(post(path), Call::Make(Made::Container), "{path}");
        }
        assert_eq!(post("/v1.24/networks/create"), Call::Make(Made::Network));
        assert_eq!(post("/volumes/create"), Call::Make(Made::Volume));
        assert_eq!(post("/v1.41/build"), Call::Build);
        assert_eq!(post("/v1.41/volumes/prune"), Call::PruneMade);
        assert_eq!(post("/build/prune"), Call::PruneKept("CachesDeleted"));
        assert_eq!(Call::of(&Method::GET, "/v1.41/volumes/data"), Call::Inspect);
        assert_eq!(Call::of(&Method::GET, "/v1.41/volumes"), Call::Other);
        assert_eq!(Call::of(&Method::DELETE, "/v1.41/containers/ab"), Call::RemoveContainer);
        for path in ["/containers/create/x", "/vx/containers/create", "/containers/ab/start", "/", "/session"]
        {
            assert_eq!(post(path), Call::Other, "{path}");
        }
        assert_eq!(Call::of(&Method::GET, "/containers/create"), Call::Other);
        for path in
            ["/v1.41/services/create", "/swarm/init", "/plugins/pull", "/v4.0.0/libpod/containers/create"]
        {
            assert!(matches!(post(path), Call::Refused(_)), "{path}");
        }
    }

    #[test]
    fn a_query_holds_a_name_once() {
        let changed = |uri: &'static str| with_query(&Uri::from_static(uri), "v", "1");
        assert_eq!(changed("/containers/a"), "/containers/a?v=1");
        assert_eq!(changed("/containers/a?v=0&force=1"), "/containers/a?force=1&v=1");
        assert_eq!(beside("/v1.41/containers/create", "volumes/create"), "/v1.41/volumes/create");
        assert_eq!(beside("/containers/create", "volumes/create"), "/volumes/create");
    }
}
