mod column;

use maud::{Markup, html};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, PromotionId, RepositoryName, ServiceName, Timestamp, UserName,
};

use crate::frame::{Place, Tab};
use crate::parts::{commit, empty, problem_list};
use crate::time::count;
use crate::{Frame, GateWait, May, Region, Status, paths};

/// `/OWNER/NAME/board`: what is where, what is next. Region: `board`.
#[derive(Debug, Clone)]
pub struct BoardPage {
    pub repository: RepositoryName,
    /// In order. Empty: the default branch has no `sluice.yaml`.
    pub columns: Vec<Column>,
    /// What is wrong with `sluice.yaml`, each a whole message with its place.
    pub problems: Vec<String>,
}

/// One environment.
#[derive(Debug, Clone)]
pub struct Column {
    pub environment: EnvironmentName,
    /// The kind of its target: `docker`, `host`.
    pub target: String,
    /// What its gate asks for, in words: `2 of release-managers, not the author`. None: it opens by itself.
    pub policy: Option<String>,
    /// Where the environment answers: `http://127.0.0.1:7103`.
    pub url: Option<String>,
    pub live: Option<Live>,
    /// Promotions on their way in, the foremost first.
    pub arriving: Vec<Promotion>,
    /// The last promotion that did not become live, where nothing has arrived since.
    pub failed: Option<Failed>,
    /// What could be promoted here next, where nothing is arriving.
    pub next: Option<Next>,
    pub rollback: Option<Rollback>,
}

/// What an environment serves.
#[derive(Debug, Clone)]
pub struct Live {
    pub version: String,
    pub sha: CommitSha,
    pub subject: String,
    pub author: UserName,
    pub since: Timestamp,
    /// One a service.
    pub replicas: Vec<Replicas>,
    /// How what runs differs from what was delivered, each a clause: `api says version1.2.2`.
    pub drift: Vec<String>,
    /// It arrived by a rollback from this version.
    pub rolled_back_from: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Replicas {
    pub service: ServiceName,
    pub healthy: u32,
    pub wanted: u32,
}

/// A release on its way into an environment.
#[derive(Debug, Clone)]
pub struct Promotion {
    pub id: PromotionId,
    pub version: String,
    pub sha: CommitSha,
    pub subject: String,
    pub author: UserName,
    pub stage: PromotionStage,
    pub since: Timestamp,
    /// What goes on now: `api: 1 of 3 ready`.
    pub progress: Option<String>,
    pub change: Option<Change>,
}

#[derive(Debug, Clone)]
pub enum PromotionStage {
    /// Waits at its gate; the buttons are the gate's.
    Gated(GateWait),
    /// Behind another promotion of the same environment.
    Queued,
    Deploying,
    Verifying,
    RollingBack,
}

/// A promotion that did not become live.
#[derive(Debug, Clone)]
pub struct Failed {
    pub version: String,
    pub at: Timestamp,
    /// `Failed`, or `Cancelled` for one that was rejected.
    pub status: Status,
    /// `api did not become healthy within 60 s: GET /healthz answered 500`
    pub reason: String,
    /// What serves instead was never taken away, or came back.
    pub taken_back: bool,
}

/// A release that stands before an environment.
#[derive(Debug, Clone)]
pub struct Next {
    pub version: String,
    pub subject: String,
    pub change: Option<Change>,
    pub may: May,
}

/// The release that a rollback would bring back.
#[derive(Debug, Clone)]
pub struct Rollback {
    pub version: String,
    pub subject: String,
    pub may: May,
    /// Instances of it were kept, so it needs no start: said beside the button.
    pub is_warm: bool,
}

/// What entering would change, against what is live there.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Newest first.
    pub commits: Vec<ChangedCommit>,
    /// How many more commits there are than those listed.
    pub more_commits: u32,
    pub images: Vec<ChangedImage>,
    /// Names of variables whose value would change; never a value.
    pub variables: Vec<String>,
    /// It goes back: the commits listed would be taken away.
    pub is_backward: bool,
}

#[derive(Debug, Clone)]
pub struct ChangedCommit {
    pub sha: CommitSha,
    pub subject: String,
    pub author: UserName,
}

#[derive(Debug, Clone)]
pub struct ChangedImage {
    pub service: ServiceName,
    /// None: the service is new.
    pub from: Option<Digest>,
    pub to: Digest,
}

impl BoardPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let events = paths::board_events(&self.repository);
        frame.document(
            &Place { is_wide: true, ..Place::inside("Board", &self.repository, Tab::Board) },
            html! {
                div.title { h1 { "Environments" } }
                @for region in self.regions(frame) { (region.section("Environments", &events)) }
            },
        )
    }

    /// The live part with its HTML for this viewer: `board`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        let content = html! {
            (problem_list(&self.problems))
            @if self.columns.is_empty() && self.problems.is_empty() { (nothing()) }
            (self.turn(frame))
            div.columns { @for column in &self.columns { (column.render(&self.repository, frame)) } }
        };
        vec![Region::new("board", content)]
    }

    /// On a phone the columns stand below each other, so what waits for the viewer comes first there.
    fn turn(&self, frame: &Frame) -> Markup {
        let waiting =
            self.columns.iter().flat_map(|column| &column.arriving).filter_map(|promotion| match &promotion
                .stage
            {
                PromotionStage::Gated(gate) if gate.may == May::Yes => Some((promotion, gate)),
                _ => None,
            });
        html! {
            @for (promotion, gate) in waiting {
                div.turn {
                    p { b { (promotion.version) } " " (gate.line(frame.now)) }
                    (frame.button(
                        &paths::promotion_gate(&self.repository, promotion.id),
                        &[("decision", "approve"), ("back", "board")],
                        "primary",
                        &format!("Approve for {}", gate.name),
                    ))
                }
            }
        }
    }
}

fn nothing() -> Markup {
    empty(
        "No environment yet.",
        "Write sluice.yaml into the default branch: it names the services, the environments in their order, and their gates. sluice check reads it.",
        &["sluice check sluice.yaml", "git push"],
    )
}

impl Change {
    /// `3 commits, 1 image, 2 variables`, which opens.
    pub(crate) fn render(&self) -> Markup {
        let commits = self.commits.len() as u64 + u64::from(self.more_commits);
        let words: Vec<String> = [
            (commits, "commit"),
            (self.images.len() as u64, "image"),
            (self.variables.len() as u64, "variable"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, one)| count(number, one))
        .collect();
        if words.is_empty() {
            return html! { p.dim.change { "Changes nothing." } };
        }
        html! {
            details.change {
                summary { @if self.is_backward { "Takes back " } @else { "Changes " } (words.join(", ")) }
                @if !self.commits.is_empty() {
                    ul.commits {
                        @for one in &self.commits { li { (commit(&one.sha)) " " (one.subject) " " span.dim { (one.author) } } }
                        @if self.more_commits > 0 { li.dim { "and " (self.more_commits) " more" } }
                    }
                }
                @if !self.images.is_empty() {
                    ul.images { @for image in &self.images { li { b { (image.service) } " "
                        @match &image.from { Some(from) => (short(from)), None => span.dim { "new" } }
                        " → " (short(&image.to))
                    } } }
                }
                @if !self.variables.is_empty() { p { "Variables: " (self.variables.join(", ")) } }
            }
        }
    }
}

/// Twelve digits, as Docker shows an image.
pub(crate) fn short(digest: &Digest) -> Markup {
    html! { code title=(digest) { (digest.hex().get(..12).unwrap_or_default()) } }
}
