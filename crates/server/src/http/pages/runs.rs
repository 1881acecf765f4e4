use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sluice_engine::RerunScope;
use sluice_model::{JobId, RepositoryName};
use sluice_view::{RunFilters, paths};
use sluice_wire::Decision;

use super::answer::{PageAnswer, Reader, done, page};
use super::live::{self, Drawn};
use crate::app::App;
use crate::change::Change;
use crate::http::caller::{RepositoryPath, repository};
use crate::http::runs::{cancel_run, decide_run_gate, rerun_run};
use crate::present::pages;
use crate::refusal::Refusal;

pub(crate) async fn home(State(app): State<Arc<App>>, reader: Reader) -> PageAnswer {
    let shown = pages::home(&app, &reader.actor).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
    Query(filters): Query<RunFilters>,
) -> PageAnswer {
    let shown = pages::runs(&app, &reader.actor, &repository(&owner, &name)?, filters).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn list_events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
    Query(filters): Query<RunFilters>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let reader = Arc::new(reader);
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository, filters) =
            (drawing.clone(), reader.clone(), shown.clone(), filters.clone());
        async move {
            let page = pages::runs(&app, &reader.actor, &repository, filters).await?;
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

pub(crate) async fn one(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> PageAnswer {
    let shown = pages::run(&app, &reader.actor, &repository(&owner, &name)?, number).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn one_events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    app.row(&repository, number).await?;
    let reader = Arc::new(reader);
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository) = (drawing.clone(), reader.clone(), shown.clone());
        async move {
            let page = pages::run(&app, &reader.actor, &repository, number).await?;
            // A run that has ended can be run again, and become a release a moment later: the stream stays.
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

/// Everything of one repository: a gate of the board changes a run's page too.
pub(crate) fn of(repository: RepositoryName) -> impl Fn(&Change) -> bool + Send + Sync + 'static {
    move |change| *change.repository() == repository
}

pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let outcome = cancel_run(&app, &reader.caller(), &repository, number, false).await;
    Ok(to_run(&repository, number, outcome.map(|()| format!("Run {number} is being cancelled."))))
}

#[derive(Deserialize)]
pub(crate) struct RerunForm {
    only: Option<String>,
}

pub(crate) async fn rerun(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Form(form): Form<RerunForm>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let scope = match form.only.as_deref() {
        Some("failed") => RerunScope::Failed,
        _ => RerunScope::All,
    };
    let outcome = rerun_run(&app, &reader.caller(), &repository, number, scope).await;
    Ok(to_run(&repository, number, outcome.map(|()| format!("Run {number} runs again."))))
}

/// A word at a gate, out of a form.
#[derive(Deserialize)]
pub(crate) struct DecisionForm {
    decision: String,
    comment: Option<String>,
    /// `board`: where to return to.
    pub(crate) back: Option<String>,
}

impl DecisionForm {
    pub(crate) fn read(&self) -> Result<Decision, Refusal> {
        let approve = match self.decision.as_str() {
            "approve" => true,
            "reject" => false,
            _ => return Err(Refusal::bad("the decision has to be `approve` or `reject`")),
        };
        let comment = self.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
        Ok(Decision { approve, comment: comment.map(|comment| comment.chars().take(500).collect()) })
    }
}

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, number, job)): Path<(String, String, u64, String)>,
    Form(form): Form<DecisionForm>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let decision = form.read()?;
    let job = JobId::new(job);
    let outcome = decide_run_gate(&app, &reader.actor, &repository, number, &job, &decision).await;
    let word = if decision.approve { "Approved" } else { "Rejected" };
    Ok(to_run(&repository, number, outcome.map(|()| format!("{word} {job} of run {number}."))))
}

fn to_run(repository: &RepositoryName, number: u64, outcome: Result<String, Refusal>) -> Response {
    done(outcome, &paths::run(repository, number))
}
