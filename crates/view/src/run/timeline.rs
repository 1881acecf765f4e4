use std::collections::HashMap;

use maud::{Markup, html};
use sluice_model::{JobId, Timestamp};

use super::{Instance, Job, RunPage};
use crate::time::took;
use crate::{Frame, Status, paths};

/// More rows than these are folded away.
const ROWS: usize = 40;

/// Part of the axis, in hundredths of a percent, so that no float's spelling is in the page.
struct Axis {
    from: Timestamp,
    length_ms: i64,
}

impl Axis {
    fn at(&self, time: Timestamp) -> i64 {
        time.since_ms(self.from).clamp(0, self.length_ms).saturating_mul(10_000) / self.length_ms
    }
}

fn percent(hundredths: i64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// One bar: a job that ran or could run, or a gate that waited.
struct Row<'a> {
    href: String,
    name: &'a str,
    label: &'a str,
    status: Status,
    queued_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    is_gate: bool,
}

impl RunPage {
    /// A bar a job on one axis, the time in the queue lighter: what made this run slow.
    pub(super) fn timeline(&self, frame: &Frame) -> Markup {
        let rows = self.rows();
        let Some(from) = rows.iter().map(|row| row.queued_at).min() else { return html! {} };
        let to = rows.iter().map(|row| row.finished_at.unwrap_or(frame.now)).max().unwrap_or(from);
        let axis = Axis { from, length_ms: to.since_ms(from).max(1_000) };
        let (shown, folded) = rows.split_at(rows.len().min(ROWS));
        html! {
            h2 { "Timeline" }
            div.timeline {
                (axis.ruler())
                ol { @for row in shown { (row.render(frame, &axis)) } }
                @if !folded.is_empty() {
                    details { summary { (folded.len()) " more" } ol { @for row in folded { (row.render(frame, &axis)) } } }
                }
            }
        }
    }

    /// In the order in which they could start.
    fn rows(&self) -> Vec<Row<'_>> {
        let ends = Ends::of(&self.jobs);
        let mut rows: Vec<Row<'_>> = Vec::new();
        for job in &self.jobs {
            if !job.is_gate {
                let ran_now = job.instances.iter().filter(|instance| instance.kept_from_attempt.is_none());
                rows.extend(ran_now.filter_map(|instance| self.row(job, instance)));
            } else if let Some((since, opened)) = waited(job, &ends) {
                rows.push(Row {
                    href: self.job_href(job),
                    name: &job.name,
                    label: "",
                    status: job.status,
                    queued_at: since,
                    started_at: Some(since),
                    finished_at: opened,
                    is_gate: true,
                });
            }
        }
        rows.sort_by_key(|row| (row.queued_at, row.started_at.is_none(), row.started_at));
        rows
    }

    fn row<'a>(&self, job: &'a Job, instance: &'a Instance) -> Option<Row<'a>> {
        Some(Row {
            href: paths::job(&self.repository, self.number, &instance.id),
            name: &job.name,
            label: &instance.label,
            status: instance.status,
            queued_at: instance.queued_at.or(instance.started_at)?,
            started_at: instance.started_at,
            finished_at: instance.finished_at,
            is_gate: false,
        })
    }
}

/// From when until when a gate held the run up: as its instance says; else from the last of its needs to the first job that
/// could go on behind it.
fn waited(gate: &Job, ends: &Ends<'_>) -> Option<(Timestamp, Option<Timestamp>)> {
    if let Some(wait) = &gate.gate {
        return Some((wait.since, None));
    }
    if let Some(Instance { queued_at: Some(since), finished_at: Some(opened), .. }) = gate.instances.first() {
        return Some((*since, Some(*opened)));
    }
    let since = gate.needs.iter().filter_map(|need| ends.finished.get(need).copied()).max()?;
    let opened = ends.first_dependent_queued.get(&gate.id).copied()?;
    Some((since, Some(opened)))
}

/// When jobs ended, and when the first that needs a job could go on.
#[derive(Default)]
struct Ends<'a> {
    finished: HashMap<&'a JobId, Timestamp>,
    first_dependent_queued: HashMap<&'a JobId, Timestamp>,
}

impl<'a> Ends<'a> {
    fn of(jobs: &'a [Job]) -> Self {
        let mut ends = Self::default();
        for job in jobs {
            if let Some(at) = job.instances.iter().filter_map(|instance| instance.finished_at).max() {
                ends.finished.insert(&job.id, at);
            }
            if let Some(at) = job.instances.iter().filter_map(|instance| instance.queued_at).min() {
                for need in &job.needs {
                    let first = ends.first_dependent_queued.entry(need).or_insert(at);
                    *first = at.min(*first);
                }
            }
        }
        ends
    }
}

impl Row<'_> {
    fn render(&self, frame: &Frame, axis: &Axis) -> Markup {
        let start = axis.at(self.started_at.or(self.finished_at).unwrap_or(frame.now));
        let end = axis.at(self.finished_at.unwrap_or(frame.now));
        let queue = axis.at(self.queued_at);
        let class = if self.is_gate {
            "hold is-waiting".to_owned()
        } else {
            format!("run is-{}", self.status.word())
        };
        html! {
            li {
                a.name href=(self.href) {
                    (self.status.sign()) span.one-line { (self.name) @if !self.label.is_empty() { " " span.dim { (self.label) } } }
                }
                svg.bar width="100%" height="12" aria-hidden="true" {
                    @if start > queue { rect.queue x=(percent(queue)) y="4" width=(percent(start - queue)) height="4" {} }
                    @if self.started_at.is_some() {
                        // A fifth of a percent is still to be seen.
                        rect class=(class) x=(percent(start)) y="1" width=(percent((end - start).max(20))) height="10" rx="2" {}
                    }
                }
                @match self.started_at {
                    Some(started) => (took(frame.now, started, self.finished_at)),
                    None => span.took { (self.status.word()) },
                }
            }
        }
    }
}

impl Axis {
    /// Where a round time lies: at most five marks, for a phone has no room for more.
    fn ruler(&self) -> Markup {
        const STEPS_S: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];
        let step_ms = STEPS_S
            .iter()
            .map(|step| step * 1_000)
            .find(|step| self.length_ms / step <= 4)
            .unwrap_or(self.length_ms / 4 + 1);
        html! {
            svg.ruler width="100%" height="16" aria-hidden="true" {
                @for mark in (0..8_i64).map(|index| index.saturating_mul(step_ms)).take_while(|mark| *mark <= self.length_ms) {
                    @let x = percent(self.at(self.from.plus_ms(mark)));
                    line x1=(x) x2=(x) y1="12" y2="16" {}
                    // A label that begins in the last stretch would be cut.
                    @if mark == 0 || mark < self.length_ms / 100 * 88 { text x=(x) y="9" { (mark_label(mark)) } }
                }
            }
        }
    }
}

/// `0`, `30 s`, `1 min 30 s`, `2 h`: a round time, without the parts that are nothing.
fn mark_label(ms: i64) -> String {
    let seconds = ms / 1_000;
    let parts: Vec<String> = [(seconds / 3_600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if parts.is_empty() { "0".to_owned() } else { parts.join(" ") }
}
