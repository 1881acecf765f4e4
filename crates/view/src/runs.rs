use crate::{Frame, Region, frame::shell};
use maud::{Markup, html};
use sluice_model::{CommitSha, Event, RepositoryName, Timestamp, UserName};

use crate::{GateWait, Status};

/// `/OWNER/NAME` and `/OWNER/NAME/runs`: what happened lately. Region: `runs`.
#[derive(Debug, Clone)]
pub struct RunsPage {
    pub repository: RepositoryName,
    pub filters: RunFilters,
    /// The names to choose from in the filters.
    pub workflows: Vec<String>,
    pub branches: Vec<String>,
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// The value of `before=` that gives the next page; none on the last.
    pub older: Option<u64>,
    /// The server's own address, for the command of an empty page.
    pub server_url: String,
}

/// The query of the runs page, field for field.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RunFilters {
    pub workflow: Option<String>,
    /// A branch's or a tag's short name.
    pub branch: Option<String>,
    /// A word of [`Status::word`]; the server ignores another.
    pub status: Option<String>,
    /// Searched for in subject, commit, actor.
    pub q: Option<String>,
    /// Only runs with a smaller number.
    pub before: Option<u64>,
}

/// One run in a list.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Counted from 1 in its repository.
    pub number: u64,
    pub workflow: String,
    pub status: Status,
    /// The first line of the commit's message.
    pub subject: String,
    pub sha: CommitSha,
    /// `master`, `version1.2.3`
    pub ref_name: String,
    pub event: Event,
    pub actor: UserName,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// From 1.
    pub attempt: u32,
    /// The gates that wait now.
    pub gates: Vec<GateWait>,
    /// What went wrong, in brief: `e2e: 2 tests failed`.
    pub trouble: Option<String>,
}

impl RunsPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, self.repository.as_str(), html! {})
    }

    /// The live parts, each with its HTML for this viewer.
    pub fn regions(&self, _frame: &Frame) -> Vec<Region> {
        vec![Region::new("runs", html! {})]
    }
}
