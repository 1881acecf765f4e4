//! The HTTP side: OCI distribution-spec 1.1.

mod auth;
mod blob;
mod body;
mod error;
mod list;
mod manifest;
pub mod range;
mod route;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::{AccessRequest, Action, Registry};
use error::{Answer, Refusal};
use route::{Endpoint, Route};

/// Everything under `/v2/`, to be merged into the server's routes.
///
/// Bodies are streamed: no layer around it may collect them or limit their size.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .with_state(registry)
}

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

async fn serve(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let (request, body) = request.into_parts();
    let rest = body::Rest::default();
    let mut response = match answer(&registry, &request, rest.lend(body)).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    rest.drain(&request, &mut response).await;
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn answer(registry: &Arc<Registry>, request: &Parts, body: Body) -> Answer {
    let route = Route::parse(&request.method, request.uri.path())?;
    let method = request.method.clone();
    match route {
        Route::Base => match method {
            Method::GET | Method::HEAD => {
                auth::require(registry, request, AccessRequest::Login).await?;
                Ok(axum::Json(serde_json::json!({})).into_response())
            }
            _ => Err(Refusal::method_not_allowed("GET, HEAD")),
        },
        Route::Token => match method {
            Method::GET => auth::token(registry, request).await,
            _ => Err(Refusal::method_not_allowed("GET")),
        },
        Route::Catalog => match method {
            Method::GET => {
                auth::require(registry, request, AccessRequest::Catalog).await?;
                list::catalog(registry, request).await
            }
            _ => Err(Refusal::method_not_allowed("GET")),
        },
        Route::Repository { repository, endpoint } => {
            let action = endpoint.action(&method)?;
            let wanted = AccessRequest::Repository { repository: repository.clone(), action };
            let by = auth::require(registry, request, wanted).await?;
            if action == Action::Push {
                registry.require_own(&repository)?;
            }
            match endpoint {
                Endpoint::Blob(digest) if action == Action::Pull => {
                    blob::get(registry, &repository, &digest, request).await
                }
                Endpoint::Blob(digest) => {
                    registry.delete_blob(&repository, &digest).await?;
                    Ok(accepted())
                }
                Endpoint::Manifest(reference) => match action {
                    Action::Pull => manifest::get(registry, &repository, &reference, request).await,
                    Action::Push => manifest::put(registry, &repository, &reference, request, body, by).await,
                    Action::Delete => manifest::delete(registry, &repository, &reference).await,
                },
                Endpoint::Uploads => upload::begin(registry, &repository, request, body).await,
                Endpoint::Upload(id) => match method {
                    Method::GET => upload::status(registry, &repository, id).await,
                    Method::PATCH => upload::append(registry, &repository, id, request, body).await,
                    Method::PUT => upload::finish(registry, &repository, id, request, body).await,
                    _ => upload::cancel(registry, &repository, id).await,
                },
                Endpoint::Tags => list::tags(registry, &repository, request).await,
                Endpoint::Referrers(digest) => list::referrers(registry, &repository, &digest, request).await,
            }
        }
    }
}

fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// A response without a body, that tells a HEAD request how long it would have been.
fn bodiless(mut response: Response) -> Response {
    *response.body_mut() = Body::empty();
    response
}

/// A header's value out of text of a checked form.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// One parameter of the query, decoded; the first where there are several.
fn parameter(request: &Parts, name: &str) -> Option<String> {
    let query = request.uri.query()?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| {
            let spaced = value.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        })
    })
}
