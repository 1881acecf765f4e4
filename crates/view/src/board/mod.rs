use crate::{Frame, Region, frame::shell};
use maud::{Markup, html};
use sluice_model::{
    CommitSha, Digest, EnvironmentName, PromotionId, RepositoryName, ServiceName, Timestamp, UserName,
};

use crate::{GateWait, May, Status};

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
        shell(frame, "Environments", html! {})
    }

    /// The live parts, each with its HTML for this viewer.
    pub fn regions(&self, _frame: &Frame) -> Vec<Region> {
        vec![Region::new("board", html! {})]
    }
}
