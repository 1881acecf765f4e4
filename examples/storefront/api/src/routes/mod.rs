//! What the API answers.

mod about;
mod health;
mod orders;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::cache::Cache;
use crate::config::{Build, Config};
use crate::problem::Problem;
use crate::store::Store;
use crate::telemetry;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const BODY_BYTES: usize = 16 * 1024;

/// What every route may use.
pub struct Shop {
    pub greeting: String,
    pub build: Build,
    pub store: Store,
    pub cache: Cache,
}

type Shared = Arc<Shop>;

/// `metrics`: where `/metrics` reads.
pub fn router(config: Config, store: Store, metrics: PrometheusHandle) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(config.web_origin.map_or_else(|| AllowOrigin::from(Any), AllowOrigin::exact))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    let cache = Cache::new(config.redis);
    let shop = Shop { greeting: config.greeting, build: config.build, store, cache };
    Router::new()
        .route("/", get(about::greeting))
        .route("/version", get(about::version))
        .route("/orders", get(orders::list).post(orders::add))
        .route("/popular", get(orders::popular))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(move || async move { metrics.render() }))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .route_layer(from_fn(telemetry::measure))
        .layer(
            ServiceBuilder::new()
                .layer(telemetry::set_request_id())
                .layer(telemetry::trace())
                .layer(telemetry::propagate_request_id())
                .layer(CatchPanicLayer::custom(panicked))
                .layer(cors)
                .layer(from_fn(within_time))
                .layer(DefaultBodyLimit::max(BODY_BYTES)),
        )
        .with_state(Arc::new(shop))
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

async fn within_time(request: Request, next: Next) -> Response {
    let late = || format!("there was no answer within {} s", ANSWER_WITHIN.as_secs());
    tokio::time::timeout(ANSWER_WITHIN, next.run(request))
        .await
        .unwrap_or_else(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, late()).into_response())
}

/// The panic itself is on stderr.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request met a fault of the API").into_response()
}
