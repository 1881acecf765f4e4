use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use sluice_store::RunFilter;
use sluice_wire::ServerVersion;

use super::answer::Answer;
use crate::app::App;
use crate::clock::now;

pub(crate) async fn version(State(app): State<Arc<App>>) -> Json<ServerVersion> {
    Json(app.options.version.clone())
}

/// The process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers, and the server is not ending.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, (StatusCode, &'static str)> {
    if app.stopping.is_cancelled() {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "the server is ending\n"));
    }
    match app.store.users().await {
        Ok(_) => Ok("ready\n"),
        Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")),
    }
}

/// Counters and gauges in Prometheus' text format, version 0.0.4.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Answer<impl IntoResponse> {
    let open = RunFilter { ended: Some(false), limit: 100_000, ..RunFilter::default() };
    let open_runs = app.store.runs(open).await?.len() as u64;
    let pending = app.store.pending_effects().await?.len() as u64;
    let counters = &app.counters;
    let uptime = u64::try_from(now().since_ms(app.started) / 1000).unwrap_or(0);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let mut text = String::new();
    for (name, kind, help, value) in [
        ("sluice_http_requests_total", "counter", "HTTP requests begun.", count(&counters.requests)),
        ("sluice_pushes_total", "counter", "Pushes taken.", count(&counters.pushes)),
        (
            "sluice_runs_started_total",
            "counter",
            "Runs begun by this process.",
            count(&counters.runs_started),
        ),
        ("sluice_runs_ended_total", "counter", "Runs ended in this process.", count(&counters.runs_ended)),
        ("sluice_event_streams", "gauge", "Live streams to browsers.", count(&counters.streams)),
        ("sluice_runs_open", "gauge", "Runs that have not ended.", open_runs),
        ("sluice_effects_pending", "gauge", "Effects that are not done.", pending),
        ("sluice_uptime_seconds", "gauge", "Seconds since the start.", uptime),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
