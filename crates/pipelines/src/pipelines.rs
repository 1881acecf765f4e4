use sluice_dialect_circleci::{self as circleci, Outcome, PipelineValues};
use sluice_dialect_github as github;
use sluice_model::{Event, JobId, Trigger};
use sluice_plan::{ActionLock, ActionReference, Value};
use sluice_source::{Diagnostic, Severity};

use crate::files::{FileKind, Files, ORBS, kind};
use crate::selection::{NotRun, Selection};

/// Findings that let a stranger run code in a job.
const WAYS_IN: [&str; 2] = ["github/script-injection", "circleci/untrusted-in-run"];

/// An action that somebody else can change.
const UNPINNED: &str = "github/unpinned-action";

/// The pipeline files of a repository, at one commit or in one working tree.
#[derive(Debug, Clone, Copy)]
pub struct Pipelines<'a> {
    files: &'a Files,
}

impl<'a> Pipelines<'a> {
    /// `files` may hold more than pipeline files; what [`kind`] does not know is not looked at.
    pub fn new(files: &'a Files) -> Self {
        Self { files }
    }

    /// Whether there is any pipeline at all.
    pub fn is_empty(&self) -> bool {
        !self
            .files
            .keys()
            .any(|path| matches!(kind(path), Some(FileKind::GithubWorkflow | FileKind::CircleciConfig)))
    }

    /// Everything that is wrong or dangerous in any of the files, whatever happens. A way in for strangers is an error
    /// here, where somebody asks; it is no reason not to run what runs elsewhere.
    pub fn check(&self) -> Vec<Diagnostic> {
        self.files.iter().flat_map(|(path, text)| self.check_file(path, text)).collect()
    }

    /// [`Self::check`] of one file, which need not be among the repository's; `path` says what it is.
    pub fn check_file(&self, path: &str, text: &str) -> Vec<Diagnostic> {
        let files = |path: &str| self.file(path);
        let mut diagnostics = match kind(path) {
            Some(FileKind::GithubWorkflow) => {
                let read = github::read(path, text, &files);
                let mut found = read.diagnostics;
                // What it calls is looked at as a file of its own.
                found.extend(
                    read.workflow
                        .iter()
                        .flat_map(|read| self.missing_files(path, read))
                        .filter(|error| error.location.path == path),
                );
                // What is not in the lock does not run, and what is in it does not move.
                if matches!(self.lock(), Ok(Some(_))) {
                    found.retain(|diagnostic| diagnostic.code != UNPINNED);
                }
                found
            }
            Some(FileKind::CircleciConfig) => {
                let read = circleci::read(path, text, &files, &PipelineValues::default());
                let problems = read.config.map(|config| config.problems()).unwrap_or_default();
                read.diagnostics.into_iter().chain(problems).collect()
            }
            Some(FileKind::ActionLock) => ActionLock::parse(text).err().into_iter().collect(),
            // Read when a config names it.
            Some(FileKind::Orb) | None => Vec::new(),
        };
        for diagnostic in
            diagnostics.iter_mut().filter(|diagnostic| WAYS_IN.contains(&diagnostic.code.as_str()))
        {
            diagnostic.severity = Severity::Error;
        }
        diagnostics
    }

    /// An error for each workflow of the repository itself that is called and is not among its files. A file that is at no
    /// place where GitHub looks is nobody's: what stands beside it is not known.
    fn missing_files(&self, path: &str, workflow: &github::Workflow) -> Vec<Diagnostic> {
        if !self.files.contains_key(path) {
            return Vec::new();
        }
        let error = |missing: github::MissingFile| {
            let message = format!("the workflow `{}` is not there", missing.reference);
            let error = Diagnostic::error("github/missing-workflow", missing.at, missing.length, message);
            let workflows = self.files.keys().filter(|path| kind(path) == Some(FileKind::GithubWorkflow));
            let near = sluice_source::did_you_mean_text(
                file_name(&missing.reference),
                workflows.map(|path| file_name(path)),
            );
            error.with_help(near.unwrap_or_else(|| {
                "correct the name, or add the file: GitHub looks right in .github/workflows, not in folders below"
                    .to_owned()
            }))
        };
        workflow.missing_files().into_iter().map(error).collect()
    }

    /// What runs for a trigger. `number` is the pipeline's to CircleCI: the run's, which counts up.
    pub fn select(&self, trigger: &Trigger, number: u64, default_branch: &str) -> Selection {
        let mut selection = Selection::default();
        let lock = match self.lock() {
            Ok(lock) => lock,
            Err(diagnostic) => {
                selection.diagnostics.push(diagnostic);
                return selection;
            }
        };
        for (path, text) in self.files {
            match kind(path) {
                Some(FileKind::GithubWorkflow) => self.select_github(path, text, trigger, &mut selection),
                Some(FileKind::CircleciConfig) => {
                    let values = PipelineValues::of_trigger(trigger, number, default_branch);
                    self.select_circleci(path, text, trigger, &values, &mut selection);
                }
                Some(FileKind::Orb | FileKind::ActionLock) | None => {}
            }
        }
        for plan in &mut selection.plans {
            plan.lock.clone_from(&lock);
        }
        selection
    }

    /// `sluice.lock`, where the repository has one.
    pub fn lock(&self) -> Result<Option<ActionLock>, Diagnostic> {
        self.files.get(ActionLock::FILE).map(|text| ActionLock::parse(text)).transpose()
    }

    /// The actions that steps of any workflow name, those of called workflows too.
    pub fn actions(&self) -> Vec<ActionReference> {
        let mut actions = Vec::new();
        self.each_workflow(&mut |workflow| actions.extend(workflow.actions()));
        actions
    }

