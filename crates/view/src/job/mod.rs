mod ansi;
mod line;
mod log;

use maud::{Markup, html};
use sluice_model::{CommitSha, InstanceId, RepositoryName, Timestamp};

pub(crate) use self::ansi::Ansi;
use crate::failure::trouble;
use crate::frame::{Place, Tab};
use crate::parts::{commit, ref_link};
use crate::time::{took, when};
use crate::{ErrorLine, Frame, GateWait, Region, Status, Step, paths};

/// How many lines the server should put into a page: enough for nearly every job, small enough for any browser.
/// The script fetches the rest; without it, links lead through the log.
pub const PAGE_LINES: usize = 5_000;

/// The address of a line in the log at `job`: the page that holds it, should no script fetch the others.
pub(crate) fn line_address(job: &str, line: u64) -> String {
    let page = line.saturating_sub(1) / PAGE_LINES as u64;
    match page {
        0 => format!("{job}#L{line}"),
        _ => format!("{job}?from={}#L{line}", page * PAGE_LINES as u64 + 1),
    }
}

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
#[derive(Default)]
pub struct LogFeed {
    ansi: Ansi,
    step: u32,
}

impl JobPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let title = format!("{} · #{} {}", self.name, self.run_number, self.workflow);
        let events = paths::job_events(&self.repository, self.run_number, &self.instance);
        let [state, steps] =
            [Region::new("state", self.state(frame)), Region::new("steps", self.side(frame))];
        let place = Place { is_wide: true, ..Place::inside(&title, &self.repository, Tab::Runs) };
        frame.document(
            &place,
            html! {
                (state.section("State of the job", &events))
                div.job-page {
                    (steps.section("Jobs and steps", &events))
                    section.log-pane aria-label="Log" {
                        (self.toolbar())
                        (self.log(frame))
                        (self.pages())
                    }
                }
            },
        )
    }

    /// The live parts, each with its HTML for this viewer: `state`, `steps`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        vec![Region::new("state", self.state(frame)), Region::new("steps", self.side(frame))]
    }

    fn state(&self, frame: &Frame) -> Markup {
        let run = paths::run(&self.repository, self.run_number);
        html! {
            div.title {
                div {
                    h1 { (self.status.badge()) span.subject { (self.name) } }
                    p.about {
                        span { "in " a href=(run) { "#" (self.run_number) " " (self.workflow) } ": " (self.subject) }
                        span { (ref_link(&self.repository, &self.ref_name)) " " (commit(&self.sha)) }
                        @if let Some(executor) = &self.executor { span { "on " (executor) } }
                        @if let Some(started) = self.started_at {
                            span {
                                (when(frame.now, started)) @if self.finished_at.is_some() { ", took " } @else { ", for " } (took(frame.now, started, self.finished_at))
                                @if let Some(queued) = self.queued_at.filter(|queued| started.since_ms(*queued) >= 1_000) {
                                    " after " (took(frame.now, queued, self.started_at)) " in the queue"
                                }
                            }
                        }
                        @if let Some(reason) = &self.reason { span { (reason) } }
                    }
                }
            }
            @if let Some(gate) = &self.gate {
                (gate.panel(frame, &paths::run_gate(&self.repository, self.run_number, &self.instance.job), None))
            }
            (trouble(&self.errors, &[], &|job| paths::job(&self.repository, self.run_number, job)))
        }
    }

    fn side(&self, frame: &Frame) -> Markup {
        let log = paths::job(&self.repository, self.run_number, &self.instance);
        html! {
            @if !self.steps.is_empty() {
                h2 { "Steps" }
                ol.steps { @for step in &self.steps { (step.render(frame, &log)) } }
            }
            @if self.siblings.len() > 1 {
                h2 { "Jobs of this run" }
                ul.siblings {
                    @for sibling in &self.siblings {
                        li { (sibling.status.sign()) a href=(paths::job(&self.repository, self.run_number, &sibling.instance))
                            aria-current=[(sibling.instance == self.instance).then_some("page")] { (sibling.name) } }
                    }
                }
            }
        }
    }

    /// What only the script can do is hidden until it is there.
    fn toolbar(&self) -> Markup {
        html! {
            div.toolbar {
                div.find hidden data-scripted {
                    input #find type="search" placeholder="Search the log" aria-label="Search the log" data-search;
                    output #found for="find" aria-live="polite" {}
                    button type="button" data-log="previous" aria-label="Previous match" { "↑" }
                    button type="button" data-log="next" aria-label="Next match" { "↓" }
                }
                span.tools {
                    button type="button" hidden data-scripted data-log="wrap" aria-pressed="true" { "Wrap" }
                    button type="button" hidden data-scripted data-log="times" aria-pressed="false" { "Times" }
                    @if !self.status.is_final() { button type="button" hidden data-scripted data-log="follow" aria-pressed="true" { "Follow" } }
                    a.button href=(paths::log_raw(&self.repository, self.run_number, &self.instance)) download { "Raw log" }
                }
            }
            @if self.total_lines == 0 {
                p.dim.no-lines { @if self.status.is_final() { "This job printed nothing." } @else { "Nothing printed yet." } }
            }
        }
    }

    /// The way through a log that is longer than a page, for those without scripts.
    fn pages(&self) -> Markup {
        let page = PAGE_LINES as u64;
        let after = self.first_line + self.lines.len() as u64;
        let log = paths::job(&self.repository, self.run_number, &self.instance);
        html! {
            @if self.first_line > 1 || after <= self.total_lines {
                nav.pages #log-pages aria-label="Pages of the log" {
                    @if self.first_line > 1 { a rel="prev" href={ (log) "?from=" (self.first_line.saturating_sub(page).max(1)) } { "Earlier lines" } }
                    span { "lines " (self.first_line) " to " (after.saturating_sub(1)) " of " (self.total_lines) }
                    @if after <= self.total_lines { a rel="next" href={ (log) "?from=" (after) } { "Later lines" } }
                }
            }
        }
    }
}
