//! From a trigger to runs: the pipeline files at its commit, through the dialects, to the machine of runs.

use std::collections::{BTreeMap, BTreeSet};

use sluice_engine::Create;
use sluice_forge::ForgeError;
use sluice_model::{Event, RunId, Trigger};
use sluice_pipelines::{Files, NotRun, Pipelines, Selection, kind};
use sluice_plan::{ActionLock, Plan, Value};
use sluice_source::{Diagnostic, Location};
use sluice_store::{RunRow, StoreError, Write};
use sluice_wire::{RunState, RunSummary};

use crate::app::{App, Counters};
use crate::change::Change;
use crate::clock::now;
use crate::missing::Missing;
use crate::performer::is_repeat;
use crate::policy;
use crate::record::RunRecord;
use crate::refusal::Refusal;

/// The folders in which [`kind`] looks.
const FOLDERS: [&str; 3] = [".github/workflows", ".circleci", ".sluice/orbs"];
/// The most workflows that do not run whose reasons whoever pushed is told.
const MAX_REASONS: usize = 10;

/// What one workflow of a commit comes to.
struct Planned {
    file: String,
    workflow: String,
    /// The plan, or why there is none.
    plan: Result<Box<Plan>, Vec<Diagnostic>>,
}

/// What a commit's files come to for a trigger.
struct Outcome {
    planned: Vec<Planned>,
    not_run: Vec<NotRun>,
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
    let pipeline = pipeline(app, trigger, known.values().next()).await?;
    let Outcome { planned, not_run } = workflows(app, trigger, pipeline).await?;
    if planned.is_empty() {
        words.extend(why_nothing_runs(&not_run));
    }
    for (index, planned) in planned.into_iter().enumerate() {
        let cause = format!("{cause}/{index}");
        let number = match known.get(&cause) {
            Some(row) => row.number,
            None => begin(app, &cause, trigger, pipeline, &planned).await?,
        };
        words.push(line(app, trigger, number, &planned));
    }
    app.changes.tell(Change::Repository { repository: trigger.repository.clone() });
    Ok(words)
}

fn line(app: &App, trigger: &Trigger, number: u64, planned: &Planned) -> String {
    let url = app.run_url(&trigger.repository, number);
    match &planned.plan {
        Ok(plan) => {
            let missing = plan.jobs.iter().flat_map(|job| Missing::of(job, &[], &[]).names());
            let missing: BTreeSet<String> = missing.collect();
            let warning = match missing.is_empty() {
                true => String::new(),
                false => format!("\nRun {number} uses {}, which this server has no value for", join(missing)),
            };
            format!("Run {number} ({}): {url}{warning}", planned.workflow)
        }
        Err(diagnostics) => {
            let first = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            format!("Run {number} failed, {} has errors: {url}\n{first}", planned.file)
        }
    }
}

/// The number of the trigger's pipeline; of one whose runs began in part before the server was killed, the same again.
async fn pipeline(app: &App, trigger: &Trigger, begun: Option<&RunRow>) -> Result<u64, Refusal> {
    if let Some(row) = begun
        && let Some(run) = app.runs.state(row.id).await?.run()
    {
        return Ok(run.pipeline());
    }
    Ok(app.store.next(&format!("pipeline of {}", trigger.repository)).await?)
}

async fn begin(
    app: &App,
    cause: &str,
    trigger: &Trigger,
    pipeline: u64,
    planned: &Planned,
) -> Result<u64, Refusal> {
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
                pipeline,
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
        queued: Vec::new(),
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

/// All workflows of the commit that run for the trigger, then one for each file that is broken; in a fixed order.
async fn workflows(app: &App, trigger: &Trigger, pipeline: u64) -> Result<Outcome, Refusal> {
    let repository = &trigger.repository;
    let (files, too_large) = files(app, trigger).await?;
    let default = app.forge.default_branch(repository).await?;
    let default = default.as_ref().and_then(|branch| branch.name.strip_prefix("refs/heads/"));
    let mut selection = Pipelines::new(&files).select(trigger, pipeline, default.unwrap_or("main"));
    if !selection.plans.is_empty() {
        selection.skip_as_asked(trigger.event, &app.forge.message(repository, &trigger.sha).await?);
    }
    let Selection { plans, not_run, diagnostics } = selection;
    let mut planned: Vec<Planned> = plans.into_iter().map(of_plan).collect();
    // A file that cannot be read is told when it is pushed, and not whenever an image is.
    if trigger.event != Event::RegistryPackage {
        planned.extend(broken_files(diagnostics.into_iter().chain(too_large)));
    }
    Ok(Outcome { planned, not_run })
}

/// The files that pipelines are made of, and one error for each that is too large to be read.
async fn files(app: &App, trigger: &Trigger) -> Result<(Files, Vec<Diagnostic>), Refusal> {
    let (mut files, mut too_large) = (Files::new(), Vec::new());
    let mut paths = vec![ActionLock::FILE.to_owned()];
    for folder in FOLDERS {
        paths.extend(app.forge.files_under(&trigger.repository, &trigger.sha, folder).await?);
    }
    paths.retain(|path| kind(path).is_some());
    for path in paths {
        match app.forge.file(&trigger.repository, &trigger.sha, &path).await {
            Ok(Some(bytes)) => drop(files.insert(path, String::from_utf8_lossy(&bytes).into_owned())),
            Ok(None) => {}
            Err(error @ ForgeError::FileTooLarge { .. }) => {
                let at = Location { path, line: 1, column: 1 };
                too_large.push(Diagnostic::error("pipelines/file-too-large", at, 0, error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((files, too_large))
}

/// What the machine or the runner cannot do is refused before anything runs.
fn of_plan(plan: Plan) -> Planned {
    let mut found = sluice_engine::unsupported(&plan);
    found.extend(sluice_runner::unsupported(&plan, &[]));
    found.retain(Diagnostic::is_error);
    let (file, workflow) = (plan.file.clone(), plan.workflow.clone());
    let plan = if found.is_empty() { Ok(Box::new(plan)) } else { Err(found) };
    Planned { file, workflow, plan }
}

/// One for each file with an error, so that a broken one holds up none of the others.
fn broken_files(diagnostics: impl Iterator<Item = Diagnostic>) -> impl Iterator<Item = Planned> {
    let mut by_file: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics.filter(Diagnostic::is_error) {
        let found = by_file.entry(diagnostic.location.path.clone()).or_default();
        // A file that others call is read once for each of them.
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }
    by_file.into_iter().map(|(file, found)| Planned { workflow: file.clone(), file, plan: Err(found) })
}

fn why_nothing_runs(not_run: &[NotRun]) -> Vec<String> {
    if not_run.is_empty() {
        return vec!["Nothing runs: the commit has no pipeline file".to_owned()];
    }
    let mut words: Vec<String> =
        not_run.iter().take(MAX_REASONS).map(|reason| format!("Does not run: {reason}")).collect();
    if not_run.len() > MAX_REASONS {
        words.push(format!("and {} more", not_run.len() - MAX_REASONS));
    }
    words
}

fn join(names: BTreeSet<String>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}
