use sluice_model::Conclusion;
use sluice_plan::Background;

use super::contexts::overlay;
use super::file_commands::{may_be_set, parse_file_commands};
use super::said::{Heard, Said};
use super::scope::{Effects, Finished};
use super::steps::{Prepared, Steps, name_of};
use crate::exec::{self, Ended};
use crate::place::Place;
use crate::session::Launch;

/// What an action keeps from one of its stages for the next: `STATE_*`.
pub(super) type State = Vec<(String, String)>;

/// Runs a step's process, obeying the commands that it writes on standard output and to its files.
pub(super) async fn run(
    steps: &Steps<'_>,
    launch: Launch,
    prepared: &Prepared<'_>,
) -> Result<(Finished, State), String> {
    let mut said = Said::listen(steps, prepared);
    let mut output = steps.job.log.step(prepared.index);
    let ended = exec::run(&steps.place.session, launch, &mut output, &prepared.limits, &mut said).await;
    let (ended, collected) = ended.map_err(|error| error.to_string())?;
    conclude(steps, prepared, &ended, said, collected).await
}

/// What came of a process: its files and commands taken, its end explained.
pub(super) async fn conclude(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    ended: &Ended,
    said: Said<'_>,
    collected: Vec<Result<String, String>>,
) -> Result<(Finished, State), String> {
    let index = prepared.index;
    let Heard { mut effects, mut state, refused } = said.take(index).await;
    if let Some(explanation) = explain(prepared, ended) {
        steps.fail(index, &explanation).await;
    }
    let are_read = take_files(steps, index, collected, &mut effects, &mut state).await;
    let outcome = match ended {
        ended if ended.is_success() && are_read && !refused => Conclusion::Success,
        Ended::Cancelled => Conclusion::Cancelled,
        _ => Conclusion::Failure,
    };
    let mut finished = Finished::of(outcome, effects);
    finished.exit_code = exit_code(ended);
    Ok((finished, state))
}

/// A signal is the exit code that a shell makes of it, as GitHub's runner tells it.
fn exit_code(ended: &Ended) -> Option<i32> {
    match ended {
        Ended::Signalled(signal) => Some(128 + signal),
        other => other.exit_code(),
    }
}

/// What the log says of an end, in the words of GitHub's runner (actions/runner, `StepsRunner.cs`, `ScriptHandler.cs`).
fn explain(prepared: &Prepared<'_>, ended: &Ended) -> Option<String> {
    match ended {
        Ended::Signalled(_) => {
            exit_code(ended).map(|code| format!("Process completed with exit code {code}."))
        }
        Ended::TimedOut(limit) => {
            let name = name_of(&prepared.contexts, prepared.step);
            let what =
                if prepared.step.background == Background::Joined { "background step" } else { "action" };
            let minutes = limit.as_secs_f64() / 60.0;
            // Of what is left of a limit that began before the process did.
            let minutes = (minutes * 1000.0).round() / 1000.0;
            Some(format!("The {what} '{name}' has timed out after {minutes} minutes."))
        }
        Ended::Cancelled => Some("The operation was canceled.".to_owned()),
        other => other.explain(),
    }
}

/// Takes what the step wrote to its command files; what it set on standard output comes before. Each file is taken by
/// itself, so that one that is broken does not lose the others. Whether all could be read.
async fn take_files(
    steps: &Steps<'_>,
    index: u32,
    mut collected: Vec<Result<String, String>>,
    effects: &mut Effects,
    state: &mut State,
) -> bool {
    let summary = collected.pop();
    let mut problems = Vec::new();
    let mut contents = collected.into_iter();
    let mut next = |what: &str| {
        let content = contents.next().unwrap_or_else(|| Ok(String::new()));
        let text = content.unwrap_or_else(|error| {
            problems.push((what.to_owned(), error));
            String::new()
        });
        // Windows tools begin a file with a byte-order mark.
        text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
    };
    let (env, output, path, saved) = (next("env"), next("output"), next("path"), next("state"));
    let mut parse = |what: &str, text: &str| {
        parse_file_commands(text).unwrap_or_else(|error| {
            problems.push((what.to_owned(), error.to_string()));
            Vec::new()
        })
    };
    let env = parse("env", &env);
    overlay(&mut effects.outputs, parse("output", &output));
    overlay(state, parse("state", &saved));
    let paths = path.lines().map(str::trim).filter(|line| !line.is_empty());
    effects.paths.extend(paths.map(str::to_owned));
    for (name, value) in env {
        if may_be_set(&name) {
            overlay(&mut effects.env, [(name, value)]);
        } else {
            let problem = format!("Can't store {name} output parameter using '$GITHUB_ENV' command.");
            steps.fail(index, &problem).await;
        }
    }
    for (what, problem) in &problems {
        steps.fail(index, &format!("Unable to process file command '{what}' successfully.")).await;
        steps.fail(index, problem).await;
    }
    match summary {
        Some(Ok(summary)) => take_summary(steps, index, &summary).await,
        // It is the only one of the files that is no command, so that the step has not failed.
        Some(Err(problem)) => {
            steps.fail(index, &format!("$GITHUB_STEP_SUMMARY upload aborted: {problem}")).await;
        }
        None => {}
    }
    problems.is_empty()
}

/// The most bytes of one step's summary (actions/runner, `CreateStepSummaryCommand.AttachmentSizeLimit`).
const SUMMARY_LIMIT: usize = 1024 * 1024;

async fn take_summary(steps: &Steps<'_>, index: u32, summary: &str) {
    if summary.len() > SUMMARY_LIMIT {
        let (limit, size) = (SUMMARY_LIMIT / 1024, summary.len() / 1024);
        let problem = format!(
            "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of {limit}k, got {size}k. For more \
             information see: https://docs.github.com/actions/using-workflows/workflow-commands-for-github-actions#adding-a-markdown-summary"
        );
        steps.fail(index, &problem).await;
    } else if !summary.trim().is_empty() {
        steps.job.log.summary(index, summary).await;
    }
}

/// The files by which a step speaks to its runner.
pub(super) struct CommandFiles {
    env: String,
    output: String,
    path: String,
    state: String,
    summary: String,
}

impl CommandFiles {
    pub fn new(place: &Place, serial: u32) -> Self {
        let [env, output, path, state, summary] =
            Self::names(serial).map(|name| place.layout.temp.inside(&name));
        Self { env, output, path, state, summary }
    }

    /// Below the temporary folder.
    pub fn names(serial: u32) -> [String; 5] {
        ["set_env", "set_output", "add_path", "save_state", "step_summary"]
            .map(|name| format!("_runner_file_commands/{name}_{serial}"))
    }

    pub fn all(&self) -> [&str; 5] {
        [&self.env, &self.output, &self.path, &self.state, &self.summary]
    }

    /// Those that are read when the step has ended, in the order in which they are taken; the summary is the last.
    pub fn collected(&self) -> Vec<String> {
        [&self.env, &self.output, &self.path, &self.state, &self.summary].map(Clone::clone).to_vec()
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        let names = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"];
        names.iter().zip(self.all()).map(|(name, path)| ((*name).to_owned(), path.to_owned())).collect()
    }
}
