use maud::{Markup, html};

use super::{ReleasePage, Station, StationState};
use crate::gate::decisions;
use crate::time::when;
use crate::{Frame, Status, paths};

impl StationState {
    /// Shape and colour, and the word that stands beside them.
    pub(super) fn in_words(&self) -> (Status, &'static str) {
        match self {
            Self::Ahead => (Status::Queued, "not yet"),
            Self::Waiting { .. } => (Status::Waiting, "waiting"),
            Self::Queued => (Status::Queued, "queued"),
            Self::Deploying => (Status::Running, "deploying"),
            Self::Verifying => (Status::Running, "verifying"),
            Self::Live => (Status::Passed, "live"),
            Self::Past => (Status::Skipped, "was live"),
            Self::Rejected => (Status::Cancelled, "rejected"),
            Self::Failed(_) => (Status::Failed, "failed"),
            Self::RolledBack => (Status::Cancelled, "rolled back"),
        }
    }

    /// The release has been in this environment, so the line up to here is drawn through.
    fn was_reached(&self) -> bool {
        matches!(self, Self::Live | Self::Past | Self::RolledBack)
    }
}

impl Station {
    pub(super) fn render(&self, page: &ReleasePage, frame: &Frame) -> Markup {
        let (status, word) = self.state.in_words();
        let promote = paths::promote(&page.repository, &self.environment);
        html! {
            li.station .reached[self.state.was_reached()] {
                span.stop { (status.icon()) }
                h3 { (self.environment) }
                p class={ "state is-" (status.word()) } { (word) @if let Some(at) = self.at { span.dim { " " (when(frame.now, at)) } } }
                @match &self.state {
                    StationState::Waiting { promotion, gate } => (gate.panel(frame, &paths::promotion_gate(&page.repository, *promotion), None)),
                    StationState::Failed(reason) => p.reason { (reason) },
                    _ => (decisions(&self.decisions, frame.now)),
                }
                @if let Some(may) = &self.promote {
                    (may.or_why(frame.button(&promote, &[("version", &page.version)], "", &format!("Promote to {}", self.environment))))
                }
            }
        }
    }
}

/// The way in one line of a list.
pub(super) fn brief(way: &[Station]) -> Markup {
    html! {
        @if !way.is_empty() {
            ol.stages aria-label="Environments" {
                @for station in way {
                    @let (status, word) = station.state.in_words();
                    li { span.sign title=(word) { (status.icon()) } span.environment { (station.environment) } span.version { (word) } }
                }
            }
        }
    }
}
