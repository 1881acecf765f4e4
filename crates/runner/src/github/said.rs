use std::sync::{Arc, Mutex, PoisonError};

use sluice_wire::Level;

use super::commands::{Allowed, Commands, Effect, Matchers};
use super::contexts::{overlay, shows_debug};
use super::problem_matchers::{FILE_LIMIT_BYTES, Found, Matcher, Scanner};
use super::process::State;
use super::scope::Effects;
use super::steps::{Prepared, Steps};
use crate::checkout;
use crate::log::{Judge, LineVerdict};
use crate::place::SharedFiles;

/// Annotations of one level that are kept of a step; GitHub's limit.
const MOST_ANNOTATIONS: usize = 10;
/// How far above a file its repository is looked for.
const MOST_FOLDERS: usize = 50;
/// The largest `.git/config` that is read.
const GIT_CONFIG_LIMIT_BYTES: u64 = 1 << 20;

/// The problem matchers of a job, the newest first. Steps that run see what others add.
#[derive(Default)]
pub(super) struct JobMatchers(Mutex<Arc<[Arc<Matcher>]>>);

impl JobMatchers {
    fn get(&self) -> Arc<[Arc<Matcher>]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts matchers before all others. Those of the same owners go.
    fn replace(&self, owners: &[String], added: Vec<Matcher>) {
        let mut matchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = matchers.iter().filter(|matcher| !owners.iter().any(|owner| matcher.is_of(owner)));
        let all: Vec<_> = added.into_iter().map(Arc::new).chain(kept.cloned()).collect();
        *matchers = all.into();
    }
}

/// What one process says on standard output and error: its commands are obeyed, and its other lines are scanned by the
/// job's problem matchers.
pub(super) struct Said<'a> {
    steps: &'a Steps<'a>,
    commands: Commands,
    matchers: Arc<[Arc<Matcher>]>,
    scanner: Scanner,
    /// Of the level, message, file and line of each.
    annotations: Vec<(Level, String, Option<String>, Option<u32>)>,
    heard: Heard,
}

/// What a process has asked for with commands.
#[derive(Default)]
pub(super) struct Heard {
    pub effects: Effects,
    pub state: State,
    /// One of them is not obeyed, and the step fails.
    pub refused: bool,
}

