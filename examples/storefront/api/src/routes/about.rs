use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Shared;

pub async fn greeting(State(shop): State<Shared>) -> Json<Value> {
    Json(json!({ "greeting": shop.greeting }))
}

pub async fn version(State(shop): State<Shared>) -> Json<Value> {
    let build = &shop.build;
    Json(json!({
        "version": build.version,
        "commit": build.commit,
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "built_at": build.built_at,
    }))
}
