use maud::{Markup, html};

use crate::frame::Place;
use crate::{Frame, paths};

/// What is shown where a page cannot be: what, where, and what next.
#[derive(Debug, Clone)]
pub struct ProblemPage {
    /// The HTTP status: 403, 404, 500, …
    pub status: u16,
    /// `There is no run 99 in acme/storefront`
    pub title: String,
    /// Why, in a sentence or two.
    pub detail: String,
    pub next: Vec<NextStep>,
    /// What names this occurrence in the server's log.
    pub reference: Option<String>,
}

/// A link that leads on.
#[derive(Debug, Clone)]
pub struct NextStep {
    pub label: String,
    pub href: String,
}

impl ProblemPage {
    /// 404. `what` is a clause: `no run 99 in acme/storefront`.
    pub fn not_found(what: &str) -> Self {
        Self {
            status: 404,
            title: format!("There is {what}"),
            detail: "The address may be mistyped, it may have been removed, or your account may not see it."
                .to_owned(),
            next: vec![NextStep { label: "All repositories".to_owned(), href: paths::home().to_owned() }],
            reference: None,
        }
    }

    /// 403. `what` is a clause: `approve for production`; `reason` a sentence that says who may.
    pub fn forbidden(what: &str, reason: &str) -> Self {
        Self {
            status: 403,
            title: format!("You may not {what}"),
            detail: reason.to_owned(),
            next: vec![NextStep {
                label: "Sign in as somebody else".to_owned(),
                href: paths::sign_in().to_owned(),
            }],
            reference: None,
        }
    }

    /// 500. `reference` finds the occurrence in the server's log.
    pub fn broken(reference: &str) -> Self {
        Self {
            status: 500,
            title: "Sluice could not answer".to_owned(),
            detail: "This is a fault of the server, not of what you did, and nothing was changed halfway. Try again; \
                     if it stays, its log says why."
                .to_owned(),
            next: vec![NextStep { label: "All repositories".to_owned(), href: paths::home().to_owned() }],
            reference: Some(reference.to_owned()),
        }
    }

    pub fn render(&self, frame: &Frame) -> Markup {
        frame.document(
            &Place::outside(&self.title),
            html! {
                div.narrow-page.problem {
                    p.code { (self.status) }
                    h1 { (self.title) }
                    p { (self.detail) }
                    @if let Some(reference) = &self.reference { p.dim { "Look for " code { (reference) } " in the server's log." } }
                    @if !self.next.is_empty() {
                        p.next { @for step in &self.next { a.button href=(step.href) { (step.label) } } }
                    }
                }
            },
        )
    }
}
