use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_model::RepositoryName;

use crate::accounts::{Actor, Shown};
use crate::app::App;
use crate::refusal::Refusal;

/// Who asks, proved by a token. Without one the request is refused.
pub(crate) struct Caller(pub(crate) Actor);

/// The same, for pages: nobody may ask too.
pub(crate) struct Visitor(pub(crate) Option<Actor>);

/// The name of the cookie of a browser that has signed in.
pub(crate) const COOKIE: &str = "sluice_session";

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        authenticate(app, parts).await?.map(Self).ok_or_else(Refusal::unauthorized)
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        authenticate(app, parts).await.map(Self)
    }
}

async fn authenticate(app: &App, parts: &Parts) -> Result<Option<Actor>, Refusal> {
    let Some(shown) = shown(&parts.headers) else { return Ok(None) };
    if matches!(shown, Shown::Cookie(_)) && !parts.method.is_safe() {
        must_come_from_here(&parts.headers, &parts.method)?;
    }
    Ok(app.accounts.authenticate(&shown).await?)
}

/// A browser sends its cookie along whoever wrote the form. What changes something has to come from our own pages.
fn must_come_from_here(headers: &HeaderMap, method: &Method) -> Result<(), Refusal> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    match (origin, host) {
        (Some(origin), Some(host)) if origin == host => Ok(()),
        _ => {
            let message = format!("this {method} did not come from a page of this server");
            Err(Refusal::new(StatusCode::FORBIDDEN, message))
        }
    }
}

/// The first proof that the headers hold.
fn shown(headers: &HeaderMap) -> Option<Shown> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Shown::Bearer(rest.trim().to_owned()));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            let (username, password) = text.split_once(':')?;
            return Some(Shown::Basic { username: username.to_owned(), password: password.to_owned() });
        }
        return None;
    }
    session(headers).map(Shown::Cookie)
}

/// The session cookie's value.
pub(crate) fn session(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .map(str::to_owned)
}

impl Caller {
    pub(crate) fn must_write(&self) -> Result<(), Refusal> {
        match self.0.can_write() {
            true => Ok(()),
            false => Err(Refusal::forbidden(format!("{} may only read here", self.0.name))),
        }
    }

    /// Administration is for people: a job's token does not reach it.
    pub(crate) fn must_administrate(&self) -> Result<(), Refusal> {
        match self.0.is_admin() {
            true => Ok(()),
            false => Err(Refusal::forbidden("only an administrator may do this")),
        }
    }
}

/// A repository in an address: `{owner}/{name}`, with whatever follows.
pub(crate) fn repository(owner: &str, name: &str) -> Result<RepositoryName, Refusal> {
    format!("{owner}/{name}").parse().map_err(|error| Refusal::not_found(format!("{error}")))
}

/// The address of a repository's own part, where nothing else is in it.
pub(crate) type RepositoryPath = Path<(String, String)>;
