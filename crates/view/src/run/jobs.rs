use maud::{Markup, html};

use super::{Instance, Job, RunPage, Step};
use crate::job::line_address;
use crate::markdown::markdown;
use crate::time::{count, size, took};
use crate::{Frame, Status, paths};

impl RunPage {
    /// Every job with its steps. What has failed or goes on stands open.
    pub(super) fn job_list(&self, frame: &Frame) -> Markup {
        html! {
            @if !self.jobs.is_empty() {
                h2 { "Steps" }
                ul.jobs { @for job in &self.jobs { (self.job(frame, job)) } }
            }
        }
    }

    fn job(&self, frame: &Frame, job: &Job) -> Markup {
        let key = format!("job-{}", paths::segment(job.id.as_str()));
        html! {
            // A gate has nothing to open: no steps, and no log.
            @match job.instances.as_slice() {
                _ if job.is_gate => (self.plain_job(frame, job, &key)),
                [] => (self.plain_job(frame, job, &key)),
                [one] => li.job id=(key) data-row { (self.instance(frame, job, one, true)) },
                several => li.job id=(key) data-row {
                    details open[is_open(job.status)] {
                        summary.head { (job.status.sign()) b { (job.name) } span.dim { (count(several.len() as u64, "combination")) } (self.aside(frame, job)) }
                        ul.jobs.matrix { @for one in several { li.job { (self.instance(frame, job, one, false)) } } }
                    }
                },
            }
        }
    }

    fn plain_job(&self, frame: &Frame, job: &Job, key: &str) -> Markup {
        html! { li.job id=(key) data-row { div.head { (job.status.sign()) b { (job.name) } (self.aside(frame, job)) } } }
    }

    /// What stands at the end of a job's line: on whom it waits, or why it did not run, or how far it is.
    fn aside(&self, frame: &Frame, job: &Job) -> Markup {
        html! {
            @if let Some(gate) = &job.gate { (gate.line(frame.now)) }
            @else if let Some(reason) = &job.reason { span.dim.reason { (job.status.word()) ": " (reason) } }
            @else { span.dim { (job.in_brief(frame.now)) } }
        }
    }

    fn instance(&self, frame: &Frame, job: &Job, instance: &Instance, is_alone: bool) -> Markup {
        let log = paths::job(&self.repository, self.number, &instance.id);
        let line = html! {
            (instance.status.sign())
            a href=(log) { @if is_alone || instance.label.is_empty() { (job.name) @if !instance.label.is_empty() { " (" (instance.label) ")" } } @else { (instance.label) } }
            @if let Some(executor) = &instance.executor { span.dim.executor { (executor) } }
            @if let Some(attempt) = instance.kept_from_attempt { span.dim { "kept from attempt " (attempt) } }
            @if is_alone { @if let Some(reason) = &job.reason { span.dim.reason { (reason) } } }
            @match instance.started_at {
                Some(started) => (took(frame.now, started, instance.finished_at)),
                None => span.took.dim { (instance.status.word()) },
            }
        };
        html! {
            @if instance.steps.is_empty() { div.head { (line) } }
            @else {
                details open[is_open(instance.status)] {
                    summary.head { (line) }
                    ol.steps { @for step in &instance.steps { (step.render(frame, &log)) } }
                }
            }
        }
    }

    /// Tests, artifacts and the release: what the run leaves behind.
    pub(super) fn results(&self) -> Markup {
        html! {
            @if !self.summaries.is_empty() {
                h2 { "Summary" }
                @for summary in &self.summaries {
                    section.summary aria-label={ "Summary of " (summary.job_name) } {
                        h3 { (summary.job_name) }
                        (markdown(&summary.text))
                    }
                }
            }
            @if let Some(tests) = self.tests { h2 { "Tests" } p.results { (tests.words()) } }
            @if !self.artifacts.is_empty() {
                h2 { "Artifacts" }
                ul.results {
                    @for artifact in &self.artifacts {
                        li data-row {
                            @match &artifact.href { Some(href) => a href=(href) { (artifact.name) }, None => span { (artifact.name) " (expired)" } }
                            " " span.dim { (count(artifact.files, "file")) ", " (size(artifact.size_bytes)) " from " (artifact.job) }
                        }
                    }
                }
            }
        }
    }
}

impl Step {
    pub(crate) fn render(&self, frame: &Frame, log: &str) -> Markup {
        let href = self.first_line.map(|line| line_address(log, line));
        html! {
            li data-step=(self.number) {
                (self.status.sign())
                @match href { Some(href) => a.step-name href=(href) { (self.name) }, None => span.step-name { (self.name) } }
                @if let Some(code) = self.exit_code.filter(|code| *code != 0) { span.exit { "exit code " (code) } }
                @if let Some(started) = self.started_at { (took(frame.now, started, self.finished_at)) }
            }
        }
    }
}

fn is_open(status: Status) -> bool {
    matches!(status, Status::Failed | Status::Running)
}
