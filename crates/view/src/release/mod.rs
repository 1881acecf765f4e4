mod way;

use maud::{Markup, html};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, InstanceId, PromotionId, RepositoryName, ServiceName, Timestamp,
    UserName,
};

use crate::frame::{Place, Tab};
use crate::gate::decisions;
use crate::parts::{commit, empty, ref_link};
use crate::time::{size, took, when};
use crate::{Change, Decision, Frame, GateWait, May, Region, paths};

/// `/OWNER/NAME/releases`. Region: `releases`.
#[derive(Debug, Clone)]
pub struct ReleasesPage {
    pub repository: RepositoryName,
    /// Newest first.
    pub releases: Vec<ReleaseRow>,
    /// The value of `before=` that gives the next page; none on the last.
    pub older: Option<u64>,
    /// What makes a release, in words, for an empty page: `branch master, tags version*`.
    pub rule: Option<String>,
}

#[derive(Debug, Clone)]
pub struct ReleaseRow {
    pub version: String,
    pub sha: CommitSha,
    pub subject: String,
    pub author: UserName,
    pub created_at: Timestamp,
    /// One an environment, in order; only `environment` and `state` are drawn.
    pub way: Vec<Station>,
}

/// `/OWNER/NAME/releases/VERSION`: where does it come from, where has it been. Regions: `way`, `history`.
#[derive(Debug, Clone)]
pub struct ReleasePage {
    pub repository: RepositoryName,
    pub version: String,
    pub sha: CommitSha,
    pub subject: String,
    /// The rest of the commit's message, or the tag's. May be empty.
    pub description: String,
    pub author: UserName,
    pub created_at: Timestamp,
    pub origin: Origin,
    pub images: Vec<ImageRow>,
    /// One an environment, in order.
    pub way: Vec<Station>,
    /// All promotions of this release, newest first.
    pub history: Vec<PromotionRow>,
    /// Against the release before it.
    pub change: Option<Change>,
    pub previous_version: Option<String>,
}

/// What made a release: a run, or a person's own pipeline.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its number and workflow; none where the images were pushed from elsewhere.
    pub run: Option<(u64, String)>,
    pub ref_name: String,
    pub actor: UserName,
}

#[derive(Debug, Clone)]
pub struct ImageRow {
    pub service: ServiceName,
    /// As a client pulls it: `127.0.0.1:7000/acme/storefront/api`, without tag or digest.
    pub name: String,
    pub digest: Digest,
    pub size_bytes: u64,
    /// The job whose credential pushed it.
    pub pushed_by: Option<InstanceId>,
}

/// One environment on a release's way.
#[derive(Debug, Clone)]
pub struct Station {
    pub environment: EnvironmentName,
    pub state: StationState,
    /// When it came into this state.
    pub at: Option<Timestamp>,
    /// Who opened its gate.
    pub decisions: Vec<Decision>,
    /// What the viewer may start here: a promotion. None where there is nothing to start.
    pub promote: Option<May>,
}

#[derive(Debug, Clone)]
pub enum StationState {
    /// Has not been here.
    Ahead,
    /// `promotion` is what the gate's buttons decide.
    Waiting {
        promotion: PromotionId,
        gate: GateWait,
    },
    Queued,
    Deploying,
    Verifying,
    Live,
    /// Was live; another release is now.
    Past,
    Rejected,
    /// With its reason.
    Failed(String),
    RolledBack,
}

/// One promotion in a release's history.
#[derive(Debug, Clone)]
pub struct PromotionRow {
    pub id: PromotionId,
    pub environment: EnvironmentName,
    pub state: StationState,
    pub started_by: UserName,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub decisions: Vec<Decision>,
    pub is_rollback: bool,
}

impl ReleasesPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let events = paths::releases_events(&self.repository);
        frame.document(
            &Place::inside("Releases", &self.repository, Tab::Releases),
            html! {
                div.title { h1 { "Releases" } }
                @for region in self.regions(frame) { (region.section("Releases", &events)) }
            },
        )
    }

    /// The live part with its HTML for this viewer: `releases`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        vec![Region::new("releases", self.list(frame))]
    }

    fn list(&self, frame: &Frame) -> Markup {
        if self.releases.is_empty() {
            let rule = match &self.rule {
                Some(rule) => format!("A green run becomes one when it pushed images for {rule}."),
                None => "sluice.yaml says which green runs become releases; this repository has none yet."
                    .to_owned(),
            };
            return empty("No release yet.", &rule, &["sluice check sluice.yaml", "git push"]);
        }
        html! {
            ol.releases { @for release in &self.releases { li data-row { (release.render(&self.repository, frame)) } } }
            @if let Some(before) = self.older {
                nav.pages aria-label="Pages" { a href={ (paths::releases(&self.repository)) "?before=" (before) } rel="next" { "Older releases" } }
            }
        }
    }
}

