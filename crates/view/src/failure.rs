use maud::{Markup, PreEscaped, html};
use sluice_model::InstanceId;

use crate::Status;
use crate::job::{Ansi, line_address};
use crate::time::{count, duration};

/// A line of a log that says what went wrong.
#[derive(Debug, Clone)]
pub struct ErrorLine {
    pub job: InstanceId,
    pub job_name: String,
    pub step: String,
    /// The line's number in the job's log, from 1; none where no line says it (no such image, lease lost).
    pub line: Option<u64>,
    /// Masked, as in the log; may hold ANSI sequences and several lines.
    pub text: String,
}

/// A test that failed.
#[derive(Debug, Clone)]
pub struct FailedTest {
    pub job: InstanceId,
    pub suite: String,
    pub name: String,
    /// `tests/checkout.rs:41`
    pub file: Option<String>,
    pub message: String,
    pub duration_ms: u64,
    /// Its last outcomes, the oldest first; the page shows the last twenty.
    pub history: Vec<Status>,
    /// It has both passed and failed on the same commit.
    pub is_flaky: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestCounts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// How many outcomes the strip of a test shows.
const HISTORY: usize = 20;
/// How many of each are shown at once; the rest is folded.
const SHOWN: usize = 20;

/// What went wrong, before anything else: failed tests, then the lines that say errors. `job` gives a job's address.
pub(crate) fn trouble(
    errors: &[ErrorLine],
    tests: &[FailedTest],
    job: &dyn Fn(&InstanceId) -> String,
) -> Markup {
    html! {
        @if !tests.is_empty() {
            h2 { (count(tests.len() as u64, "failed test")) }
            (folded(tests, |test| test.render(job)))
        }
        @if !errors.is_empty() {
            h2 { @if errors.len() == 1 { "Why it failed" } @else { "Why it failed: " (errors.len()) " errors" } }
            (folded(errors, |error| error.render(job)))
        }
    }
}

fn folded<T>(items: &[T], one: impl Fn(&T) -> Markup) -> Markup {
    let (shown, rest) = items.split_at(items.len().min(SHOWN));
    html! {
        ul.trouble-list { @for item in shown { li data-row { (one(item)) } } }
        @if !rest.is_empty() {
            details { summary { (rest.len()) " more" } ul.trouble-list { @for item in rest { li data-row { (one(item)) } } } }
        }
    }
}

impl ErrorLine {
    fn render(&self, job: &dyn Fn(&InstanceId) -> String) -> Markup {
        let mut ansi = Ansi::default();
        let href = match self.line {
            Some(line) => line_address(&job(&self.job), line),
            None => job(&self.job),
        };
        html! {
            a.from href=(href) {
                (Status::Failed.icon()) b { (self.job_name) }
                @if !self.step.is_empty() { " › " (self.step) }
                @if let Some(line) = self.line { " " span.dim { "line " (line) } }
            }
            pre { @for line in self.text.lines() { (PreEscaped(ansi.line(line))) "\n" } }
        }
    }
}

impl FailedTest {
    fn render(&self, job: &dyn Fn(&InstanceId) -> String) -> Markup {
        let mut ansi = Ansi::default();
        html! {
            div.from {
                a href=(job(&self.job)) { (Status::Failed.icon()) b { (self.name) } }
                " " span.dim { (self.suite) @if let Some(file) = &self.file { " · " (file) } " · " (duration(self.duration_ms.min(i64::MAX as u64) as i64)) }
                @if self.is_flaky { " " span.flaky title="It has both passed and failed on the same commit" { "flaky" } }
                (self.strip())
            }
            pre { @for line in self.message.lines() { (PreEscaped(ansi.line(line))) "\n" } }
        }
    }

    /// The last twenty outcomes: a low bar passed, a high one failed.
    fn strip(&self) -> Markup {
        let shown = &self.history[self.history.len().saturating_sub(HISTORY)..];
        let failed = shown.iter().filter(|status| **status == Status::Failed).count();
        html! {
            @if !shown.is_empty() {
                svg.strip width=(shown.len() * 6) height="14" role="img" aria-label={ "Failed in " (failed) " of its last " (count(shown.len() as u64, "run")) } {
                    @for (at, status) in shown.iter().enumerate() {
                        @let height = match status { Status::Failed => 14, Status::Passed => 7, _ => 3 };
                        rect class={ "is-" (status.word()) } x=(at * 6) y=(14 - height) width="4" height=(height) rx="1" {}
                    }
                }
            }
        }
    }
}

impl TestCounts {
    pub(crate) fn words(self) -> String {
        let mut words = format!("{} passed", self.passed);
        if self.failed > 0 {
            words = format!("{} failed, {words}", self.failed);
        }
        if self.skipped > 0 {
            words.push_str(&format!(", {} skipped", self.skipped));
        }
        words
    }
}
