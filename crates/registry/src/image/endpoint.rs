use std::fmt;
use std::net::IpAddr;

use crate::Credentials;

/// A registry to talk to: host, scheme, and the credentials to show when it asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    is_plain: bool,
    pub credentials: Option<Credentials>,
}

impl Endpoint {
    /// `registry.example.org`, `127.0.0.1:5000`. Loopback hosts are spoken to over plain HTTP, all others over HTTPS,
    /// as Docker does it.
    pub fn new(host: impl Into<String>) -> Self {
        let host = host.into();
        Self { is_plain: is_loopback(&host), host, credentials: None }
    }

    /// Over plain HTTP even where the host is not this machine: what is sent can be read and changed on the way.
    pub fn plain(host: impl Into<String>) -> Self {
        Self { host: host.into(), is_plain: true, credentials: None }
    }

    /// Over HTTPS even where the host is this machine.
    pub fn encrypted(host: impl Into<String>) -> Self {
        Self { host: host.into(), is_plain: false, credentials: None }
    }

    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Host and port, as in an image's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of a path: `/v2/…`.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        format!("{scheme}://{}{path}", self.host)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}, {:?})", self.url(""), self.credentials)
    }
}

/// `localhost`, names under it, 127.0.0.0/8 and ::1, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for host in ["127.0.0.1", "127.0.0.1:5000", "127.9.9.9", "localhost:1", "a.localhost:1", "[::1]:5000"]
        {
            assert!(Endpoint::new(host).url("/v2/").starts_with("http://"), "{host}");
        }
        for host in
            ["example.org", "example.org:5000", "localhost.example.org", "127.0.0.1.nip.io", "10.0.0.1"]
        {
            assert!(Endpoint::new(host).url("/v2/").starts_with("https://"), "{host}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials::Basic { username: "ann".to_owned(), password: "hunter2".to_owned() };
        let shown = format!("{:?}", Endpoint::new("localhost").with_credentials(credentials));
        assert!(shown.contains("ann") && !shown.contains("hunter2"), "{shown}");
    }
}
