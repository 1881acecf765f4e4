use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use sluice_model::UserName;
use sluice_store::Access;
use sluice_view::{FreshToken, PeoplePage, Person, TokenRow, paths};
use sluice_wire::PutAccount;

use super::answer::{PageAnswer, Reader, done, page as page_of};
use crate::accounts::token_id;
use crate::app::App;
use crate::http::accounts::{find, put_user, revoke as revoke_of, sign_in_link};
use crate::refusal::Refusal;

pub(crate) async fn page(State(app): State<Arc<App>>, reader: Reader) -> PageAnswer {
    shown(&app, reader, None).await
}

#[derive(Deserialize)]
pub(crate) struct PersonForm {
    name: String,
    /// Separated by commas or spaces.
    #[serde(default)]
    groups: String,
    /// `read`, `write` or `admin`.
    access: String,
}

pub(crate) async fn put(
    State(app): State<Arc<App>>,
    reader: Reader,
    Form(form): Form<PersonForm>,
) -> PageAnswer {
    reader.must_administrate()?;
    let name = UserName::new(form.name.trim());
    let words = form.groups.split([',', ' ']).filter(|word| !word.is_empty());
    let is_own_right = name == reader.actor.name && form.access != Access::Admin.as_str();
    let request = PutAccount { name, access: form.access, groups: words.map(str::to_owned).collect() };
    let outcome = match is_own_right {
        true => Err(Refusal::conflict("you cannot take your own right to administrate away")),
        false => put_user(&app, &request).await,
    };
    Ok(done(outcome.map(|user| format!("{} is set.", user.name)), paths::people()))
}

pub(crate) async fn new_token(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(name): Path<String>,
    Form(form): Form<LabelForm>,
) -> PageAnswer {
    reader.must_administrate()?;
    let user = find(&app, &UserName::new(name)).await?;
    let (token, _) = app.accounts.new_token(&user.name, &form.label).await?;
    let link = sign_in_link(&app, &token).expose().to_owned();
    let fresh = FreshToken { who: user.name, token: token.expose().to_owned(), link };
    shown(&app, reader, Some(fresh)).await
}

#[derive(Deserialize)]
pub(crate) struct LabelForm {
    label: String,
}

pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path((name, id)): Path<(String, String)>,
) -> PageAnswer {
    reader.must_administrate()?;
    let owner = UserName::new(name);
    let outcome = revoke_of(&app, &owner, &id).await;
    Ok(done(outcome.map(|()| format!("A token of {owner} is revoked.")), paths::people()))
}

async fn shown(app: &App, reader: Reader, fresh: Option<FreshToken>) -> PageAnswer {
    reader.must_administrate()?;
    let frame = reader.frame();
    let mut people = Vec::new();
    for user in app.store.users().await? {
        let tokens = app.store.tokens(&user.name).await?.into_iter().map(|token| TokenRow {
            id: token_id(&token.hash).to_owned(),
            label: token.label,
            created_at: token.created,
            expires_at: token.expires,
        });
        people.push(Person {
            tokens: tokens.collect(),
            access: shown_access(user.access),
            groups: user.groups,
            name: user.name,
        });
    }
    let page = PeoplePage { people, groups: groups(app).await?, fresh };
    Ok(page_of(StatusCode::OK, page.render(&frame)))
}

fn shown_access(access: Access) -> sluice_view::Access {
    match access {
        Access::Read => sluice_view::Access::Read,
        Access::Write => sluice_view::Access::Write,
        Access::Admin => sluice_view::Access::Admin,
    }
}

/// The groups that policies name.
async fn groups(app: &App) -> Result<Vec<String>, Refusal> {
    let mut names = BTreeSet::new();
    for repository in app.store.repositories().await? {
        let state = app.deliveries.state(&repository).await?;
        let environments = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
        let rules = environments.iter().filter_map(|environment| environment.approve.as_ref());
        names.extend(rules.flat_map(|rule| &rule.by).filter(|name| !name.starts_with('@')).cloned());
    }
    Ok(names.into_iter().collect())
}
