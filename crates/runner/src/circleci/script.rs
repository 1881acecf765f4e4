use std::time::Duration;

use sluice_model::Conclusion;
use sluice_plan::{Background, RunScript, Step};
use tokio_util::sync::CancellationToken;

use super::steps::{StepEnd, Steps, resolve};
use crate::exec::{self, Ended, Limits};
use crate::github::overlay;
use crate::log::ShowAll;
use crate::session::Launch;

/// CircleCI's own default.
const NO_OUTPUT_TIMEOUT: Duration = Duration::from_secs(600);

impl Steps<'_> {
    /// A `run` step, as often as it may be begun again.
    pub(super) async fn run_script(
        &mut self,
        index: u32,
        step: &Step,
        script: &RunScript,
    ) -> Result<StepEnd, String> {
        let launch = self.launch(step, script).await?;
        self.job.log.say(index, header(&launch.argv)).await;
        if step.background == Background::Detached {
            self.start_background(index, launch);
            return Ok(StepEnd::succeeded());
        }
        let silence = script.no_output_timeout_s.map_or(NO_OUTPUT_TIMEOUT, Duration::from_secs);
        let most = script.reruns.map_or(0, |reruns| reruns.most);
        let delay = Duration::from_secs(script.reruns.map_or(0, |reruns| reruns.delay_s));
        let mut reruns = 0;
        loop {
            let end = self.run_once(index, launch.clone(), silence).await?;
            if end.outcome != Conclusion::Failure || reruns == most || self.is_halted {
                return Ok(end);
            }
            reruns += 1;
            self.job.log.say(index, format!("Rerunning the step, {reruns} of {most}")).await;
            tokio::select! {
                () = tokio::time::sleep(delay) => (),
                () = self.job.cancel.cancelled() => {
                    return Ok(StepEnd { outcome: Conclusion::Cancelled, ..end });
                }
            }
        }
    }

    async fn launch(&self, step: &Step, script: &RunScript) -> Result<Launch, String> {
        let text = self.contexts.text(&script.script)?;
        let shell = script.shell.as_ref().or(self.job.work.defaults.shell.as_ref());
        let shell = self.contexts.optional_text(shell)?;
        let argv = self.shell(shell.as_deref(), &text).await?;
        let folder = self.contexts.optional_text(script.working_directory.as_ref())?.unwrap_or_default();
        let directory = resolve(self.place, &folder);
        let mut env = self.env.clone();
        overlay(&mut env, self.contexts.env(&step.env)?);
        overlay(&mut env, [("PWD".to_owned(), directory.clone())]);
        let collect = vec![self.place.layout.temp.inside("halt")];
        Ok(Launch { argv, env, directory, collect, ..Default::default() })
    }

    async fn run_once(&mut self, index: u32, launch: Launch, silence: Duration) -> Result<StepEnd, String> {
        let limits = Limits {
            timeout: None,
            no_output_timeout: Some(silence),
            cancel: self.job.cancel.clone(),
            grace: self.job.grace,
        };
        let mut output = self.job.log.step(index);
        let ended = exec::run(&self.place.session, launch, &mut output, &limits, &mut ShowAll).await;
        let (ended, collected) = ended.map_err(|error| error.to_string())?;
        if collected.first().is_some_and(|word| word.as_ref().is_ok_and(|word| !word.is_empty())) {
            self.is_halted = true;
        }
        if let Some(explanation) = ended.explain() {
            self.job.log.say(index, format!("##[error]{explanation}")).await;
        }
        let outcome = match &ended {
            ended if ended.is_success() => Conclusion::Success,
            Ended::Cancelled => Conclusion::Cancelled,
            _ => Conclusion::Failure,
        };
        Ok(StepEnd { outcome, exit_code: ended.exit_code() })
    }

    /// A background step goes on beside the others and is killed when the job ends.
    fn start_background(&mut self, index: u32, launch: Launch) {
        let (session, mut output) = (self.place.session.clone(), self.job.log.step(index));
        let limits = Limits {
            timeout: None,
            no_output_timeout: None,
            // It ends with the place, which kills all that runs in it.
            cancel: CancellationToken::new(),
            grace: self.job.grace,
        };
        self.background.spawn(async move {
            // How it ends changes nothing for the job.
            let _ = exec::run(&session, launch, &mut output, &limits, &mut ShowAll).await;
        });
    }

    /// CircleCI hands the script to the shell as its last argument (CircleCI, "Default shell options").
    async fn shell(&self, shell: Option<&str>, script: &str) -> Result<Vec<String>, String> {
        let mut argv: Vec<String> = match shell.map(str::trim).filter(|shell| !shell.is_empty()) {
            Some(shell) => shell.split_whitespace().map(str::to_owned).collect(),
            None => {
                let shell = self.bash().await?.unwrap_or_else(|| "/bin/sh".to_owned());
                vec![shell, "-eo".to_owned(), "pipefail".to_owned()]
            }
        };
        if argv.last().is_none_or(|last| last != "-c") {
            argv.push("-c".to_owned());
        }
        argv.push(script.to_owned());
        Ok(argv)
    }

    /// Some systems have it elsewhere.
    async fn bash(&self) -> Result<Option<String>, String> {
        for program in ["/bin/bash", "bash"] {
            let found = self.place.find_program(program).await.map_err(|error| error.to_string())?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// What CircleCI shows above a step's output, the shell line, then the script; as a group, which readers can fold.
fn header(argv: &[String]) -> String {
    let (script, shell) = argv.split_last().map_or(("", &[][..]), |(script, shell)| (script.as_str(), shell));
    let shell = shell.strip_suffix(&["-c".to_owned()]).unwrap_or(shell);
    format!("##[group]#!{}\n{}\n##[endgroup]", shell.join(" "), script.trim_end())
}
