use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sluice_model::InstanceId;
use sluice_plan::{Dialect, Plan};
use sluice_server::local::LocalOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::gates::Approve;
use super::job_args::{JobArgs, command_line, split};
use super::screen::Word;
use crate::tree::{OrbArgs, TriggerArgs};

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
    #[command(flatten)]
    pub jobs: JobArgs,
    #[command(flatten)]
    pub orbs: OrbArgs,
    /// A configuration variable: GitHub's `vars` context, a variable of the project on CircleCI; may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE")]
    vars: Vec<String>,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// How a run is shown, and what is asked on the way.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq)]
pub struct ShowArgs {
    /// What to do at an approval
    #[arg(long, value_enum, default_value_t = Approve::Ask)]
    pub approve: Approve,
    /// Only what fails: no output of steps that pass
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// One JSON object a line, as things happen
    #[arg(long)]
    pub json: bool,
}

impl Args {
    pub fn local_options(&self, root: &Path, state: PathBuf) -> anyhow::Result<LocalOptions> {
        let vars = self.vars.iter().map(|pair| split(pair, "--var")).collect::<anyhow::Result<_>>()?;
        Ok(LocalOptions { vars, ..self.jobs.options(root, state)? })
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
        if self.show.approve != Approve::Ask {
            flag("--approve", self.show.approve.as_str());
        }
        let vars = self.vars.iter().flat_map(|var| ["--var".to_owned(), var.clone()]);
        words.extend(self.jobs.words());
        words.extend(self.orbs.words());
        words.extend(vars);
        words.extend(self.trigger.words());
        command_line(&words)
    }
}

/// The number of the signal that asked a run to stop, once one has.
pub type Signalled = Arc<OnceLock<u8>>;

/// Ctrl-C or SIGTERM cancels as GitHub does; a second one ends the program, and what it started dies with it.
pub async fn cancel_on_signals(cancel: CancellationToken, screen: mpsc::Sender<Word>, signalled: Signalled) {
    const INTERRUPT: u8 = 2;
    const TERMINATE: u8 = 15;
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let mut asked = async || {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => INTERRUPT,
            _ = terminate.recv() => TERMINATE,
        }
    };
    // The first one counts.
    let _ = signalled.set(asked().await);
    let notice = "cancelling: jobs stop in their own way; Ctrl-C once more kills them";
    let _ = screen.send(Word::Notice(notice.to_owned())).await;
    cancel.cancel();
    let code = asked().await;
    std::process::exit(128 + i32::from(code));
}
