use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use sluice_runner::{ExecutorChoice, ImageMap};
use sluice_server::local::LocalOptions;
use sluice_wire::Secret;
use tokio_util::sync::CancellationToken;

use super::gates::Approve;
use crate::runner_choice::RunnerChoice;
use crate::tree::TriggerArgs;

#[derive(clap::Args)]
pub struct Args {
    /// Only this workflow: its name or its file
    pub workflow: Option<String>,
    /// Only this job, and what it needs
    #[arg(short, long)]
    pub job: Option<String>,
    /// The repository
    #[arg(short = 'C', long = "directory", value_name = "DIR", default_value = ".")]
    pub path: PathBuf,
    #[command(flatten)]
    pub trigger: TriggerArgs,
    /// Where jobs run
    #[arg(long, value_enum, default_value_t = RunnerChoice::Auto)]
    runner: RunnerChoice,
    /// Take another image, or give a runs-on label one; may be repeated
    #[arg(long = "image", value_name = "FROM=TO")]
    images: Vec<String>,
    /// A secret: KEY=VALUE, or KEY to take it from the environment; may be repeated
    #[arg(short, long = "secret", value_name = "KEY[=VALUE]")]
    secrets: Vec<String>,
    /// Secrets, a KEY=VALUE a line
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A configuration variable (the `vars` context); may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE")]
    vars: Vec<String>,
    /// What to do at an approval
    #[arg(long, value_enum, default_value_t = Approve::Ask)]
    pub approve: Approve,
    /// How many jobs run at once [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Let steps call this machine's container engine
    #[arg(long)]
    allow_host_docker: bool,
    /// Only what fails: no output of steps that pass
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// One JSON object a line, as things happen
    #[arg(long)]
    pub json: bool,
}

impl Args {
    pub fn local_options(&self, state: PathBuf) -> anyhow::Result<LocalOptions> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(LocalOptions {
            state,
            executor: ExecutorChoice::from(self.runner),
            images: image_map(&self.images)?,
            sluice_binary: std::env::current_exe().ok(),
            secrets: self.all_secrets()?,
            vars: self.vars.iter().map(|pair| split(pair, "--var")).collect::<anyhow::Result<_>>()?,
            jobs: self.jobs.unwrap_or(processors).max(1),
            allow_host_docker: self.allow_host_docker,
        })
    }

    fn all_secrets(&self) -> anyhow::Result<BTreeMap<String, Secret>> {
        let mut secrets = BTreeMap::new();
        if let Some(path) = &self.secret_file {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            for (number, line) in lines.enumerate() {
                let Some((key, value)) = line.split_once('=') else {
                    // The line itself may be a secret, so it is not shown.
                    bail!("{}: entry {} is not KEY=VALUE", path.display(), number + 1);
                };
                secrets.insert(key.trim().to_owned(), Secret::new(value.trim().trim_matches('"')));
            }
        }
        for given in &self.secrets {
            let (key, value) = match given.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (
                    given.as_str(),
                    std::env::var(given)
                        .with_context(|| format!("--secret {given}: no such variable in the environment"))?,
                ),
            };
            secrets.insert(key.to_owned(), Secret::new(value));
        }
        Ok(secrets)
    }
}

pub fn image_map(pairs: &[String]) -> anyhow::Result<ImageMap> {
    pairs.iter().map(|pair| split(pair, "--image")).collect()
}

fn split(pair: &str, flag: &str) -> anyhow::Result<(String, String)> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("{flag} `{pair}`: expected a pair with an equals sign"),
    }
}

/// Ctrl-C cancels as GitHub does; a second one ends the program, and what it started dies with it.
pub async fn cancel_on_signals(cancel: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    anstream::eprintln!("cancelling: jobs stop in their own way; Ctrl-C once more kills them");
    cancel.cancel();
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}