impl<'a> Said<'a> {
    pub fn listen(steps: &'a Steps<'a>, prepared: &Prepared<'_>) -> Self {
        let shows_debug = shows_debug(steps.order())
            || prepared.env.iter().any(|(name, value)| name == "ACTIONS_STEP_DEBUG" && value == "true");
        let is_true = |wanted: &str| {
            prepared.env.iter().any(|(name, value)| name == wanted && value.eq_ignore_ascii_case("true"))
        };
        let allowed = Allowed {
            unsecure_commands: is_true("ACTIONS_ALLOW_UNSECURE_COMMANDS"),
            unsecure_tokens: is_true("ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS"),
        };
        Self {
            steps,
            commands: Commands::new(shows_debug, allowed),
            matchers: Arc::default(),
            scanner: Scanner::default(),
            annotations: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// Sends the annotations, and gives the rest.
    pub async fn take(self, index: u32) -> Heard {
        for (level, message, file, line) in self.annotations {
            self.steps.job.log.annotation(index, level, &message, file, line).await;
        }
        self.heard
    }

    /// What is shown in place of the line, where that is another than what its command says.
    fn obey(&mut self, line: &str, effect: Effect) -> Option<LineVerdict> {
        match effect {
            // At once, for the next line may hold it already.
            Effect::Mask(secret) => self.steps.job.log.add_mask(&secret),
            Effect::Annotate { level, message, file, line } => {
                let file = file.map(|file| self.below_workspace(file));
                self.annotate(level, message, file, line);
            }
            Effect::Output { name, value } => overlay(&mut self.heard.effects.outputs, [(name, value)]),
            Effect::State { name, value } => overlay(&mut self.heard.state, [(name, value)]),
            Effect::Env { name, value } => overlay(&mut self.heard.effects.env, [(name, value)]),
            Effect::Path(path) => self.heard.effects.paths.push(path),
            Effect::Refuse { problem } => self.refuse(problem),
            Effect::AddMatchers { file } => {
                let added = self
                    .read(&file)
                    .and_then(|text| Matcher::read_file(&text).map_err(|error| format!("{file}: {error}")));
                match added {
                    Ok(added) => {
                        let owners: Vec<_> = added.iter().map(|matcher| matcher.owner.clone()).collect();
                        self.steps.matchers.replace(&owners, added);
                    }
                    Err(reason) => return Some(self.cannot(line, &reason)),
                }
            }
            Effect::RemoveMatchers(Matchers::Of(owner)) => self.steps.matchers.replace(&[owner], Vec::new()),
            Effect::RemoveMatchers(Matchers::InFile(file)) => {
                let owners = self.read(&file).and_then(|text| {
                    Matcher::owners_of_file(&text).map_err(|error| format!("{file}: {error}"))
                });
                match owners {
                    Ok(owners) => self.steps.matchers.replace(&owners, Vec::new()),
                    Err(reason) => return Some(self.cannot(line, &reason)),
                }
            }
        }
        None
    }

    fn cannot(&mut self, line: &str, reason: &str) -> LineVerdict {
        let problem = format!("Unable to process command '{}' successfully. {reason}", line.trim());
        let shown = LineVerdict::ShowAs(format!("##[error]{problem}"));
        self.refuse(problem);
        shown
    }

    fn refuse(&mut self, problem: String) {
        self.heard.refused = true;
        self.annotate(Level::Error, problem, None, None);
    }

    fn annotate(&mut self, level: Level, message: String, file: Option<String>, line: Option<u32>) {
        if !self.is_full(level) {
            self.annotations.push((level, message, file, line));
        }
    }

    fn is_full(&self, level: Level) -> bool {
        self.annotations.iter().filter(|annotation| annotation.0 == level).count() >= MOST_ANNOTATIONS
    }

    /// A file of the workspace as the repository knows it; another as it was named.
    fn below_workspace(&self, file: String) -> String {
        let workspace = &self.steps.place.layout.workspace.inside;
        match file.strip_prefix(workspace.as_str()).and_then(|below| below.strip_prefix('/')) {
            Some(below) => below.to_owned(),
            None => file,
        }
    }

    /// A file that a command names, relative to the workspace.
    fn read(&self, file: &str) -> Result<String, String> {
        let path = self.steps.place.layout.workspace.resolve(file);
        let read = SharedFiles::of(self.steps.place).read(&path, FILE_LIMIT_BYTES);
        read.map_err(|error| format!("{path} cannot be read: {error}"))
    }

    fn scan(&mut self, line: &str) -> LineVerdict {
        let matchers = self.steps.matchers.get();
        if !Arc::ptr_eq(&matchers, &self.matchers) {
            self.scanner.follow(&matchers);
            self.matchers = matchers;
        }
        let mut dropped = Vec::new();
        let found = self.scanner.scan(line, &mut dropped);
        let mut shown = Vec::new();
        for warning in dropped {
            shown.push(format!("##[warning]{warning}"));
            self.annotate(Level::Warning, warning, None, None);
        }
        match found {
            Some(found) => {
                shown.push(format!("{}{}", prefix(found.level), found.text));
                if !self.is_full(found.level) {
                    let file = self.file_of(&found);
                    self.annotate(found.level, found.message, file, found.line);
                }
            }
            None if shown.is_empty() => return LineVerdict::Show,
            None => shown.push(line.to_owned()),
        }
        LineVerdict::ShowAs(shown.join("\n"))
    }

    /// The file that a matched line names, relative to its checkout of the job's own repository; none when it is not
    /// there. What GitHub links to is the same.
    fn file_of(&self, found: &Found) -> Option<String> {
        let files = SharedFiles::of(self.steps.place);
        let path = found.path(&self.steps.place.layout.workspace.inside)?;
        if !files.is_file(&path) {
            return None;
        }
        let url = format!("url = {}", checkout::origin(self.steps.order()));
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        for folder in above.collect::<Vec<_>>().into_iter().rev().take(MOST_FOLDERS) {
            if let Ok(config) = files.read(&format!("{folder}/.git/config"), GIT_CONFIG_LIMIT_BYTES) {
                let is_own = config.lines().any(|line| line.trim().eq_ignore_ascii_case(&url));
                return is_own.then(|| path[folder.len() + 1..].to_owned());
            }
        }
        None
    }
}

fn prefix(level: Level) -> &'static str {
    match level {
        Level::Error => "##[error]",
        Level::Warning => "##[warning]",
        Level::Notice => "##[notice]",
        Level::Debug => "##[debug]",
    }
}

impl Judge for Said<'_> {
    fn judges_every_line(&self) -> bool {
        !self.steps.matchers.get().is_empty()
    }

    fn judge(&mut self, line: &str) -> LineVerdict {
        match self.commands.judge(line) {
            None => self.scan(line),
            Some((verdict, None)) => verdict,
            Some((verdict, Some(effect))) => self.obey(line, effect).unwrap_or(verdict),
        }
    }
}
