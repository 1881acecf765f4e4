use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use sluice_wire::{Client, Secret};

use super::clock::Clock;
use super::server::Launch;
use crate::runner_choice::RunnerChoice;

/// The throw-away folder that everything of one demo is in, and what was found out before it began.
pub struct Room {
    pub folder: PathBuf,
    pub sample: PathBuf,
    pub runner: RunnerChoice,
    /// `127.0.0.1:PORT`, free a moment ago.
    pub listen: String,
    pub clock: Clock,
}

impl Room {
    pub async fn prepare(sample: &Path, runner: RunnerChoice) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let (runner, why) = choose(runner)?;
        clock.say(format!("jobs and services run {} ({why})", place(runner)));
        if runner == RunnerChoice::Docker {
            make_base_images(sample, &clock)?;
        }
        let folder = std::env::temp_dir().join(format!("sluice-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        Ok(Self { folder, sample: sample.to_owned(), runner, listen, clock })
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
    pub fn checkout(&self) -> PathBuf {
        self.folder.join("storefront")
    }
    pub fn launch(&self) -> Launch {
        Launch {
            data: self.data(),
            listen: self.listen.clone(),
            runner: self.runner,
            log: self.folder.join("server.log"),
            temp: self.folder.join("tmp"),
        }
    }
    /// The client of the administrator whose token the server's first start wrote.
    pub fn admin(&self) -> anyhow::Result<Client> {
        let path = self.data().join("admin-token");
        let token =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Client::new(&self.url(), Some(Secret::new(token.trim())))?)
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }
}

fn place(runner: RunnerChoice) -> &'static str {
    match runner {
        RunnerChoice::Docker => "in Docker containers",
        RunnerChoice::Host | RunnerChoice::Auto => "as processes of this machine",
    }
}

fn choose(runner: RunnerChoice) -> anyhow::Result<(RunnerChoice, &'static str)> {
    let engine_answers = || docker().arg("version").output().is_ok_and(|output| output.status.success());
    match runner {
        RunnerChoice::Host => Ok((RunnerChoice::Host, "asked for")),
        RunnerChoice::Docker if engine_answers() => Ok((RunnerChoice::Docker, "asked for")),
        RunnerChoice::Docker => bail!("no container engine answers: start one, or give --runner host"),
        RunnerChoice::Auto if engine_answers() => Ok((RunnerChoice::Docker, "a container engine answers")),
        RunnerChoice::Auto => Ok((RunnerChoice::Host, "no container engine answers")),
    }
}

pub fn docker() -> Command {
    let mut command = Command::new("docker");
    command.stdin(Stdio::null());
    command
}

/// The images that the sample's jobs run in and its own images are built on; made once, from Debian packages.
fn make_base_images(sample: &Path, clock: &Clock) -> anyhow::Result<()> {
    clock.say("base images: made of Debian packages where they are not there yet (about two minutes, once)");
    let status = Command::new(sample.join("base-images/build.sh"))
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}/base-images/build.sh", sample.display()))?;
    if !status.success() {
        bail!("the base images could not be made (see above)");
    }
    Ok(())
}
