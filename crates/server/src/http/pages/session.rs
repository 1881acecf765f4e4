use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use sluice_view::{SignInPage, paths};

use super::answer::{PageAnswer, go, nobodys_frame, page as page_of};
use crate::accounts::TOKEN_FILE;
use crate::app::App;
use crate::http::caller::{COOKIE, session};

#[derive(Deserialize)]
pub(crate) struct SignInQuery {
    token: Option<String>,
    next: Option<String>,
}

/// The form; with a token in the address (the link of the first start), the way in.
pub(crate) async fn page(State(app): State<Arc<App>>, Query(query): Query<SignInQuery>) -> PageAnswer {
    match query.token {
        Some(token) => enter(&app, &token, query.next.as_deref()).await,
        None => Ok(form(&app, query.next.as_deref(), None)),
    }
}

#[derive(Deserialize)]
pub(crate) struct SignInForm {
    token: String,
    next: Option<String>,
}

/// No cookie is asked here, so that no other site can misuse one: whoever has the token may sign in with it.
pub(crate) async fn sign_in(State(app): State<Arc<App>>, Form(asked): Form<SignInForm>) -> PageAnswer {
    enter(&app, asked.token.trim(), asked.next.as_deref()).await
}

async fn enter(app: &App, token: &str, next: Option<&str>) -> PageAnswer {
    let Some((session, _)) = app.accounts.sign_in(token).await? else {
        let problem = "This token is not known here: it was mistyped, or revoked.";
        return Ok(form(app, next, Some(problem)));
    };
    let mut response = go(local(next));
    let secure = if app.url.starts_with("https://") { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax{secure}", session.expose());
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> PageAnswer {
    if let Some(session) = session(&headers) {
        app.accounts.sign_out(&session).await?;
    }
    let mut response = go(paths::sign_in());
    let gone = HeaderValue::from_static("sluice_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    response.headers_mut().append(header::SET_COOKIE, gone);
    Ok(response)
}

fn form(app: &App, next: Option<&str>, problem: Option<&str>) -> Response {
    let command = format!("cat {}", app.options.data.join(TOKEN_FILE).display());
    let page = SignInPage { next: local(next).to_owned(), problem: problem.map(str::to_owned), command };
    let status = if problem.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    page_of(status, page.render(&nobodys_frame()))
}

/// Only an address on this server: another site's would make the sign-in a way to it.
fn local(next: Option<&str>) -> &str {
    let is_here = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && !next.starts_with("/\\")
            && next.bytes().all(|byte| byte.is_ascii_graphic())
    };
    next.filter(is_here).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn the_way_after_signing_in_stays_on_this_server() {
        assert_eq!(local(Some("/acme/shop?x=1")), "/acme/shop?x=1");
        for other in
            ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x", "", "x"]
        {
            assert_eq!(local(Some(other)), "/", "{other}");
        }
    }
}
