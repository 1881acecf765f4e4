use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use sluice_wire::{CollectGarbage, GarbageReport, ScrubReport, SigningKeys};

use super::answer::Answer;
use super::caller::Caller;
use crate::app::App;
use crate::garbage::{self, GarbageError};
use crate::refusal::Refusal;
use crate::scrub;

pub(crate) async fn collect_garbage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(request): Json<CollectGarbage>,
) -> Answer<Json<GarbageReport>> {
    caller.must_administrate()?;
    Ok(Json(garbage::collect(&app, request.dry_run).await?))
}

pub(crate) async fn scrub(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<ScrubReport>> {
    caller.must_administrate()?;
    // It goes on when the client does not wait for it.
    let scrubbing = tokio::spawn(async move { scrub::now(&app).await });
    let report = scrubbing.await.map_err(std::io::Error::other)?;
    let report = report.ok_or_else(|| {
        Refusal::conflict("the registry is being scrubbed already; the server's log tells what is found")
    })?;
    Ok(Json(report.map_err(GarbageError::from)?))
}

/// The keys that images are verified with: anybody may know them.
pub(crate) async fn keys(State(app): State<Arc<App>>) -> Json<SigningKeys> {
    Json(signing_keys(&app))
}

pub(crate) async fn replace_key(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<SigningKeys>> {
    caller.must_administrate()?;
    app.signing.replace().map_err(std::io::Error::other)?;
    Ok(Json(signing_keys(&app)))
}

fn signing_keys(app: &App) -> SigningKeys {
    SigningKeys { pem: app.signing.public().iter().map(|key| key.pem()).collect() }
}
