//! The pages, and the streams that keep them live.

mod answer;
mod artifacts;
mod assets;
mod delivery;
mod images;
mod live;
mod log;
mod people;
mod runs;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// The addresses of `sluice_view::paths`; a test asks for each.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(runs::home))
        .route("/sign-in", get(session::page).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/assets/{file}", get(assets::asset))
        .route("/people", get(people::page).post(people::put))
        .route("/people/{name}/tokens", post(people::new_token))
        .route("/people/{name}/tokens/{id}/revoke", post(people::revoke))
        .route("/{owner}/{name}", get(runs::list))
        .route("/{owner}/{name}/runs", get(runs::list))
        .route("/{owner}/{name}/runs/events", get(runs::list_events))
        .route("/{owner}/{name}/runs/{number}", get(runs::one))
        .route("/{owner}/{name}/runs/{number}/events", get(runs::one_events))
        .route("/{owner}/{name}/runs/{number}/cancel", post(runs::cancel))
        .route("/{owner}/{name}/runs/{number}/rerun", post(runs::rerun))
        .route("/{owner}/{name}/runs/{number}/gates/{job}", post(runs::decide))
        .route("/{owner}/{name}/runs/{number}/jobs/{instance}", get(log::page))
        .route("/{owner}/{name}/runs/{number}/jobs/{instance}/events", get(log::events))
        .route("/{owner}/{name}/runs/{number}/jobs/{instance}/log/lines", get(log::lines))
        .route("/{owner}/{name}/runs/{number}/jobs/{instance}/log/events", get(log::log_events))
        .route("/{owner}/{name}/runs/{number}/jobs/{instance}/log.txt", get(log::raw))
        .route("/{owner}/{name}/runs/{number}/artifacts/{artifact}", get(artifacts::page))
        .route("/{owner}/{name}/runs/{number}/artifacts/{artifact}/{*path}", get(artifacts::file))
        .route("/{owner}/{name}/board", get(delivery::board))
        .route("/{owner}/{name}/board/events", get(delivery::board_events))
        .route("/{owner}/{name}/environments/{environment}/promote", post(delivery::promote))
        .route("/{owner}/{name}/environments/{environment}/rollback", post(delivery::roll_back))
        .route("/{owner}/{name}/promotions/{promotion}/gate", post(delivery::decide))
        .route("/{owner}/{name}/images", get(images::page))
        .route("/{owner}/{name}/releases", get(delivery::releases))
        .route("/{owner}/{name}/releases/-/events", get(delivery::releases_events))
        .route("/{owner}/{name}/releases/{version}", get(delivery::release))
        .route("/{owner}/{name}/releases/{version}/events", get(delivery::release_events))
}
