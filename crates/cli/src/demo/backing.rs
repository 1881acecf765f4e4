//! What the sample's services keep their data in: a throw-away PostgreSQL and Redis, which the sample's own script starts.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::room::Room;
use super::sample::Checkout;
use crate::runner_choice::RunnerChoice;

/// A database each.
const ENVIRONMENTS: [&str; 4] = ["dev", "uat", "staging", "production"];
/// What stands in the sample's `sluice.yaml` before the name of a database, and its number.
const PLACES: [(&str, &str); 2] =
    [("DATABASE_URL", "postgres://storefront@localhost:5432/"), ("REDIS_URL", "redis://localhost:6379/")];

pub struct Backing {
    script: PathBuf,
    folder: PathBuf,
    runner: RunnerChoice,
    /// `DATABASE_URL=…` and `REDIS_URL=…`, a line each.
    addresses: String,
}

impl Backing {
    pub fn start(room: &Room) -> anyhow::Result<Self> {
        let script = room.sample.join("ci/services.sh").canonicalize();
        let script = script.context("the sample has no ci/services.sh")?;
        let mut backing = Self {
            script,
            folder: room.folder.join("backing"),
            runner: room.runner,
            addresses: String::new(),
        };
        let mut command = backing.command("up");
        let output = command.args(ENVIRONMENTS).output().context("cannot start ci/services.sh")?;
        if !output.status.success() {
            bail!("PostgreSQL and Redis did not start:\n{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        backing.addresses = String::from_utf8(output.stdout).context("ci/services.sh answers no text")?;
        Ok(backing)
    }

    /// Writes the addresses into the sample's `sluice.yaml`.
    pub fn introduce(&self, checkout: &Checkout) -> anyhow::Result<()> {
        for (variable, place) in PLACES {
            let mut said = self.addresses.lines().filter_map(|line| line.split_once('='));
            let (_, address) = said
                .find(|(name, _)| *name == variable)
                .with_context(|| format!("ci/services.sh says no {variable}"))?;
            let (server, _) = address.rsplit_once('/').context("an address names no database")?;
            checkout.replace_all("sluice.yaml", place, &format!("{server}/"))?;
        }
        Ok(())
    }

    pub fn stop(&self) -> anyhow::Result<()> {
        let output = self.command("down").output().context("cannot start ci/services.sh")?;
        if !output.status.success() {
            bail!("PostgreSQL and Redis did not end: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.script);
        command.arg(verb).arg(&self.folder).stdin(Stdio::null());
        if self.runner == RunnerChoice::Host {
            command.env("DOCKER_HOST", super::server::NO_ENGINE);
        }
        command
    }
}