impl ReleaseRow {
    fn render(&self, repository: &RepositoryName, frame: &Frame) -> Markup {
        html! {
            div.what {
                a.version href=(paths::release(repository, &self.version)) { bdi { (self.version) } }
                " " (commit(&self.sha))
                p.subject { (self.subject) }
                p.dim { "by " (self.author) ", " (when(frame.now, self.created_at)) }
            }
            (way::brief(&self.way))
        }
    }
}

impl ReleasePage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let events = paths::release_events(&self.repository, &self.version);
        let [way, history] =
            [Region::new("way", self.way(frame)), Region::new("history", self.history(frame))];
        frame.document(
            &Place::inside(&self.version, &self.repository, Tab::Releases),
            html! {
                (self.head(frame))
                (way.section("Where it is", &events))
                (self.image_list())
                @if let Some(change) = &self.change {
                    section aria-label="Changes" {
                        h2 { @match &self.previous_version {
                            Some(previous) => { "Since " a href=(paths::release(&self.repository, previous)) { (previous) } },
                            None => "Changes",
                        } }
                        (change.render())
                    }
                }
                (history.section("Promotions", &events))
            },
        )
    }

    /// The live parts, each with its HTML for this viewer: `way`, `history`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        vec![Region::new("way", self.way(frame)), Region::new("history", self.history(frame))]
    }

    fn head(&self, frame: &Frame) -> Markup {
        html! {
            div.title {
                div {
                    h1 { bdi { (self.version) } }
                    p.about {
                        span { (commit(&self.sha)) " " (self.subject) }
                        span { "by " (self.author) }
                        span { (when(frame.now, self.created_at))
                            @match &self.origin.run {
                                Some((number, workflow)) => { " from " a href=(paths::run(&self.repository, *number)) { "#" (number) " " (workflow) } }
                                None => " from images that were pushed from outside of the server,",
                            }
                            " of " (ref_link(&self.repository, &self.origin.ref_name)) ", started by " (self.origin.actor) }
                    }
                    @if !self.description.is_empty() { p.description { (self.description) } }
                }
            }
        }
    }

    fn way(&self, frame: &Frame) -> Markup {
        html! {
            h2 { "Where it is" }
            ol.way { @for station in &self.way { (station.render(self, frame)) } }
        }
    }

    fn image_list(&self) -> Markup {
        html! {
            section aria-label="Images" {
                h2 { "Images" }
                @if self.images.is_empty() { p.dim { "This release holds no image." } }
                ul.image-list {
                    @for image in &self.images {
                        li data-row {
                            b { (image.service) }
                            code.digest { (image.name) wbr; "@" wbr; (image.digest) }
                            span.dim { (size(image.size_bytes)) @if let (Some(job), Some((number, _))) = (&image.pushed_by, &self.origin.run) {
                                ", pushed by " a href=(paths::job(&self.repository, *number, job)) { (job) }
                            } }
                        }
                    }
                }
            }
        }
    }

    fn history(&self, frame: &Frame) -> Markup {
        html! {
            @if !self.history.is_empty() {
                h2 { "Promotions" }
                ul.history { @for row in &self.history { li data-row { (row.render(frame)) } } }
            }
        }
    }
}

impl PromotionRow {
    fn render(&self, frame: &Frame) -> Markup {
        let (status, word) = self.state.in_words();
        html! {
            span class={ "badge is-" (status.word()) } { (status.icon()) (word) }
            b { (self.environment) }
            span.dim {
                @if self.is_rollback { "rollback by " } @else { "by " } (self.started_by) " " (when(frame.now, self.started_at))
                @if self.finished_at.is_some() { ", took " } @else { ", for " } (took(frame.now, self.started_at, self.finished_at))
            }
            @if let StationState::Failed(reason) = &self.state { p.reason { (reason) } }
            (decisions(&self.decisions, frame.now))
        }
    }
}
