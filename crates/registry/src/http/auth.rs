use std::time::Instant;

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{Answer, Refusal};
use crate::tokens::{Challenge, Shown, TOKEN_LIFE};
use crate::{AccessRequest, Action, Credentials, Pusher, Registry, Verdict};

/// Asks the server whether this request may do what it wants, and gives who it is.
pub async fn require(registry: &Registry, request: &Parts, wanted: AccessRequest) -> Result<Pusher, Refusal> {
    let challenge = || challenge(registry, request, &wanted);
    let credentials =
        credentials(registry, request).map_err(|Unreadable| Refusal::unauthorized(challenge()))?;
    match registry.access.authorize(credentials.as_ref(), &wanted).await {
        Verdict::Allowed { by } => Ok(by),
        Verdict::Unauthorized => Err(Refusal::unauthorized(challenge())),
        Verdict::Denied { reason } => Err(Refusal::denied(reason)),
    }
}

/// Whether credentials that are good in general reach a second repository: the source of a mount.
pub async fn may_pull(registry: &Registry, request: &Parts, repository: crate::ImageRepository) -> bool {
    let wanted = AccessRequest::Repository { repository, action: Action::Pull };
    require(registry, request, wanted).await.is_ok()
}

/// `GET /v2/token`: a token for the credentials shown (Docker registry token authentication). What the token allows
/// is not written into it: its credentials are asked about with every request.
pub async fn token(registry: &Registry, request: &Parts) -> Answer {
    let refused = || Refusal::unauthorized(HeaderValue::from_static(BASIC));
    let shown = credentials(registry, request).map_err(|Unreadable| refused())?;
    if shown.is_some() {
        match registry.access.authorize(shown.as_ref(), &AccessRequest::Login).await {
            Verdict::Allowed { .. } => {}
            Verdict::Unauthorized => return Err(refused()),
            Verdict::Denied { reason } => return Err(Refusal::denied(reason)),
        }
    }
    let issued = registry.tokens.issue(shown, Instant::now());
    let token = issued
        .ok_or_else(|| Refusal::internal(&std::io::Error::other("the system's random numbers failed")))?;
    let body = serde_json::json!({
        "token": token,
        "access_token": token,
        "expires_in": TOKEN_LIFE.as_secs(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response())
}

const BASIC: &str = r#"Basic realm="sluice""#;

fn challenge(registry: &Registry, request: &Parts, wanted: &AccessRequest) -> HeaderValue {
    let text = match &registry.tokens.challenge {
        Challenge::Basic => BASIC.to_owned(),
        Challenge::Bearer { public_url } => {
            let url = public_url.clone().unwrap_or_else(|| format!("http://{}", host(request)));
            let service = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
            let realm = format!(r#"Bearer realm="{url}/v2/token",service="{service}""#);
            match scope(wanted) {
                Some(scope) => format!(r#"{realm},scope="{scope}""#),
                None => realm,
            }
        }
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(BASIC))
}

fn scope(wanted: &AccessRequest) -> Option<String> {
    match wanted {
        AccessRequest::Login => None,
        AccessRequest::Catalog => Some("registry:catalog:*".to_owned()),
        AccessRequest::Repository { repository, action } => {
            let actions = match action {
                Action::Push => "pull,push",
                other => other.as_str(),
            };
            Some(format!("repository:{repository}:{actions}"))
        }
    }
}

/// The host that the client asked for, when it has the form of one.
fn host(request: &Parts) -> &str {
    let named = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = named.or_else(|| request.uri.authority().map(axum::http::uri::Authority::as_str));
    let is_host = |text: &&str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    };
    named.filter(is_host).unwrap_or("localhost")
}

/// An Authorization header that is neither Basic nor Bearer, or is damaged.
struct Unreadable;

fn credentials(registry: &Registry, request: &Parts) -> Result<Option<Credentials>, Unreadable> {
    let Some(header) = request.headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = header.to_str().map_err(|_| Unreadable)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(match registry.tokens.look_up(rest, Instant::now()) {
            Shown::Anonymous => None,
            Shown::Credentials(credentials) => Some(credentials),
        });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Unreadable);
    }
    let decoded = STANDARD.decode(rest).map_err(|_| Unreadable)?;
    let decoded = String::from_utf8(decoded).map_err(|_| Unreadable)?;
    let (username, password) = decoded.split_once(':').ok_or(Unreadable)?;
    Ok(Some(Credentials::Basic { username: username.to_owned(), password: password.to_owned() }))
}
