use std::path::Path;
use std::process::Command;

use sluice_model::RepositoryName;

/// What a remote's address in a checkout says: `http://NAME:TOKEN@HOST:PORT/OWNER/NAME.git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without a path, a name or a token.
    pub server: String,
    pub token: Option<String>,
    pub repository: RepositoryName,
}

impl Address {
    /// Of the remote `sluice`, else of `origin`.
    pub fn of_checkout() -> Option<Self> {
        ["sluice", "origin"].iter().find_map(|remote| Self::of_remote(Path::new("."), remote))
    }

    /// Whether the checkout has a remote that is named after the server.
    pub fn is_of_remote() -> bool {
        Self::of_remote(Path::new("."), "sluice").is_some()
    }

    pub fn of_remote(root: &Path, remote: &str) -> Option<Self> {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["config", "--get", &format!("remote.{remote}.url")])
            .output()
            .ok()?;
        Self::parse(String::from_utf8(output.stdout).ok()?.trim())
    }

    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) =
            url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (authority, path) = rest.split_once('/')?;
        let (account, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let path = path.trim_end_matches('/');
        let repository = path.strip_suffix(".git").unwrap_or(path);
        Some(Self {
            server: format!("{scheme}://{host}"),
            token: account
                .split_once(':')
                .map(|(_, token)| token.to_owned())
                .filter(|token| !token.is_empty()),
            repository: repository.strip_prefix("git/").unwrap_or(repository).parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_says_server_token_and_repository() {
        let address = Address::parse("http://ada:s3cret@127.0.0.1:7000/acme/storefront.git").unwrap();
        assert_eq!(address.server, "http://127.0.0.1:7000");
        assert_eq!(address.token.as_deref(), Some("s3cret"));
        assert_eq!(address.repository.as_str(), "acme/storefront");
        for other in ["git@host:acme/x.git", "/srv/x.git", "https://host/only", "file:///x/y", ""] {
            assert_eq!(Address::parse(other), None, "{other}");
        }
    }
}
