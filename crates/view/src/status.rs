use maud::{Markup, html};
use sluice_model::Conclusion;

/// How a run, a job or a step stands. Always drawn as a shape, a word and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Passed,
    Failed,
    Running,
    /// For a person, a timer or another check.
    Waiting,
    /// For a runner or for other jobs.
    Queued,
    Cancelled,
    Skipped,
}

impl Status {
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Failed,
        Self::Running,
        Self::Waiting,
        Self::Queued,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The word on the page, the class in the stylesheet, and the value of the filter `status=`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The status that a filter names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// The shape alone, for where the word stands beside it or in its title.
    pub(crate) fn icon(self) -> Markup {
        html! { svg class={ "icon is-" (self.word()) } aria-hidden="true" { use href={ "#i-" (self.word()) } {} } }
    }

    /// The shape, named for those who do not see it: for lists where the word has no room.
    pub(crate) fn sign(self) -> Markup {
        html! { span.sign title=(self.word()) { (self.icon()) span.unseen { (self.word()) } } }
    }

    /// Shape and word.
    pub(crate) fn badge(self) -> Markup {
        html! { span class={ "badge is-" (self.word()) } { (self.icon()) (self.word()) } }
    }

    /// Nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Cancelled | Self::Skipped)
    }
}

impl From<Conclusion> for Status {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success => Self::Passed,
            Conclusion::Failure => Self::Failed,
            Conclusion::Cancelled => Self::Cancelled,
            Conclusion::Skipped => Self::Skipped,
        }
    }
}

/// The shapes, once a page; [`Status::icon`] refers to them. Each differs from the others without its colour.
pub(crate) fn shapes() -> Markup {
    html! {
        svg.shapes aria-hidden="true" width="0" height="0" {
            symbol id="i-passed" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="7.25" fill="currentColor" {}
                path.cut d="M4.6 8.3l2.3 2.3 4.5-4.9" fill="none" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" {}
            }
            symbol id="i-failed" viewBox="0 0 16 16" {
                path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z" fill="currentColor" {}
                path.cut d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" fill="none" stroke-width="1.8" stroke-linecap="round" {}
            }
            symbol id="i-running" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="1.6" opacity=".35" {}
                path d="M8 1.6a6.4 6.4 0 0 1 0 12.8z" fill="currentColor" {}
            }
            symbol id="i-waiting" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="1.6" {}
                path d="M6.1 5.2v5.6M9.9 5.2v5.6" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" {}
            }
            symbol id="i-queued" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.6 2.4" {}
            }
            symbol id="i-cancelled" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="1.6" {}
                path d="M3.6 12.4l8.8-8.8" stroke="currentColor" stroke-width="1.6" {}
            }
            symbol id="i-skipped" viewBox="0 0 16 16" {
                path d="M3.5 8h9" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" {}
            }
            symbol id="i-gate" viewBox="0 0 16 16" {
                path d="M8 1l7 7-7 7-7-7z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" {}
            }
        }
    }
}