    /// Whether a CircleCI config says the pipeline's number or id somewhere, so that it has to be known beforehand.
    pub fn tells_the_pipeline(&self) -> bool {
        let is_told = |text: &str| ["pipeline.number", "pipeline.id"].iter().any(|name| text.contains(name));
        let is_config = |path: &str| matches!(kind(path), Some(FileKind::CircleciConfig | FileKind::Orb));
        self.files.iter().any(|(path, text)| is_config(path) && is_told(text))
    }

    /// The registry orbs that configs name and no file here holds: their references (`circleci/node@5.2.0`), and where
    /// their sources are looked for.
    pub fn missing_orbs(&self) -> Vec<(String, String)> {
        let missing = std::cell::RefCell::new(Vec::new());
        let look = |path: &str| {
            let text = self.file(path);
            let reference = path.strip_prefix(ORBS).and_then(|rest| rest.strip_suffix(".yml"));
            if let (None, Some(reference)) = (&text, reference) {
                missing.borrow_mut().push((reference.to_owned(), path.to_owned()));
            }
            text
        };
        // Most configs that import none are not read twice.
        let imports = |(path, text): &(&String, &String)| {
            kind(path) == Some(FileKind::CircleciConfig) && text.contains("orbs")
        };
        for (path, text) in self.files.iter().filter(imports) {
            circleci::read(path, text, &look, &PipelineValues::default());
        }
        let mut missing = missing.into_inner();
        missing.sort();
        missing.dedup();
        missing
    }

    /// The workflows of other repositories that are called and are not among the files, as `owner/name/path@ref`.
    pub fn missing_calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        self.each_workflow(&mut |workflow| calls.extend(workflow.missing_calls()));
        calls.sort();
        calls.dedup();
        calls
    }

    fn each_workflow(&self, visit: &mut dyn FnMut(&github::Workflow)) {
        for (path, text) in self.files {
            if kind(path) == Some(FileKind::GithubWorkflow)
                && let Some(workflow) = github::read(path, text, &|path| self.file(path)).workflow
            {
                visit(&workflow);
            }
        }
    }

    fn select_github(&self, path: &str, text: &str, trigger: &Trigger, into: &mut Selection) {
        let read = github::read(path, text, &|path| self.file(path));
        into.diagnostics.extend(read.diagnostics);
        let Some(workflow) = read.workflow else { return };
        if let github::Selection::NotSelected { reason } = workflow.select(trigger) {
            into.not_run.push(NotRun {
                file: path.to_owned(),
                workflow: workflow.name().to_owned(),
                job: None,
                reason,
            });
            return;
        }
        let missing = self.missing_files(path, &workflow);
        if !missing.is_empty() {
            // Several may call the one that calls what is missing.
            let new = missing.into_iter().filter(|error| !into.diagnostics.contains(error));
            let new: Vec<_> = new.collect();
            into.diagnostics.extend(new);
            return;
        }
        match workflow.plan() {
            Ok(plan) => into.plans.push(plan),
            Err(diagnostics) => into.diagnostics.extend(diagnostics),
        }
    }

    /// The first line of cron of the workflow in a file: what `github.event.schedule` says where nobody says which.
    pub fn schedule(&self, path: &str) -> Option<String> {
        let text = self.file(path)?;
        let read = github::read(path, &text, &|path| self.file(path));
        let schedules = &read.workflow.as_ref()?.event("schedule")?.schedules;
        schedules.first().map(|schedule| schedule.cron.clone())
    }

    /// The `inputs` context of the workflow in a file, for a trigger: an object, or null where the event brings none.
    /// An error is what is wrong with the inputs of a manual dispatch.
    pub fn inputs(&self, path: &str, trigger: &Trigger) -> Result<Value, Vec<Diagnostic>> {
        let is_dispatch = trigger.event == Event::WorkflowDispatch;
        if is_dispatch && kind(path) == Some(FileKind::GithubWorkflow) {
            let text = self.file(path).unwrap_or_default();
            let read = github::read(path, &text, &|path| self.file(path));
            let Some(workflow) = read.workflow else { return Err(read.diagnostics) };
            return workflow.dispatch_inputs(&trigger.inputs);
        }
        if trigger.inputs.is_empty() && !is_dispatch {
            return Ok(Value::Null);
        }
        let pairs = trigger.inputs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        Ok(Value::object(pairs))
    }

    fn select_circleci(
        &self,
        path: &str,
        text: &str,
        trigger: &Trigger,
        values: &PipelineValues,
        into: &mut Selection,
    ) {
        let read = circleci::read(path, text, &|path| self.file(path), values);
        let mut diagnostics = read.diagnostics;
        if read.config.is_some() {
            // They refuse the jobs that need them.
            diagnostics.retain(|found| !read.missing_orbs.contains(found));
        }
        into.diagnostics.extend(diagnostics);
        let Some(config) = read.config else { return };
        for selected in config.select(trigger) {
            let not_run = |job: Option<String>, reason: String| NotRun {
                file: path.to_owned(),
                workflow: selected.workflow.clone(),
                job: job.map(JobId::new),
                reason,
            };
            match selected.outcome {
                Outcome::Runs(plan) => into.plans.push(*plan),
                Outcome::DoesNotRun(reason) => into.not_run.push(not_run(None, reason)),
                Outcome::Refused(diagnostics) => into.diagnostics.extend(diagnostics),
            }
            for job in &selected.left_out {
                into.not_run.push(not_run(Some(job.job.clone()), job.reason.clone()));
            }
        }
    }

    fn file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
