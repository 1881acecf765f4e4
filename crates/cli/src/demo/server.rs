use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::runner_choice::RunnerChoice;

/// An address that no engine answers at.
pub const NO_ENGINE: &str = "unix:///hidden-from-the-demo";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How the demo's server is started, the first time and after it was killed.
#[derive(Debug, Clone)]
pub struct Launch {
    pub data: PathBuf,
    pub listen: String,
    pub runner: RunnerChoice,
    pub log: PathBuf,
    /// Where jobs on the host make their temporary files.
    pub temp: PathBuf,
}

/// A server: this very program, as a process of its own.
pub struct Server {
    child: Child,
}

impl Launch {
    /// Starts it, and waits until it answers.
    pub async fn start(&self) -> anyhow::Result<Server> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &self.listen, "--runner", self.runner.as_str()])
            // The sample's jobs build images: they may call the engine.
            .arg("--allow-host-docker")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // So that Ctrl-C reaches the demo alone, which then ends the server.
            .process_group(0);
        match self.runner {
            // Without an engine everywhere: the sample's scripts would find one that answers, and use it.
            RunnerChoice::Host => {
                std::fs::create_dir_all(&self.temp)?;
                command.env("DOCKER_HOST", NO_ENGINE).env("TMPDIR", &self.temp)
            }
            RunnerChoice::Docker | RunnerChoice::Auto => {
                command.args(["--image", "ubuntu-latest=base/ci:latest"])
            }
        };
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Server { child };
        self.await_readiness(&mut server).await?;
        Ok(server)
    }

    async fn await_readiness(&self, server: &mut Server) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        let address = format!("http://{}/readyz", self.listen);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if http.get(&address).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status}):\n{}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!(
                    "the server did not answer within {} s:\n{}",
                    READY_WITHIN.as_secs(),
                    self.last_words()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Server {
    /// No word, no time to finish anything.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // An error means that it has ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    /// Where the demo broke off before it could ask.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
