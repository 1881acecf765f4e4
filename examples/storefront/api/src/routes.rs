//! What the API answers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::config::Config;

pub fn router(config: Config) -> Router {
    Router::new()
        .route("/", get(greeting))
        .route("/version", get(version))
        .route("/healthz", get(healthz))
        .layer(from_fn(allow_any_origin))
        .with_state(Arc::new(config))
}

async fn greeting(State(config): State<Arc<Config>>) -> Json<Value> {
    Json(json!({ "greeting": config.greeting }))
}

async fn version(State(config): State<Arc<Config>>) -> Json<Value> {
    Json(json!({
        "version": config.version,
        "commit": config.commit,
        "description": env!("CARGO_PKG_NAME"),
    }))
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Everything here is public and read-only, so a page of any origin may show it.
async fn allow_any_origin(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
