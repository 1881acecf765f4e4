use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use crate::problem::Problem;

/// The process is alive. It says nothing of what it needs: restarting it would not bring that back.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// It can serve: PostgreSQL and Redis answer.
pub async fn readyz(State(shop): State<Shared>) -> Result<&'static str, Problem> {
    let (store, cache) = tokio::join!(shop.store.ready(), shop.cache.ready());
    let missing: Vec<_> = [store.err(), cache.err()].into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok("ready\n");
    }
    // What an engine says is for the log; a client learns which one it is.
    tracing::warn!(missing = missing.join("; "), "not ready");
    let names: Vec<_> = missing.iter().filter_map(|text| text.split(':').next()).collect();
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}", names.join(", "))))
}
