use crate::{Frame, Region, frame::shell};
use maud::{Markup, html};
use sluice_model::{CommitSha, InstanceId, RepositoryName, Timestamp};

use crate::{ErrorLine, GateWait, Status, Step};

/// How many lines the server should put into a page: enough for nearly every job, small enough for any browser.
/// The script fetches the rest; without it, links lead through the log.
pub const PAGE_LINES: usize = 5_000;

/// `/OWNER/NAME/runs/N/jobs/INSTANCE`: what did it print. Regions: `state`, `steps`.
#[derive(Debug, Clone)]
pub struct JobPage {
    pub repository: RepositoryName,
    pub run_number: u64,
    pub workflow: String,
    pub subject: String,
    pub sha: CommitSha,
    pub ref_name: String,
    pub instance: InstanceId,
    /// The display name, with the matrix's values.
    pub name: String,
    pub status: Status,
    pub queued_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub executor: Option<String>,
    pub reason: Option<String>,
    pub gate: Option<GateWait>,
    pub steps: Vec<Step>,
    pub errors: Vec<ErrorLine>,
    /// The run's other jobs, this one among them, in order.
    pub siblings: Vec<Sibling>,
    /// At most [`PAGE_LINES`] of the log, without gaps, beginning at `first_line`.
    pub lines: Vec<LogLine>,
    /// The number of the first of `lines`, from 1: the query's `from`.
    pub first_line: u64,
    /// How many lines the log has now.
    pub total_lines: u64,
}

#[derive(Debug, Clone)]
pub struct Sibling {
    pub instance: InstanceId,
    pub name: String,
    pub status: Status,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub step: u32,
    pub stream: LogStream,
    pub at: Timestamp,
    /// Masked, without its newline, ANSI sequences and workflow commands as they were printed.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
    /// The runner's own words.
    Runner,
}

/// Turns log lines into what the log's script reads: one JSON object a line.
///
/// # The contract
///
/// - `GET` [`crate::paths::log_lines`]`?from=N`: [`LogFeed::lines`] of the lines from number N on, as `application/x-ndjson`; at most
///   20,000 at once, the script asks again until nothing comes.
/// - `GET` [`crate::paths::log_events`]`?from=N`, `text/event-stream`: `event: lines` with the same text as data
///   ([`LogFeed::message`]) first for what there is from line N on, then as lines arrive (gather for 100 ms); `event: end` when
///   the job has ended and all was sent. Asked for only while the job goes on.
/// - `GET` [`crate::paths::log_raw`]: the log as it was printed (masked), `text/plain; charset=utf-8`, as a download.
///
/// Keep one feed a stream: colours go on over line ends within a step.
#[derive(Debug, Clone, Default)]
pub struct LogFeed {}

impl JobPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        shell(frame, &self.name, html! {})
    }

    /// The live parts, each with its HTML for this viewer.
    pub fn regions(&self, _frame: &Frame) -> Vec<Region> {
        vec![Region::new("state", html! {}), Region::new("steps", html! {})]
    }
}

impl LogFeed {
    pub fn new() -> Self {
        Self::default()
    }

    /// `lines`, of which the first has the number `first`, as newline-delimited JSON.
    pub fn lines(&mut self, _first: u64, _lines: &[LogLine]) -> String {
        String::new()
    }

    /// The same as a server-sent message.
    pub fn message(&mut self, first: u64, lines: &[LogLine]) -> String {
        crate::region::message("lines", self.lines(first, lines).trim_end())
    }
}
