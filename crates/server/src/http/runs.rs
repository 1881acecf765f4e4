use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use sluice_engine::{Command, RerunScope};
use sluice_model::{JobId, RepositoryName};
use sluice_store::{RunFilter, RunRow};
use sluice_wire::{CancelRequest, Decision, RerunRequest, RunDetail, RunQuery, RunSummary};

use super::answer::Answer;
use super::caller::{Caller, RepositoryPath, repository};
use crate::accounts::Actor;
use crate::app::App;
use crate::gates;
use crate::refusal::Refusal;

/// The most runs that one answer lists.
const MAX_LISTED: u32 = 200;

pub(crate) async fn repositories(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> Answer<Json<Vec<RepositoryName>>> {
    Ok(Json(app.store.repositories().await?))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name)): RepositoryPath,
    Query(query): Query<RunQuery>,
) -> Answer<Json<Vec<RunSummary>>> {
    let repository = repository(&owner, &name)?;
    app.must_exist(&repository).await?;
    let limit = query.limit.unwrap_or(30).min(MAX_LISTED);
    let refs: Vec<Option<String>> = match &query.branch {
        None => vec![None],
        Some(whole) if whole.starts_with("refs/") => vec![Some(whole.clone())],
        Some(short) => vec![Some(format!("refs/heads/{short}")), Some(format!("refs/tags/{short}"))],
    };
    let mut runs = Vec::new();
    for git_ref in refs {
        let filter = RunFilter {
            repository: Some(repository.clone()),
            git_ref,
            sha: query.sha.clone(),
            limit,
            ..RunFilter::default()
        };
        for row in app.store.runs(filter).await? {
            runs.push(app.record(&row).await?.summary);
        }
    }
    Ok(Json(runs))
}

pub(crate) async fn one(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> Answer<Json<RunDetail>> {
    detail(&app, &repository(&owner, &name)?, number).await
}

pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Json(request): Json<CancelRequest>,
) -> Answer<Json<RunDetail>> {
    let repository = repository(&owner, &name)?;
    cancel_run(&app, &caller, &repository, number, request.force).await?;
    detail(&app, &repository, number).await
}

pub(crate) async fn cancel_run(
    app: &App,
    caller: &Caller,
    repository: &RepositoryName,
    number: u64,
    force: bool,
) -> Answer<()> {
    caller.must_write()?;
    let row = runnable(app, repository, number).await?;
    let by = caller.0.name.clone();
    app.runs.command(row.id, Command::Cancel { by, force }).await?;
    Ok(())
}

pub(crate) async fn rerun(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Json(request): Json<RerunRequest>,
) -> Answer<Json<RunDetail>> {
    let repository = repository(&owner, &name)?;
    let scope = match request {
        RerunRequest { job: Some(job), .. } => RerunScope::Job(job),
        RerunRequest { failed: true, .. } => RerunScope::Failed,
        RerunRequest { failed: false, job: None } => RerunScope::All,
    };
    rerun_run(&app, &caller, &repository, number, scope).await?;
    detail(&app, &repository, number).await
}

pub(crate) async fn rerun_run(
    app: &App,
    caller: &Caller,
    repository: &RepositoryName,
    number: u64,
    scope: RerunScope,
) -> Answer<()> {
    caller.must_write()?;
    let row = runnable(app, repository, number).await?;
    app.runs.command(row.id, Command::Rerun { by: caller.0.name.clone(), scope }).await?;
    Ok(())
}

pub(crate) async fn decide_gate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((owner, name, number, job)): Path<(String, String, u64, String)>,
    Json(decision): Json<Decision>,
) -> Answer<Json<RunDetail>> {
    let repository = repository(&owner, &name)?;
    decide_run_gate(&app, &caller.0, &repository, number, &JobId::new(job), &decision).await?;
    detail(&app, &repository, number).await
}

pub(crate) async fn decide_run_gate(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    number: u64,
    job: &JobId,
    decision: &Decision,
) -> Answer<()> {
    let row = runnable(app, repository, number).await?;
    gates::decide_job(app, actor, row.id, job, decision).await
}

/// A run with a log of events, and not one whose pipeline file could not be read.
async fn runnable(app: &App, repository: &RepositoryName, number: u64) -> Answer<RunRow> {
    let row = app.row(repository, number).await?;
    if app.record(&row).await?.diagnostics.is_empty() {
        return Ok(row);
    }
    Err(Refusal::conflict(format!(
        "run {number} never began: its pipeline file has errors; push a mended one"
    )))
}

async fn detail(app: &App, repository: &RepositoryName, number: u64) -> Answer<Json<RunDetail>> {
    let row = app.row(repository, number).await?;
    let record = app.record(&row).await?;
    let state = app.runs.state(row.id).await?;
    let jobs = state.run().map(crate::present::jobs).unwrap_or_default();
    Ok(Json(RunDetail { run: record.summary, jobs, diagnostics: record.diagnostics }))
}
