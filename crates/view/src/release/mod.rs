use crate::{Frame, Region, frame::shell};
use maud::{Markup, html};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, InstanceId, PromotionId, RepositoryName, ServiceName, Timestamp,
    UserName,
};

use crate::{Change, Decision, GateWait, May};

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

/// The run that made a release.
#[derive(Debug, Clone)]
pub struct Origin {
    pub run_number: u64,
    pub workflow: String,
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
        shell(frame, "Releases", html! {})
    }

    /// The live parts, each with its HTML for this viewer.
    pub fn regions(&self, _frame: &Frame) -> Vec<Region> {
        vec![Region::new("releases", html! {})]
    }
}

impl ReleasePage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, &self.version, html! {})
    }

    /// The live parts, each with its HTML for this viewer.
    pub fn regions(&self, _frame: &Frame) -> Vec<Region> {
        vec![Region::new("way", html! {}), Region::new("history", html! {})]
    }
}
