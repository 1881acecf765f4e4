use crate::{Frame, frame::shell};
use maud::{Markup, html};
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
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, &self.title, html! {})
    }
}
