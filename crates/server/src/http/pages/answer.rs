use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_view::{CONTENT_SECURITY_POLICY, Frame, NextStep, Notice, ProblemPage, Tone, Viewer, paths};

use crate::accounts::Actor;
use crate::app::App;
use crate::clock::now;
use crate::http::caller::{Caller, Visitor};
use crate::refusal::Refusal;

/// Somebody who has signed in and looks at a page. Who has not is sent to sign in.
pub(crate) struct Reader {
    pub(crate) actor: Actor,
    notice: Option<Notice>,
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await;
        let visitor = visitor.map_err(|refusal| PageRefusal(refusal).into_response())?;
        match visitor.0 {
            Some(actor) => Ok(Self { actor, notice: read_notice(&parts.headers) }),
            None if parts.method.is_safe() => {
                let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
                let encoded: String = wanted.bytes().map(|byte| format!("%{byte:02X}")).collect();
                Err(go(&format!("{}?next={encoded}", paths::sign_in())))
            }
            None => Err(PageRefusal(Refusal::unauthorized()).into_response()),
        }
    }
}

impl Reader {
    pub(crate) fn frame(&self) -> Frame {
        Frame {
            viewer: Some(Viewer { name: self.actor.name.clone(), is_admin: self.actor.is_admin() }),
            now: now(),
            // The session cookie is SameSite, and forms have to come from this origin: no token is needed.
            form_token: None,
            notice: self.notice.clone(),
        }
    }

    pub(crate) fn must_administrate(&self) -> Result<(), Refusal> {
        Caller(self.actor.clone()).must_administrate()
    }

    pub(crate) fn caller(self) -> Caller {
        Caller(self.actor)
    }
}

/// The frame for nobody.
pub(crate) fn nobodys_frame() -> Frame {
    Frame { viewer: None, now: now(), form_token: None, notice: None }
}

/// A whole page, with the headers that every page has.
pub(crate) fn page(status: StatusCode, markup: maud::Markup) -> Response {
    let mut response = (status, Html(markup.into_string())).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A notice is shown once.
    if let Ok(gone) = HeaderValue::from_str(&format!("{NOTICE}=; Path=/; Max-Age=0")) {
        headers.append(header::SET_COOKIE, gone);
    }
    response
}

/// See other (303).
pub(crate) fn go(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

const NOTICE: &str = "sluice_notice";

/// The end of a form: back to a page, which says what was done, or why it was not.
pub(crate) fn done(outcome: Result<String, Refusal>, to: &str) -> Response {
    let (tone, text) = match outcome {
        Ok(text) => ('g', text),
        Err(refusal) => ('b', refusal.message),
    };
    let text: String = text.chars().take(800).collect();
    let cookie = format!(
        "{NOTICE}={tone}{}; Path=/; Max-Age=30; HttpOnly; SameSite=Lax",
        URL_SAFE_NO_PAD.encode(text)
    );
    let mut response = go(to);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn read_notice(headers: &HeaderMap) -> Option<Notice> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let value = cookies
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(NOTICE)?.strip_prefix('='))?;
    let tone = if value.starts_with('g') { Tone::Good } else { Tone::Bad };
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(value.get(1..)?).ok()?).ok()?;
    (!text.is_empty()).then_some(Notice { tone, text })
}

/// A refusal that a person sees as a page.
pub(crate) struct PageRefusal(pub(crate) Refusal);

impl<T: Into<Refusal>> From<T> for PageRefusal {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for PageRefusal {
    fn into_response(self) -> Response {
        let Refusal { status, message } = self.0;
        let title = match status {
            StatusCode::NOT_FOUND => "That is not here",
            StatusCode::FORBIDDEN => "That is not for you to do",
            StatusCode::UNAUTHORIZED => "Sign in first",
            StatusCode::CONFLICT => "That cannot be done now",
            _ => "That did not work",
        };
        let next = NextStep { label: "All repositories".to_owned(), href: paths::home().to_owned() };
        let problem = ProblemPage {
            status: status.as_u16(),
            title: title.to_owned(),
            detail: message,
            next: vec![next],
            reference: None,
        };
        page(status, problem.render(&nobodys_frame()))
    }
}

pub(crate) type PageAnswer = Result<Response, PageRefusal>;
