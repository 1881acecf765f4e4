use crate::{Frame, frame::shell};
use maud::{Markup, html};
use sluice_model::{Timestamp, UserName};

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
    pub is_admin: bool,
    pub last_seen: Option<Timestamp>,
    pub tokens: Vec<TokenRow>,
}

#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Names the token in the form that revokes it; no secret.
    pub id: String,
    pub label: String,
    pub created_at: Timestamp,
    pub last_used: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone)]
pub struct FreshToken {
    pub who: UserName,
    pub token: String,
    /// The link that signs its owner in.
    pub link: String,
}

impl PeoplePage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, "People", html! {})
    }
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshToken").field("who", &self.who).finish_non_exhaustive()
    }
}
