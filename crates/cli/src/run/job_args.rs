use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluice_runner::{ExecutorChoice, ImageMap};
use sluice_server::local::LocalOptions;
use sluice_wire::SshKey;

use super::quoted::quoted;
use super::secrets;
use crate::actions::ActionArgs;
use crate::remote::delivery_to;
use crate::runner_choice::RunnerChoice;
use crate::ssh_keys;
use crate::user_config::UserConfig;

/// How jobs run: what `run` and `rerun` share, and what is kept beside a snapshot for the next attempt.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobArgs {
    /// Where jobs run [default: auto, in containers where an engine answers, else on the host]
    #[arg(long, value_enum)]
    runner: Option<RunnerChoice>,
    /// Take another image, or give a runs-on label one; may be repeated
    #[arg(long = "image", value_name = "FROM=TO")]
    images: Vec<String>,
    /// A secret by its name: the value comes from the environment, else it is asked for. With CONTEXT/ before the name,
    /// only jobs see it that name this CircleCI context; may be repeated
    #[arg(short, long = "secret", value_name = "[CONTEXT/]NAME")]
    secrets: Vec<String>,
    /// Secrets, a NAME=VALUE a line; a value in quotes may have several lines. What stands below a line [CONTEXT] is
    /// that CircleCI context's
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A private SSH key without a passphrase, which CircleCI's `add_ssh_keys` may name by its fingerprint; with HOST=
    /// before the file, for that host only; may be repeated
    #[arg(long = "ssh-key", value_name = "[HOST=]FILE")]
    ssh_keys: Vec<String>,
    /// How many jobs run at once [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Let steps call this machine's container engine
    #[arg(long)]
    allow_host_docker: bool,
    /// A git remote on a Sluice server, as in `sluice`, whose address holds your token: jobs push images to its registry and
    /// deploy there, as you
    #[arg(long, value_name = "REMOTE")]
    pub deliver_to: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub actions: ActionArgs,
    /// JUnit XML files that steps leave in the workspace: their failed tests are shown at the end; may be repeated
    #[arg(long, value_name = "GLOB")]
    junit: Vec<String>,
    /// Keep the workspace or container of a job that fails, for `sluice shell`, until the job runs again, `sluice clean`,
    /// or a week has gone by
    #[arg(long)]
    keep: bool,
    /// Stop a job at the step that fails, to look inside with `sluice shell`; Enter lets it go on
    #[arg(long)]
    break_on_failure: bool,
}

impl JobArgs {
    /// What is given now wins over what was given before.
    pub fn over(self, earlier: Self) -> Self {
        let joined = |earlier: Vec<String>, now: Vec<String>| {
            earlier.into_iter().chain(now).fold(Vec::new(), |mut all, one| {
                all.retain(|known| *known != one);
                all.push(one);
                all
            })
        };
        Self {
            runner: self.runner.or(earlier.runner),
            images: joined(earlier.images, self.images),
            secrets: joined(earlier.secrets, self.secrets),
            secret_file: self.secret_file.or(earlier.secret_file),
            ssh_keys: joined(earlier.ssh_keys, self.ssh_keys),
            junit: joined(earlier.junit, self.junit),
            jobs: self.jobs.or(earlier.jobs),
            allow_host_docker: self.allow_host_docker || earlier.allow_host_docker,
            deliver_to: self.deliver_to.or(earlier.deliver_to),
            actions: self.actions.over(earlier.actions),
            // Whoever wants to look again says so again.
            keep: self.keep,
            break_on_failure: self.break_on_failure,
        }
    }

    /// Paths that hold whatever folder a later attempt is called in.
    pub fn absolute(mut self) -> anyhow::Result<Self> {
        self.secret_file = self.secret_file.map(std::path::absolute).transpose()?;
        self.ssh_keys =
            self.ssh_keys.iter().map(|key| ssh_keys::absolute(key)).collect::<anyhow::Result<_>>()?;
        self.actions = self.actions.absolute()?;
        Ok(self)
    }

