use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use sluice_model::{EnvironmentName, PromotionId, RepositoryName};
use sluice_view::paths;

use super::answer::{PageAnswer, Reader, done, page};
use super::live::{self, Drawn};
use super::runs::{DecisionForm, of};
use crate::app::App;
use crate::gates;
use crate::http::caller::{RepositoryPath, repository};
use crate::http::delivery::{promote_release, roll_back as go_back};
use crate::present::pages;

pub(crate) async fn board(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
) -> PageAnswer {
    let shown = pages::board(&app, &reader.actor, &repository(&owner, &name)?).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn board_events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let reader = Arc::new(reader);
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository) = (drawing.clone(), reader.clone(), shown.clone());
        async move {
            let page = pages::board(&app, &reader.actor, &repository).await?;
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReleasesQuery {
    before: Option<u64>,
}

pub(crate) async fn releases(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
    Query(query): Query<ReleasesQuery>,
) -> PageAnswer {
    let shown = pages::releases(&app, &reader.actor, &repository(&owner, &name)?, query.before).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn releases_events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name)): RepositoryPath,
    Query(query): Query<ReleasesQuery>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let reader = Arc::new(reader);
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository) = (drawing.clone(), reader.clone(), shown.clone());
        async move {
            let page = pages::releases(&app, &reader.actor, &repository, query.before).await?;
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

pub(crate) async fn release(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, version)): Path<(String, String, String)>,
) -> PageAnswer {
    let shown = pages::release(&app, &reader.actor, &repository(&owner, &name)?, &version).await?;
    Ok(page(StatusCode::OK, shown.render(&reader.frame())))
}

pub(crate) async fn release_events(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, version)): Path<(String, String, String)>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let reader = Arc::new(reader);
    let (drawing, shown) = (app.clone(), repository.clone());
    let draw = move || {
        let (app, reader, repository, version) =
            (drawing.clone(), reader.clone(), shown.clone(), version.clone());
        async move {
            let page = pages::release(&app, &reader.actor, &repository, &version).await?;
            Ok(Drawn { regions: page.regions(&reader.frame()), is_over: false })
        }
    };
    Ok(live::stream(app, of(repository), draw))
}

#[derive(Deserialize)]
pub(crate) struct VersionForm {
    version: String,
}

pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, environment)): Path<(String, String, String)>,
    Form(form): Form<VersionForm>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let environment = EnvironmentName::new(environment);
    let outcome = promote_release(&app, &reader.caller(), &repository, &environment, &form.version).await;
    let said = outcome.map(|_| format!("{} is on its way into {environment}.", form.version));
    Ok(done(said, &paths::board(&repository)))
}

pub(crate) async fn roll_back(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, environment)): Path<(String, String, String)>,
    Form(form): Form<VersionForm>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let environment = EnvironmentName::new(environment);
    let outcome = go_back(&app, &reader.caller(), &repository, &environment, Some(&form.version)).await;
    let said = outcome.map(|_| format!("{environment} goes back to {}.", form.version));
    Ok(done(said, &paths::board(&repository)))
}

pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((owner, name, promotion)): Path<(String, String, u64)>,
    Form(form): Form<DecisionForm>,
) -> PageAnswer {
    let repository = repository(&owner, &name)?;
    let (id, decision) = (PromotionId(promotion), form.read()?);
    let outcome = gates::decide_promotion(&app, &reader.actor, &repository, id, &decision).await;
    let back = back(&app, &repository, id, form.back.as_deref()).await;
    let word = if decision.approve { "Approved" } else { "Rejected" };
    let what = named(&app, &repository, id).await.unwrap_or_else(|| format!("promotion {id}"));
    Ok(done(outcome.map(|()| format!("{word} {what}.")), &back))
}

/// `1.2.3 for production`
async fn named(app: &App, repository: &RepositoryName, id: PromotionId) -> Option<String> {
    let state = app.deliveries.state(repository).await.ok()?;
    let promotion = state.promotion(id)?;
    let release = state.release(promotion.release)?;
    Some(format!("{} for {}", release.version, promotion.environment))
}

/// The board, where the button stood there; else the page of the promotion's release.
async fn back(app: &App, repository: &RepositoryName, id: PromotionId, back: Option<&str>) -> String {
    if back == Some("board") {
        return paths::board(repository);
    }
    let state = app.deliveries.state(repository).await.ok();
    let release = state.as_ref().and_then(|state| state.release(state.promotion(id)?.release));
    release.map_or_else(|| paths::board(repository), |release| paths::release(repository, &release.version))
}
