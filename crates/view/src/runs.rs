use maud::{Markup, html};
use sluice_model::{CommitSha, Event, RepositoryName, Timestamp, UserName};

use crate::frame::{Place, Tab};
use crate::parts::{commit, empty, event_word, ref_link};
use crate::time::{took, when};
use crate::{Frame, GateWait, Region, Status, paths};

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
        let events = format!("{}{}", paths::runs_events(&self.repository), self.filters.query());
        let is_filtered = self.filters != RunFilters::default();
        frame.document(
            &Place::inside("Runs", &self.repository, Tab::Runs),
            html! {
                div.title { h1 { "Runs" } @if !self.runs.is_empty() || is_filtered { (self.filter_form()) } }
                @for region in self.regions(frame) { (region.section("Runs", &events)) }
            },
        )
    }

    /// The live part with its HTML for this viewer: `runs`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        vec![Region::new("runs", self.list(frame))]
    }

    fn list(&self, frame: &Frame) -> Markup {
        if self.runs.is_empty() {
            return self.nothing();
        }
        html! {
            ol.runs { @for run in &self.runs { li.run data-row { (run.render(&self.repository, frame.now)) } } }
            @if let Some(before) = self.older {
                nav.pages aria-label="Pages" {
                    a href={ (paths::runs(&self.repository)) (RunFilters { before: Some(before), ..self.filters.clone() }.query()) } rel="next" { "Older runs" }
                }
            }
        }
    }

    fn nothing(&self) -> Markup {
        if self.filters != RunFilters::default() {
            return html! {
                div.empty {
                    p { b { "No run matches." } }
                    p { a href=(paths::runs(&self.repository)) { "Show all runs of " (self.repository) } }
                }
            };
        }
        let push = format!("git push {}{} HEAD", self.server_url, paths::repository(&self.repository));
        empty(
            "No run yet.",
            "A push starts the workflows in .github/workflows and .circleci/config.yml. What a push would start, sluice plan says.",
            &[&push, "sluice plan"],
        )
    }

    fn filter_form(&self) -> Markup {
        let statuses: Vec<String> = Status::ALL.iter().map(|status| status.word().to_owned()).collect();
        let filters = &self.filters;
        html! {
            form.filters role="search" method="get" action=(paths::runs(&self.repository)) {
                (choice("workflow", "Every workflow", &self.workflows, filters.workflow.as_deref()))
                (choice("branch", "Every branch", &self.branches, filters.branch.as_deref()))
                (choice("status", "Every status", &statuses, filters.status.as_deref()))
                input type="search" name="q" value=[filters.q.as_deref()] placeholder="Subject, commit, person" aria-label="Search in subject, commit, person" data-search;
                button type="submit" { "Filter" }
                @if *filters != RunFilters::default() { a href=(paths::runs(&self.repository)) { "Clear" } }
            }
        }
    }
}

/// A choice that has also what is chosen now, though it may not be among the known.
fn choice(name: &str, every: &str, known: &[String], chosen: Option<&str>) -> Markup {
    let unknown = chosen.filter(|chosen| !known.iter().any(|known| known == chosen));
    html! {
        select name=(name) aria-label=(every) data-submits {
            option value="" { (every) }
            @for value in known.iter().map(String::as_str).chain(unknown) {
                option value=(value) selected[chosen == Some(value)] { (value) }
            }
        }
    }
}

impl RunFilters {
    /// `?branch=master&status=failed`, or nothing.
    pub fn query(&self) -> String {
        let before = self.before.map(|before| before.to_string());
        let mut query = String::new();
        for (name, value) in [
            ("workflow", &self.workflow),
            ("branch", &self.branch),
            ("status", &self.status),
            ("q", &self.q),
            ("before", &before),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.push_str(name);
                query.push('=');
                query.push_str(&paths::segment(value));
            }
        }
        query
    }
}

impl RunRow {
    /// The line of a list: state, subject, then where it comes from and how long it took.
    pub(crate) fn render(&self, repository: &RepositoryName, now: Timestamp) -> Markup {
        html! {
            (self.status.sign())
            div.what {
                a.subject href=(paths::run(repository, self.number)) { @if self.subject.is_empty() { (self.sha.short()) } @else { (self.subject) } }
                @if let Some(trouble) = &self.trouble { p.brief-trouble { (trouble) } }
                @for gate in &self.gates { p { (gate.line(now)) } }
                p.dim {
                    "#" (self.number) " " (self.workflow) @if self.attempt > 1 { ", attempt " (self.attempt) }
                    " · " (event_word(self.event)) " by " (self.actor)
                }
            }
            div.from { (ref_link(repository, &self.ref_name)) " " (commit(&self.sha)) }
            div.times { (when(now, self.created_at)) (took(now, self.created_at, self.finished_at)) }
        }
    }
}
