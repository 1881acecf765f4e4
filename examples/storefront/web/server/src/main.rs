//! Serves the page, which is compiled in, and tells it where the API is.

mod config;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use config::Config;
use include_dir::{Dir, include_dir};
use serde_json::json;

/// What `npm run build` has made.
static PAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../dist");

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                eprintln!("web: {problem}");
            }
            return ExitCode::from(2);
        }
    };
    if std::env::args().nth(1).as_deref() == Some("--health") {
        return health(config.port);
    }
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("web: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, config.port));
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("web {} ({}) listens on {address}", config.version, config.commit);
    let router = router(&config)?;
    axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await.map_err(|error| error.to_string())
}

fn router(config: &Config) -> Result<Router, String> {
    let about = json!({
        "version": config.version,
        "commit": config.commit,
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "built_at": config.built_at,
    });
    let settings = json!({ "api_url": config.api_url, "version": config.version });
    let policy = format!("default-src 'self'; connect-src 'self' {}; frame-ancestors 'none'", config.api_url);
    let policy = HeaderValue::from_str(&policy).map_err(|error| error.to_string())?;
    let harden = move |request: Request, next: Next| {
        let policy = policy.clone();
        async move {
            let mut response = next.run(request).await;
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
    };
    Ok(Router::new()
        .route("/", get(|| async { file("index.html") }))
        .route("/settings.json", get(move || async move { (no_cache(), Json(settings)) }))
        .route("/version", get(move || async move { Json(about) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(get(|request: Request| async move { file(request.uri().path().trim_start_matches('/')) }))
        .layer(from_fn(harden)))
}

fn no_cache() -> [(HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-cache")]
}

/// What lies in `assets/` has its content in its name, and never changes.
fn file(path: &str) -> Response {
    let Some(file) = PAGE.get_file(path) else {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    };
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let headers = [(header::CONTENT_TYPE, kind.essence_str()), (header::CACHE_CONTROL, keep)];
    (headers, file.contents()).into_response()
}

/// For the image's HEALTHCHECK, which has no shell and no curl: asks the server beside it.
fn health(port: u16) -> ExitCode {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    match ask() {
        Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
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
