//! From a trigger to runs: the pipeline files at its commit, through the dialects, to the machine of runs.

use std::collections::BTreeMap;

use sluice_dialect_circleci as circleci;
use sluice_dialect_github as github;
use sluice_engine::Create;
use sluice_model::{RunId, Trigger};
use sluice_plan::{Plan, Value};
use sluice_source::Diagnostic;
use sluice_store::{RunRow, StoreError, Write};
use sluice_wire::{RunState, RunSummary};

use crate::app::{App, Counters};
use crate::change::Change;
use crate::clock::now;
use crate::performer::is_repeat;
use crate::policy;
use crate::record::RunRecord;
use crate::refusal::Refusal;

const WORKFLOWS: &str = ".github/workflows";
const CIRCLECI: &str = ".circleci/config.yml";
const ORBS: &str = ".sluice/orbs";

/// What one workflow of a commit comes to.
struct Planned {
    file: String,
    workflow: String,
    /// The plan, or why there is none.
    plan: Result<Box<Plan>, Vec<Diagnostic>>,
}

/// Begins the runs that a trigger asks for, each once however often this is called with the same `cause`. Gives the
/// lines for whoever pushed.
pub(crate) async fn plan(app: &App, cause: &str, trigger: &Trigger) -> Result<Vec<String>, Refusal> {
    let problems = policy::refresh(app, &trigger.repository).await?;
    let mut words: Vec<String> =
        problems.into_iter().map(|problem| format!("sluice.yaml: {problem}")).collect();
    let known: BTreeMap<String, RunRow> = app
        .store
        .runs_of_cause(&format!("{cause}/"))
        .await?
        .into_iter()
        .map(|row| (row.cause.clone(), row))
        .collect();
    for (index, planned) in workflows(app, trigger).await?.into_iter().enumerate() {
        let cause = format!("{cause}/{index}");
        let number = match known.get(&cause) {
            Some(row) => row.number,
            None => begin(app, &cause, trigger, &planned).await?,
        };
        words.push(line(app, trigger, number, &planned));
    }
    app.changes.tell(Change::Repository { repository: trigger.repository.clone() });
    Ok(words)
}

fn line(app: &App, trigger: &Trigger, number: u64, planned: &Planned) -> String {
    let url = app.run_url(&trigger.repository, number);
    match &planned.plan {
        Ok(_) => format!("Run {number} ({}): {url}", planned.workflow),
        Err(diagnostics) => {
            let first = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            format!("Run {number} failed, {} has errors: {url}\n{first}", planned.file)
        }
    }
}

