//! `add_ssh_keys`: keys that the person gave, where ssh finds them (CircleCI, "Add additional SSH keys to CircleCI").

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use sluice_wire::SshKey;
use tokio_util::sync::CancellationToken;

use super::steps::Steps;
use crate::exec::{self, Limits};
use crate::github::overlay;
use crate::log::ShowAll;
use crate::session::Launch;
use crate::short_names::SSH_SOCKET;

/// A larger configuration of ssh in an image is not looked at.
const CONFIG_LIMIT_BYTES: u64 = 1 << 20;

/// The socket of the job's agent, in a folder of its own. Removed with the job on this machine, and by the next sweep where
/// the runner was killed.
pub struct AgentFolder {
    inside: String,
    outside: Option<PathBuf>,
}

impl Drop for AgentFolder {
    fn drop(&mut self) {
        if let Some(folder) = &self.outside {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Steps<'_> {
    /// Writes the keys to `~/.ssh/id_rsa_<fingerprint>`, names them in `~/.ssh/config`, and gives them to the job's
    /// ssh-agent. No fingerprint names all keys.
    pub(super) async fn add_ssh_keys(&mut self, index: u32, fingerprints: &[String]) -> Result<(), String> {
        let keys: Vec<&SshKey> = match fingerprints {
            [] => self.job.order.ssh_keys.iter().collect(),
            named => named.iter().map(|named| self.ssh_key(named)).collect::<Result<_, _>>()?,
        };
        if keys.is_empty() {
            return Err("no SSH key was given to this job: `sluice run --ssh-key FILE` gives one".to_owned());
        }
        let session = &self.place.session;
        let folder = format!("{}/.ssh", self.place.user.home);
        let config = format!("{folder}/config");
        let known = session.read(&config, CONFIG_LIMIT_BYTES).await.map_err(|error| error.to_string())?;
        let mut text = String::from_utf8_lossy(&known.unwrap_or_default()).into_owned();
        let mut files = Vec::new();
        for key in keys {
            let file = format!("{folder}/id_rsa_{}", key.md5.replace(':', ""));
            let content = key.private.expose().as_bytes().to_vec();
            session.write(&file, 0o600, content).await.map_err(|error| error.to_string())?;
            let host = key.host.as_deref();
            let pattern = host.unwrap_or("!github.com *");
            text.push_str(&format!("\nHost {pattern}\n\tIdentitiesOnly yes\n\tIdentityFile {file}\n"));
            let whose = host.map_or("all hosts".to_owned(), |host| format!("`{host}`"));
            self.job.log.say(index, format!("Wrote the SSH key {} for {whose} to {file}", key.sha256)).await;
            files.push(file);
        }
        session.write(&config, 0o600, text.into_bytes()).await.map_err(|error| error.to_string())?;
        self.give_to_agent(index, files).await
    }

    fn ssh_key(&self, named: &str) -> Result<&SshKey, String> {
        let key = self.job.order.ssh_keys.iter().find(|key| key.has_fingerprint(named));
        key.ok_or_else(|| {
            format!("the SSH key `{named}` was not given: `sluice run --ssh-key FILE` gives a key")
        })
    }

    /// On the host, where ssh looks for files in the home of the account and not of the job, the agent is the only way.
    async fn give_to_agent(&mut self, index: u32, files: Vec<String>) -> Result<(), String> {
        let session = &self.place.session;
        if session.find_program("ssh-agent").await.map_err(|error| error.to_string())?.is_none() {
            if self.place.is_container {
                return Ok(());
            }
            return Err("ssh-agent is not on this machine: install openssh-client".to_owned());
        }
        if self.ssh_agent.is_none() {
            let folder = self.place.short_names.ssh_folder();
            let inside = folder.display().to_string();
            if !self.place.is_container {
                // One that is there already is not this job's.
                let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
                made.map_err(|error| format!("ssh-agent has no folder {inside}: {error}"))?;
            }
            let outside = (!self.place.is_container).then_some(folder);
            self.ssh_agent = Some(AgentFolder { inside, outside });
        }
        let folder = self.ssh_agent.as_ref().map(|agent| agent.inside.clone()).unwrap_or_default();
        let socket = format!("{folder}/{SSH_SOCKET}");
        let script = "umask 077; mkdir -p \"$1\" || exit; [ -S \"$1/agent\" ] || ssh-agent -a \"$1/agent\" > /dev/null || \
                      exit; export SSH_AUTH_SOCK=\"$1/agent\"; shift; exec ssh-add -q \"$@\"";
        let argv = ["/bin/sh", "-c", script, "sh", &folder].map(str::to_owned);
        let launch = Launch {
            argv: argv.into_iter().chain(files).collect(),
            env: self.env.clone(),
            directory: self.place.user.home.clone(),
            ..Default::default()
        };
        let (timeout, cancel) = (None, CancellationToken::new());
        let limits = Limits { timeout, no_output_timeout: None, cancel, grace: self.job.grace };
        let mut output = self.job.log.step(index);
        let ended = exec::run(session, launch, &mut output, &limits, &mut ShowAll).await;
        let (ended, _) = ended.map_err(|error| error.to_string())?;
        if !ended.is_success() {
            return Err(format!("ssh-agent did not take the keys: {}", ended.explain().unwrap_or_default()));
        }
        overlay(&mut self.env, [("SSH_AUTH_SOCK".to_owned(), socket)]);
        Ok(())
    }
}
