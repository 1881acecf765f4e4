use std::path::PathBuf;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use sluice_model::Trigger;
use sluice_wire::JobOrder;

use crate::depot::{BYTES_LIMIT, Depot};
use crate::github::hex;
use crate::log::JobLog;

/// What the APIs know of the job that they serve.
#[derive(Clone)]
pub struct Facts {
    /// GitHub's ids of the run and the job in its results service: ours, in its place.
    pub run: String,
    pub job: String,
    pub began: SystemTime,
    pub trigger: Trigger,
    pub depot: Depot,
    pub log: JobLog,
    /// Where uploads are until they are whole, on the depot's file system. Removed with the server.
    pub folder: PathBuf,
    /// The most bytes of one upload.
    pub upload_limit_bytes: u64,
    /// The address that the toolkits take for GitHub's.
    pub server_url: String,
}

impl Facts {
    pub fn of(order: &JobOrder, depot: &Depot, log: &JobLog, folder: PathBuf) -> Self {
        let instance = format!("{}/{}", order.instance, order.attempt);
        Self {
            run: order.run.to_string(),
            job: hex(&Sha256::digest(instance))[..32].to_owned(),
            began: SystemTime::now(),
            trigger: order.trigger.clone(),
            depot: depot.clone(),
            log: log.clone(),
            folder,
            upload_limit_bytes: BYTES_LIMIT,
            server_url: match &order.server {
                Some(server) => name_for_toolkits(&server.url),
                None => "https://github.com".to_owned(),
            },
        }
    }
}

/// The toolkits refuse servers that are neither GitHub's nor below `.localhost` (`isGhes` of actions/toolkit), and this
/// machine has such a name too.
fn name_for_toolkits(url: &str) -> String {
    let url = url.trim_end_matches('/');
    for host in ["://127.0.0.1", "://localhost"] {
        if let Some((scheme, rest)) = url.split_once(host)
            && (rest.is_empty() || rest.starts_with([':', '/']))
        {
            return format!("{scheme}://sluice.localhost{rest}");
        }
    }
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_loopback_has_a_name_that_the_toolkits_take() {
        for (url, name) in [
            ("http://127.0.0.1:7000/", "http://sluice.localhost:7000"),
            ("http://localhost", "http://sluice.localhost"),
            ("https://ci.example.com/sluice/", "https://ci.example.com/sluice"),
            ("http://127.0.0.10:1", "http://127.0.0.10:1"),
            ("http://localhost.example.com", "http://localhost.example.com"),
        ] {
            assert_eq!(name_for_toolkits(url), name);
        }
    }
}
