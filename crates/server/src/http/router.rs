use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::{accounts, delivery, git, health, logs, pages, registry, runs};
use crate::app::{App, Counters};

/// The largest body of the API and the forms. Git and the registry, whose bodies are streamed, have limits of their own.
const BODY_BYTES: usize = 1 << 20;
/// How long a client may say nothing within a body.
const BODY_IDLE: Duration = Duration::from_secs(60);

pub(crate) fn router(app: Arc<App>) -> Router {
    let small = Router::new()
        .route("/version", get(health::version))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", api())
        .merge(pages::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    Router::new()
        .merge(small)
        .fallback(git::fallback)
        .with_state(app.clone())
        .merge(sluice_registry::router(app.registry.clone()))
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(app, count))
}

fn api() -> Router<Arc<App>> {
    Router::new()
        .route("/whoami", get(accounts::whoami))
        .route("/accounts", get(accounts::list).post(accounts::put))
        .route("/accounts/{name}", delete(accounts::remove))
        .route("/accounts/{name}/tokens", post(accounts::new_token))
        .route("/accounts/{name}/registry-tokens", post(accounts::new_registry_token))
        .route("/accounts/{name}/tokens/{id}", delete(accounts::revoke_token))
        .route("/deploy", post(delivery::deploy))
        .route("/registry/gc", post(registry::collect_garbage))
        .route("/registry/keys", get(registry::keys).post(registry::replace_key))
        .route("/registry/scrub", post(registry::scrub))
        .route("/repositories", get(runs::repositories))
        .nest("/repositories/{owner}/{name}", repository())
}

fn repository() -> Router<Arc<App>> {
    Router::new()
        .route("/runs", get(runs::list))
        .route("/runs/{number}", get(runs::one))
        .route("/runs/{number}/cancel", post(runs::cancel))
        .route("/runs/{number}/rerun", post(runs::rerun))
        .route("/runs/{number}/gates/{job}", post(runs::decide_gate))
        .route("/runs/{number}/jobs/{instance}/log", get(logs::text))
        .route("/releases", get(delivery::releases))
        .route("/environments", get(delivery::environments))
        .route("/environments/{environment}/promote", post(delivery::promote))
        .route("/environments/{environment}/rollback", post(delivery::rollback))
        .route("/environments/{environment}/decide", post(delivery::decide_environment))
        .route("/promotions/{promotion}", get(delivery::promotion))
        .route("/promotions/{promotion}/decide", post(delivery::decide_promotion))
        .route("/promotions/{promotion}/follow", get(delivery::follow))
}

async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    Counters::add(&app.counters.requests);
    next.run(request).await
}
