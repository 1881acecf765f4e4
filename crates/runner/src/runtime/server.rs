use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::refusal::Refusal;
use super::service::Service;
use super::{artifacts, blobs, caches, caches_v1, token};

/// The longest message of a call; files are uploaded by other ways.
const MESSAGE_LIMIT_BYTES: usize = 1 << 20;

/// The runtime APIs of one job, served on this machine's loopback until it is dropped.
pub struct Runtime {
    port: u16,
    service: Arc<Service>,
    over: CancellationToken,
}

impl Runtime {
    /// Serves on a port of its own.
    pub async fn serve(facts: Facts) -> io::Result<Self> {
        std::fs::create_dir_all(&facts.folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let token = token::make(&facts, crate::log::now().0 / 1000);
        facts.log.add_mask(&token);
        let service = Arc::new(Service::new(facts, token, format!("http://127.0.0.1:{port}")));
        let over = CancellationToken::new();
        let served = Served { service: service.clone(), over: over.clone() };
        let server =
            axum::serve(listener, router(served)).with_graceful_shutdown(over.clone().cancelled_owned());
        tokio::spawn(async move { server.await });
        Ok(Self { port, service, over })
    }

    /// The port of loopback, which steps in a container have to be let through to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What GitHub's runner gives to JavaScript and Docker actions (`NodeScriptActionHandler.cs` of actions/runner), and
    /// the server's address under a name that the toolkits do not take for GHES.
    pub fn variables(&self) -> Vec<(String, String)> {
        let address = format!("{}/", self.service.address);
        let pairs = [
            ("ACTIONS_RUNTIME_URL", address.as_str()),
            ("ACTIONS_RESULTS_URL", address.as_str()),
            ("ACTIONS_CACHE_URL", address.as_str()),
            ("ACTIONS_RUNTIME_TOKEN", self.service.token.as_str()),
            ("ACTIONS_CACHE_SERVICE_V2", "True"),
            ("GITHUB_SERVER_URL", self.service.facts.server_url.as_str()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.over.cancel();
        let _ = std::fs::remove_dir_all(&self.service.facts.folder);
    }
}

#[derive(Clone)]
struct Served {
    service: Arc<Service>,
    over: CancellationToken,
}

fn router(served: Served) -> Router {
    let calls = Router::new()
        .route("/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", post(caches::create))
        .route(
            "/twirp/github.actions.results.api.v1.CacheService/FinalizeCacheEntryUpload",
            post(caches::finalize),
        )
        .route(
            "/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL",
            post(caches::find),
        )
        .route("/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact", post(artifacts::create))
        .route(
            "/twirp/github.actions.results.api.v1.ArtifactService/FinalizeArtifact",
            post(artifacts::finalize),
        )
        .route("/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts", post(artifacts::list))
        .route(
            "/twirp/github.actions.results.api.v1.ArtifactService/GetSignedArtifactURL",
            post(artifacts::locate),
        )
        .route("/twirp/github.actions.results.api.v1.ArtifactService/DeleteArtifact", post(artifacts::delete))
        .route("/_apis/artifactcache/cache", get(caches_v1::find))
        .route("/_apis/artifactcache/caches", post(caches_v1::reserve))
        .route("/_apis/artifactcache/caches/{id}", patch(caches_v1::put_chunk).post(caches_v1::commit))
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT_BYTES))
        .layer(middleware::from_fn_with_state(served.clone(), with_token));
    Router::new()
        // Their addresses hold a signature of their own, and their bodies count against a limit of their own.
        .route("/runtime/uploads/{id}", put(blobs::put))
        .route("/runtime/downloads/{id}", get(blobs::get))
        .layer(DefaultBodyLimit::disable())
        .merge(calls)
        .fallback(|| async {
            Refusal::not_found("Sluice serves the APIs of caches and artifacts here, and no others")
        })
        .layer(middleware::from_fn_with_state(served.clone(), while_job_runs))
        .with_state(served.service)
}

async fn with_token(State(served): State<Served>, request: Request, next: Next) -> Response {
    match token::is_in(request.headers(), &served.service.token) {
        true => next.run(request).await,
        false => Refusal::unauthenticated().into_response(),
    }
}

/// A connection that outlives its job finds nothing.
async fn while_job_runs(State(served): State<Served>, request: Request, next: Next) -> Response {
    match served.over.is_cancelled() {
        true => Refusal::denied("the job is over").into_response(),
        false => next.run(request).await,
    }
}
