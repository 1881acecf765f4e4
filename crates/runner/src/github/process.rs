use sluice_model::Conclusion;

use super::contexts::overlay;
use super::file_commands::{may_be_set, parse_file_commands};
use super::said::{Heard, Said};
use super::scope::{Effects, Finished};
use super::steps::{Prepared, Steps};
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
    conclude(steps, prepared.index, &ended, said, collected).await
}

/// What came of a process: its files and commands taken, its end explained.
pub(super) async fn conclude(
    steps: &Steps<'_>,
    index: u32,
    ended: &Ended,
    said: Said<'_>,
    collected: Vec<Result<String, String>>,
) -> Result<(Finished, State), String> {
    let Heard { mut effects, mut state, refused } = said.take(index).await;
    if let Some(explanation) = ended.explain() {
        steps.fail(index, &explanation).await;
    }
    let are_read = take_files(steps, index, collected, &mut effects, &mut state).await;
    let outcome = match ended {
        ended if ended.is_success() && are_read && !refused => Conclusion::Success,
        Ended::Cancelled => Conclusion::Cancelled,
        _ => Conclusion::Failure,
    };
    let mut finished = Finished::of(outcome, effects);
    finished.exit_code = ended.exit_code();
    Ok((finished, state))
}

/// Takes what the step wrote to its command files; what it set on standard output comes before. Each file is taken by
/// itself, so that one that is broken does not lose the others. Whether all could be read.
async fn take_files(
    steps: &Steps<'_>,
    index: u32,
    collected: Vec<Result<String, String>>,
    effects: &mut Effects,
    state: &mut State,
) -> bool {
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
    problems.is_empty()
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
        let file = |name: &str| place.layout.temp.inside(&format!("_runner_file_commands/{name}_{serial}"));
        Self {
            env: file("set_env"),
            output: file("set_output"),
            path: file("add_path"),
            state: file("save_state"),
            summary: file("step_summary"),
        }
    }

    pub fn all(&self) -> [&str; 5] {
        [&self.env, &self.output, &self.path, &self.state, &self.summary]
    }

    /// Those that are read when the step has ended, in the order in which they are taken.
    pub fn collected(&self) -> Vec<String> {
        [&self.env, &self.output, &self.path, &self.state].map(Clone::clone).to_vec()
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        let names = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"];
        names.iter().zip(self.all()).map(|(name, path)| ((*name).to_owned(), path.to_owned())).collect()
    }
}
