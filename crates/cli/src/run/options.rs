use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sluice_model::InstanceId;
use sluice_plan::{Dialect, Plan};
use sluice_runner::{ExecutorChoice, ImageMap};
use sluice_server::local::LocalOptions;
use sluice_wire::Secret;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::gates::Approve;
use super::screen::Word;
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

    /// The command line that runs one job of a plan as this one did. Values of secrets are not in it.
    pub fn again(&self, plan: &Plan, job: &InstanceId) -> String {
        // A CircleCI config holds several workflows; a GitHub workflow is a file, and its name may be another's too.
        let workflow = match plan.dialect {
            Dialect::Github => &plan.file,
            Dialect::Circleci => &plan.workflow,
        };
        let mut words = vec!["sluice".to_owned(), "run".to_owned(), workflow.clone()];
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        flag("--job", job.job.as_str());
        if self.path != Path::new(".") {
            flag("-C", &self.path.to_string_lossy());
        }
        if self.runner != RunnerChoice::Auto {
            flag("--runner", self.runner.as_str());
        }
        if self.approve != Approve::Ask {
            flag("--approve", self.approve.as_str());
        }
        self.images.iter().for_each(|image| flag("--image", image));
        self.vars.iter().for_each(|var| flag("--var", var));
        for secret in &self.secrets {
            flag("--secret", secret.split('=').next().unwrap_or_default());
        }
        if let Some(file) = &self.secret_file {
            flag("--secret-file", &file.to_string_lossy());
        }
        words.extend(self.trigger.words());
        words.extend(self.allow_host_docker.then(|| "--allow-host-docker".to_owned()));
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
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

/// Ctrl-C or SIGTERM cancels as GitHub does; a second one ends the program, and what it started dies with it.
pub async fn cancel_on_signals(cancel: CancellationToken, screen: mpsc::Sender<Word>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let mut asked = async || {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => 130,
            _ = terminate.recv() => 143,
        }
    };
    asked().await;
    let notice = "cancelling: jobs stop in their own way; Ctrl-C once more kills them";
    let _ = screen.send(Word::Notice(notice.to_owned())).await;
    cancel.cancel();
    let code = asked().await;
    std::process::exit(code);
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_more_into_it() {
        assert_eq!(quoted("ubuntu-latest=local/ci:1"), "ubuntu-latest=local/ci:1");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
