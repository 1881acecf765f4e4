mod graph;
mod jobs;
mod layout;
mod timeline;

use maud::{Markup, html};
use sluice_model::{CommitSha, Event, InstanceId, JobId, RepositoryName, Timestamp, UserName};

use crate::failure::trouble;
use crate::frame::{Place, Tab};
use crate::parts::{commit, event_word, problem_list, ref_link};
use crate::time::{count, took, when};
use crate::{ErrorLine, FailedTest, Frame, GateWait, May, Region, Status, TestCounts, paths};

/// `/OWNER/NAME/runs/N`: where is it, why is it red. Regions: `state`, `graph`, `trouble`, `jobs`.
#[derive(Debug, Clone)]
pub struct RunPage {
    pub repository: RepositoryName,
    /// Counted from 1 in its repository.
    pub number: u64,
    pub workflow: String,
    /// `.github/workflows/build.yml`
    pub workflow_file: String,
    pub status: Status,
    /// From 1.
    pub attempt: u32,
    pub event: Event,
    /// `master`, `version1.2.3`
    pub ref_name: String,
    pub sha: CommitSha,
    pub subject: String,
    pub actor: UserName,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// In the order of the file.
    pub jobs: Vec<Job>,
    /// What the whole run waits for: ``waits for the group `deploy`, which run 12 holds``.
    pub waits_for: Option<String>,
    /// What the plan refused, or why the run could not go on, each a whole message with its place.
    pub problems: Vec<String>,
    /// The most telling first; the page shows them above all.
    pub errors: Vec<ErrorLine>,
    pub tests: Option<TestCounts>,
    pub failed_tests: Vec<FailedTest>,
    pub artifacts: Vec<Artifact>,
    /// In the order of the jobs.
    pub summaries: Vec<Summary>,
    /// The release that this run became.
    pub release: Option<ReleaseLink>,
    /// Asked only while the run goes on.
    pub may_cancel: May,
    /// Asked only when the run has ended.
    pub may_rerun: May,
}

/// A job of the plan: one node of the graph.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub name: String,
    pub status: Status,
    pub needs: Vec<JobId>,
    /// True for a job that is nothing but a gate: drawn as a diamond.
    pub is_gate: bool,
    /// The gate that holds the job up now.
    pub gate: Option<GateWait>,
    /// Why it was skipped, or what it is queued for: `the branch is not master`, `no runner with label gpu`.
    pub reason: Option<String>,
    /// One, or one a combination of the matrix. Empty where the job never started. A gate may have one too: its `queued_at` and
    /// `finished_at` say how long it waited, and it has no log.
    pub instances: Vec<Instance>,
}

/// A job that a runner executes.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: InstanceId,
    /// The matrix's values: `node 20, linux`. Empty where there is no matrix.
    pub label: String,
    pub status: Status,
    /// When its needs had ended and it could have started.
    pub queued_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Where it runs: `docker: debian:12`, `host`.
    pub executor: Option<String>,
    pub steps: Vec<Step>,
    /// The result was kept from this earlier attempt of the run.
    pub kept_from_attempt: Option<u32>,
}

#[derive(Debug, Clone)]
pub struct Step {
    /// As [`crate::LogLine::step`] counts.
    pub number: u32,
    pub name: String,
    pub status: Status,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: Option<i32>,
    /// The number of its first line in the log, from 1.
    pub first_line: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Artifact {
    pub name: String,
    pub job: InstanceId,
    pub files: u64,
    pub size_bytes: u64,
    /// Where to fetch it; none where it has expired.
    pub href: Option<String>,
}

/// What a job's steps wrote for the run's page.
#[derive(Debug, Clone)]
pub struct Summary {
    pub job_name: String,
    /// Markdown of GitHub's kind.
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct ReleaseLink {
    pub version: String,
}

impl RunPage {
    pub fn render(&self, frame: &Frame) -> Markup {
        let title = format!("{} · #{} {}", self.subject, self.number, self.workflow);
        let events = paths::run_events(&self.repository, self.number);
        let labels = ["State of the run", "What went wrong", "Graph and timeline", "Jobs and results"];
        frame.document(
            &Place::inside(&title, &self.repository, Tab::Runs),
            html! {
                @for (region, label) in self.regions(frame).into_iter().zip(labels) { (region.section(label, &events)) }
            },
        )
    }

    /// The live parts, each with its HTML for this viewer: `state`, `trouble`, `graph`, `jobs`.
    pub fn regions(&self, frame: &Frame) -> Vec<Region> {
        vec![
            Region::new("state", self.state(frame)),
            Region::new("trouble", self.trouble()),
            Region::new("graph", html! { (self.graph(frame)) (self.timeline(frame)) }),
            Region::new("jobs", html! { (self.job_list(frame)) (self.results()) }),
        ]
    }

    /// What, who, since when; then whose turn it is.
    fn state(&self, frame: &Frame) -> Markup {
        html! {
            div.title {
                div {
                    h1 { (self.status.badge()) span.subject { (self.subject) } }
                    p.about {
                        span { b { "#" (self.number) } " " (self.workflow) @if self.attempt > 1 { ", attempt " (self.attempt) } }
                        span { (event_word(self.event)) " of " (ref_link(&self.repository, &self.ref_name)) " at " (commit(&self.sha)) " by " (self.actor) }
                        span { (when(frame.now, self.created_at)) ", " (self.length(frame)) }
                        @if let Some(release) = &self.release {
                            span { "became " a href=(paths::release(&self.repository, &release.version)) { (release.version) } }
                        }
                    }
                }
                div.actions { (self.buttons(frame)) }
            }
            @if let Some(waits_for) = &self.waits_for { p.waits-for { "This run " (waits_for) } }
            (problem_list(&self.problems))
            @for job in &self.jobs {
                @if let Some(gate) = &job.gate {
                    (gate.panel(frame, &paths::run_gate(&self.repository, self.number, &job.id), None))
                }
            }
        }
    }

    fn length(&self, frame: &Frame) -> Markup {
        html! {
            @if self.finished_at.is_some() { "took " } @else { "for " }
            (took(frame.now, self.created_at, self.finished_at))
        }
    }

    fn buttons(&self, frame: &Frame) -> Markup {
        if !self.status.is_final() {
            let cancel = paths::cancel(&self.repository, self.number);
            return self.may_cancel.or_why(frame.button(&cancel, &[], "", "Cancel this run"));
        }
        let rerun = paths::rerun(&self.repository, self.number);
        let failed: u64 = self.jobs.iter().map(Job::failures).sum();
        self.may_rerun.or_why(html! {
            @if failed > 0 {
                (frame.button(&rerun, &[("only", "failed")], "primary", &format!("Rerun {}", count(failed, "failed job"))))
            }
            (frame.button(&rerun, &[], "", "Rerun all jobs"))
        })
    }

    fn trouble(&self) -> Markup {
        trouble(&self.errors, &self.failed_tests, &|job| paths::job(&self.repository, self.number, job))
    }
}

impl Job {
    /// How many of its instances failed; a job that failed before it had any counts as one.
    fn failures(&self) -> u64 {
        match self.instances.as_slice() {
            [] => u64::from(self.status == Status::Failed),
            instances => instances.iter().filter(|instance| instance.status == Status::Failed).count() as u64,
        }
    }
}
