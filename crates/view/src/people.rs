use maud::{Markup, html};
use sluice_model::{Timestamp, UserName};

use crate::frame::Place;
use crate::time::when;
use crate::{Frame, paths};

/// `/people`: who may do what, for administrators.
#[derive(Debug, Clone)]
pub struct PeoplePage {
    pub people: Vec<Person>,
    /// The groups that `sluice.yaml` files name, to choose from.
    pub groups: Vec<String>,
    /// A token that was made just now: the only time that it is shown.
    pub fresh: Option<FreshToken>,
}

#[derive(Debug, Clone)]
pub struct Person {
    pub name: UserName,
    pub groups: Vec<String>,
    pub access: Access,
    pub tokens: Vec<TokenRow>,
}

/// What a person may do in every repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Admin,
}

#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Names the token in the form that revokes it; no secret.
    pub id: String,
    pub label: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone)]
pub struct FreshToken {
    pub who: UserName,
    pub token: String,
    /// The link that signs its owner in.
    pub link: String,
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshToken").field("who", &self.who).finish_non_exhaustive()
    }
}

impl PeoplePage {
    pub fn render(&self, frame: &Frame) -> Markup {
        frame.document(
            &Place::outside("People and tokens"),
            html! {
                div.title { h1 { "People and tokens" } }
                @if let Some(fresh) = &self.fresh { (fresh.render()) }
                ul.people { @for person in &self.people { li data-row { (person.render(frame)) } } }
                h2 { "Add or change a person" }
                form.stacked method="post" action=(paths::people()) {
                    (frame.token())
                    label for="name" { "Name" }
                    input #name name="name" required maxlength="100" autocomplete="off" spellcheck="false";
                    label for="groups" { "Groups" }
                    input #groups name="groups" maxlength="500" autocomplete="off" spellcheck="false" aria-describedby="groups-hint";
                    p.dim #groups-hint {
                        "Separated by spaces. "
                        @if !self.groups.is_empty() { "sluice.yaml names " (self.groups.join(", ")) "." }
                    }
                    label for="access" { "Access" }
                    select #access name="access" {
                        @for access in [Access::Write, Access::Read, Access::Admin] {
                            option value=(access.word()) { (access.meaning()) }
                        }
                    }
                    button type="submit" { "Save this person" }
                }
            },
        )
    }
}

impl FreshToken {
    fn render(&self) -> Markup {
        html! {
            div.fresh role="status" {
                p { b { "A token for " (self.who) "." } " It is shown this once; send it, or the link, to nobody else." }
                pre { (self.token) }
                pre { (self.link) }
            }
        }
    }
}

impl Access {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Read => "may only read",
            Self::Write => "may push, rerun, promote",
            Self::Admin => "administrator: also adds people and makes tokens",
        }
    }
}

impl Person {
    fn render(&self, frame: &Frame) -> Markup {
        html! {
            div.head {
                h2 { (self.name) }
                @match self.access {
                    Access::Admin => span.chip { "administrator" },
                    Access::Read => span.chip { "may only read" },
                    Access::Write => {}
                }
                @for group in &self.groups { span.chip { (group) } }
            }
            @if !self.tokens.is_empty() {
                ul.tokens { @for token in &self.tokens { li { (token.render(frame, &self.name)) } } }
            }
            form.inline method="post" action=(paths::tokens(&self.name)) {
                (frame.token())
                input name="label" required maxlength="100" placeholder="laptop" aria-label={ "Label of a new token for " (self.name) } autocomplete="off";
                button type="submit" { "Make a token" }
            }
        }
    }
}

impl TokenRow {
    fn render(&self, frame: &Frame, who: &UserName) -> Markup {
        html! {
            b { (self.label) }
            span.dim {
                "made " (when(frame.now, self.created_at))
                @if let Some(at) = self.expires_at { @if at > frame.now { ", expires " } @else { ", expired " } (when(frame.now, at)) }
            }
            (frame.button(&paths::revoke_token(who, &self.id), &[], "small", "Revoke"))
        }
    }
}
