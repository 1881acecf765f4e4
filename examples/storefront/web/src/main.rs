//! The storefront's page: static files, and where the API is.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::http::{HeaderValue, header};
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("web: {problem}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), String> {
    let port = variable("PORT").unwrap_or_else(|| "8080".to_owned());
    let port: u16 = port.parse().map_err(|_| format!("PORT is `{port}`, expected a number from 1 to 65535"))?;
    let api_url =
        variable("API_URL").ok_or("API_URL is not set; expected the API's address, such as http://localhost:8000")?;
    if !api_url.starts_with("http://") && !api_url.starts_with("https://") {
        return Err(format!("API_URL is `{api_url}`, expected an address that begins with http:// or https://"));
    }
    let version = variable("VERSION").ok_or("VERSION is not set; the image build sets it")?;
    let commit = variable("COMMIT").ok_or("COMMIT is not set; the image build sets it")?;
    let about = json!({ "version": version, "commit": commit, "description": env!("CARGO_PKG_NAME") });
    let settings = json!({ "api_url": api_url, "version": version });

    let router = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route(
            "/page.js",
            get(|| async { ([(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript"))], SCRIPT) }),
        )
        .route("/settings.json", get(move || async move { Json(settings) }))
        .route("/version", get(move || async move { Json(about) }))
        .route("/healthz", get(|| async { "ok\n" }));
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("web {version} ({commit}) listens on {address}");
    axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await.map_err(|error| error.to_string())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => std::future::pending().await,
    }
}
