use maud::{Markup, html};

/// Whether the viewer may press a button; if not, the reason that stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    Yes,
    /// A clause without its full stop: `only release-managers may approve`, `you wrote this commit`.
    No(String),
}

impl May {
    /// The button, or the reason why it is not there.
    pub(crate) fn or_why(&self, button: Markup) -> Markup {
        match self {
            Self::Yes => button,
            Self::No(reason) => html! { p.why-not { (reason) } },
        }
    }
}
