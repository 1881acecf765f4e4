use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sluice_model::UserName;
use sluice_registry::Scope;
use sluice_store::{Access, TokenKind, User, Write};
use sluice_wire::{
    Account, FreshRegistryToken, FreshToken, NewRegistryToken, NewToken, PutAccount, Secret, TokenSummary,
};

use super::answer::Answer;
use super::caller::Caller;
use crate::accounts::{is_account_name, token_id};
use crate::app::App;
use crate::clock::now;
use crate::refusal::Refusal;

pub(crate) async fn whoami(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Account>> {
    let user = find(&app, &caller.0.name).await?;
    Ok(Json(account(&app, user).await?))
}

pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Vec<Account>>> {
    caller.must_administrate()?;
    let mut accounts = Vec::new();
    for user in app.store.users().await? {
        accounts.push(account(&app, user).await?);
    }
    Ok(Json(accounts))
}

pub(crate) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(request): Json<PutAccount>,
) -> Answer<Json<Account>> {
    caller.must_administrate()?;
    let user = put_user(&app, &request).await?;
    Ok(Json(account(&app, user).await?))
}

/// Makes or changes an account: what the API and the page of people share.
pub(crate) async fn put_user(app: &App, request: &PutAccount) -> Answer<User> {
    if !is_account_name(request.name.as_str()) {
        return Err(Refusal::bad(format!(
            "`{}` is no account's name: expected 1 to 40 letters, digits, `.`, `_` and `-`, the first a letter or digit",
            request.name.as_str().chars().take(60).collect::<String>()
        )));
    }
    let access: Access = request.access.parse().map_err(|_| {
        Refusal::bad(format!("access `{}` is not known: expected read, write or admin", request.access))
    })?;
    if request.groups.len() > 50 || request.groups.iter().any(|group| !is_account_name(group)) {
        return Err(Refusal::bad(
            "a group's name has 1 to 40 letters, digits, `.`, `_` and `-`; an account is in at most 50",
        ));
    }
    let user = User { name: request.name.clone(), access, groups: request.groups.clone(), created: now() };
    app.store.write(Write::PutUser(user.clone())).await?;
    Ok(user)
}

pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    caller.must_administrate()?;
    let user = find(&app, &UserName::new(name)).await?;
    if user.name == caller.0.name {
        return Err(Refusal::conflict("you cannot remove the account that you act with"));
    }
    app.store.write(Write::RemoveUser(user.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn new_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(request): Json<NewToken>,
) -> Answer<Json<FreshToken>> {
    let user = find(&app, &UserName::new(name)).await?;
    must_own(&caller, &user.name)?;
    let (token, id) = app.accounts.new_token(&user.name, &request.label).await?;
    let link = sign_in_link(&app, &token);
    Ok(Json(FreshToken { id, token, link }))
}

/// A token for programs, that reaches the registry only, and there what its scopes say.
pub(crate) async fn new_registry_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(request): Json<NewRegistryToken>,
) -> Answer<Json<FreshRegistryToken>> {
    let user = find(&app, &UserName::new(name)).await?;
    must_own(&caller, &user.name)?;
    if !(1..=MAX_SCOPES).contains(&request.scopes.len()) {
        return Err(Refusal::bad(format!("a token for the registry has 1 to {MAX_SCOPES} scopes")));
    }
    let scopes: Result<Vec<Scope>, _> = request.scopes.iter().map(|scope| scope.parse()).collect();
    let scopes = scopes.map_err(|error: sluice_model::InvalidName| Refusal::bad(error.to_string()))?;
    let expires = request.days.map(|days| now().plus_ms(i64::from(days) * 24 * 3600 * 1000));
    let (token, id) = app.accounts.new_scoped_token(&user.name, &request.label, &scopes, expires).await?;
    Ok(Json(FreshRegistryToken { id, token }))
}

const MAX_SCOPES: usize = 50;

pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let owner = UserName::new(name);
    must_own(&caller, &owner)?;
    revoke(&app, &owner, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn revoke(app: &App, owner: &UserName, id: &str) -> Answer<()> {
    let tokens = app.store.tokens(owner).await?;
    let token = tokens.into_iter().find(|token| token_id(&token.hash) == id);
    let token = token.ok_or_else(|| Refusal::not_found(format!("{owner} has no token `{id}`")))?;
    Ok(app.store.write(Write::RemoveToken { hash: token.hash }).await?)
}

/// One's own tokens, or anybody's for an administrator. A job makes none: its own would outlive it.
fn must_own(caller: &Caller, owner: &UserName) -> Answer<()> {
    if caller.0.job.is_none() && (caller.0.name == *owner || caller.0.is_admin()) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("only {owner} and administrators may do this")))
}

/// The link that signs a token's owner in.
pub(crate) fn sign_in_link(app: &App, token: &Secret) -> Secret {
    Secret::new(format!("{}{}?token={}", app.url, sluice_view::paths::sign_in(), token.expose()))
}

pub(crate) async fn find(app: &App, name: &UserName) -> Answer<User> {
    let user = app.store.user(name).await?;
    user.ok_or_else(|| {
        Refusal::not_found(format!(
            "there is no account `{}`",
            name.as_str().chars().take(60).collect::<String>()
        ))
    })
}

async fn account(app: &App, user: User) -> Answer<Account> {
    let tokens = app.store.tokens(&user.name).await?.into_iter().map(|token| TokenSummary {
        id: token_id(&token.hash).to_owned(),
        label: token.label,
        created: token.created,
        scopes: match token.kind {
            TokenKind::Scoped { scopes } => scopes,
            _ => Vec::new(),
        },
    });
    Ok(Account {
        tokens: tokens.collect(),
        access: user.access.as_str().to_owned(),
        groups: user.groups,
        name: user.name,
    })
}