    /// Reads what has to be read; may ask for secrets on a terminal.
    ///
    /// The person's configuration stands in for what is not given.
    pub fn options(&self, root: &Path, state: PathBuf) -> anyhow::Result<LocalOptions> {
        let config = UserConfig::read()?;
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let file = self.secret_file.as_deref().or(config.secret_file.as_deref());
        let mut secrets = secrets::gather(file, &self.secrets)?;
        secrets.ssh_keys = self.ssh_keys()?;
        Ok(LocalOptions {
            pipeline: None,
            state,
            executor: self.runner.or(config.runner).map_or(ExecutorChoice::Auto, ExecutorChoice::from),
            images: config
                .images
                .into_iter()
                .map(Ok)
                .chain(pairs(&self.images))
                .collect::<anyhow::Result<_>>()?,
            sluice_binary: std::env::current_exe().ok(),
            secrets,
            vars: Default::default(),
            jobs: self.jobs.or(config.jobs).unwrap_or(processors).max(1),
            allow_host_docker: self.allow_host_docker,
            delivers_to: self.deliver_to.as_deref().map(|remote| delivery_to(root, remote)).transpose()?,
            actions: self.actions.source()?,
            junit: self.junit.clone(),
            keep: self.keep,
            break_on_failure: self.break_on_failure,
        })
    }

    /// The keys of the person's configuration, then those that are given.
    pub fn ssh_keys(&self) -> anyhow::Result<Vec<SshKey>> {
        ssh_keys::read(&[UserConfig::read()?.ssh_keys, self.ssh_keys.clone()].concat())
    }

    /// Where secrets come from: the file, and those that are named one by one.
    pub fn secret_sources(&self) -> (Option<&Path>, &[String]) {
        (self.secret_file.as_deref(), &self.secrets)
    }

    /// What was given, as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        self.runner.iter().for_each(|runner| flag("--runner", runner.as_str()));
        self.images.iter().for_each(|image| flag("--image", image));
        self.secrets.iter().for_each(|secret| flag("--secret", secret));
        self.deliver_to.iter().for_each(|remote| flag("--deliver-to", remote));
        self.secret_file.iter().for_each(|file| flag("--secret-file", &file.to_string_lossy()));
        self.ssh_keys.iter().for_each(|key| words.extend(["--ssh-key".to_owned(), key.clone()]));
        self.junit.iter().for_each(|pattern| words.extend(["--junit".to_owned(), pattern.clone()]));
        words.extend(self.allow_host_docker.then(|| "--allow-host-docker".to_owned()));
        words.extend(self.actions.words());
        words
    }
}

/// `FROM=TO`, as the flag has it.
pub fn image_map(pairs: &[String]) -> anyhow::Result<ImageMap> {
    self::pairs(pairs).collect()
}

fn pairs(pairs: &[String]) -> impl Iterator<Item = anyhow::Result<(String, String)>> {
    pairs.iter().map(|pair| split(pair, "--image"))
}

/// The two sides of a flag's pair.
pub fn split(pair: &str, flag: &str) -> anyhow::Result<(String, String)> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => anyhow::bail!("{flag} `{pair}`: expected a pair with an equals sign"),
    }
}

/// Words as one line that a shell reads back.
pub fn command_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_now_wins() {
        let earlier = JobArgs {
            runner: Some(RunnerChoice::Host),
            images: vec!["a=1".to_owned(), "b=1".to_owned()],
            secret_file: Some("x".into()),
            ..JobArgs::default()
        };
        let now =
            JobArgs { images: vec!["a=2".to_owned()], secrets: vec!["S".to_owned()], ..JobArgs::default() };
        let both = now.over(earlier);
        assert_eq!(both.runner, Some(RunnerChoice::Host));
        assert_eq!(image_map(&both.images).unwrap().get("a"), Some("2"));
        assert_eq!(
            both.words().join(" "),
            "--runner host --image a=1 --image b=1 --image a=2 --secret S --secret-file x"
        );
    }
}