async fn begin(app: &App, cause: &str, trigger: &Trigger, planned: &Planned) -> Result<u64, Refusal> {
    let run = RunId(app.store.next("run").await?);
    let number = app.store.next(&format!("run of {}", trigger.repository)).await?;
    match &planned.plan {
        Ok(plan) => {
            let create = Create {
                run,
                number,
                plan: (**plan).clone(),
                trigger: trigger.clone(),
                inputs: Value::Null,
                vars: BTreeMap::new(),
                server_url: app.url.clone(),
            };
            match app.runs.create(cause, create).await {
                Ok(()) => Counters::add(&app.counters.runs_started),
                Err(error) if is_repeat(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(diagnostics) => broken(app, cause, trigger, planned, diagnostics, (run, number)).await?,
    }
    Ok(number)
}

/// A run that failed before it began, so that the errors have a page.
async fn broken(
    app: &App,
    cause: &str,
    trigger: &Trigger,
    planned: &Planned,
    diagnostics: &[Diagnostic],
    (id, number): (RunId, u64),
) -> Result<(), Refusal> {
    let at = now();
    let summary = RunSummary {
        repository: trigger.repository.clone(),
        number,
        workflow: planned.workflow.clone(),
        file: planned.file.clone(),
        title: trigger.subject.clone(),
        event: trigger.event,
        git_ref: trigger.git_ref.clone(),
        sha: trigger.sha.clone(),
        actor: trigger.actor.clone(),
        state: RunState::Failure,
        attempt: 1,
        created: at,
        ended: Some(at),
        waiting: Vec::new(),
        problem: diagnostics.first().map(ToString::to_string),
    };
    let row = RunRow {
        id,
        repository: trigger.repository.clone(),
        number,
        cause: cause.to_owned(),
        ended: true,
        git_ref: trigger.git_ref.clone(),
        sha: trigger.sha.to_string(),
        created: at,
        summary: RunRecord { summary, diagnostics: diagnostics.to_vec() }.text(),
    };
    match app.store.write(Write::AddRun(row)).await {
        Ok(()) | Err(StoreError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    app.changes.tell(Change::Run { run: id, repository: trigger.repository.clone() });
    Ok(())
}

/// All workflows of the commit that run for the trigger, or would if their file had no error; in a fixed order.
async fn workflows(app: &App, trigger: &Trigger) -> Result<Vec<Planned>, Refusal> {
    let (repository, sha) = (&trigger.repository, &trigger.sha);
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut paths = app.forge.files_in(repository, sha, WORKFLOWS).await?;
    paths.retain(|path| path.ends_with(".yml") || path.ends_with(".yaml"));
    let workflow_paths = paths.clone();
    paths.extend(app.forge.files_under(repository, sha, ORBS).await?);
    paths.push(CIRCLECI.to_owned());
    for path in paths {
        if let Some(bytes) = app.forge.file(repository, sha, &path).await? {
            texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let mut found = Vec::new();
    for path in &workflow_paths {
        if let Some(text) = texts.get(path) {
            found.extend(of_github(path, text, &texts, trigger));
        }
    }
    if let Some(text) = texts.get(CIRCLECI) {
        let default = app.forge.default_branch(repository).await?;
        let default = default.as_ref().and_then(|branch| branch.name.strip_prefix("refs/heads/"));
        let number = app.store.next(&format!("pipeline of {repository}")).await?;
        let values = circleci::PipelineValues::of_trigger(trigger, number, default.unwrap_or("main"));
        found.extend(of_circleci(text, &texts, trigger, &values));
    }
    found.iter_mut().for_each(refuse_unsupported);
    Ok(found)
}

fn of_github(path: &str, text: &str, texts: &BTreeMap<String, String>, trigger: &Trigger) -> Option<Planned> {
    let planned =
        |workflow: &str, plan| Planned { file: path.to_owned(), workflow: workflow.to_owned(), plan };
    let read = github::read(path, text, &|wanted| texts.get(wanted).cloned());
    let Some(workflow) = read.workflow else {
        return Some(planned(path, Err(errors(read.diagnostics))));
    };
    match workflow.select(trigger) {
        github::Selection::NotSelected { .. } => None,
        github::Selection::Selected => Some(planned(workflow.name(), workflow.plan().map(Box::new))),
    }
}

fn of_circleci(
    text: &str,
    texts: &BTreeMap<String, String>,
    trigger: &Trigger,
    values: &circleci::PipelineValues,
) -> Vec<Planned> {
    let planned =
        |workflow: &str, plan| Planned { file: CIRCLECI.to_owned(), workflow: workflow.to_owned(), plan };
    let read = circleci::read(CIRCLECI, text, &|wanted| texts.get(wanted).cloned(), values);
    let Some(config) = read.config else { return vec![planned(CIRCLECI, Err(errors(read.diagnostics)))] };
    let selections = config.select(trigger);
    let outcome = |selection: circleci::Selection| match selection.outcome {
        circleci::Outcome::Runs(plan) => Some(planned(&selection.workflow, Ok(plan))),
        circleci::Outcome::Refused(diagnostics) => Some(planned(&selection.workflow, Err(diagnostics))),
        circleci::Outcome::DoesNotRun(_) => None,
    };
    selections.into_iter().filter_map(outcome).collect()
}

/// What the machine or the runner cannot do is refused before anything runs.
fn refuse_unsupported(planned: &mut Planned) {
    let Ok(plan) = &planned.plan else { return };
    let mut found = sluice_engine::unsupported(plan);
    found.extend(sluice_runner::unsupported(plan));
    let found = errors(found);
    if !found.is_empty() {
        planned.plan = Err(found);
    }
}

fn errors(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.into_iter().filter(Diagnostic::is_error).collect()
}
