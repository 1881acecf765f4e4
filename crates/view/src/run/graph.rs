use std::collections::{HashMap, HashSet};

use maud::{Markup, html};
use sluice_model::{JobId, Timestamp};

use super::layout::{Edge, Item, Layout, Measure, Spot, lay_out};
use super::{Job, RunPage};
use crate::time::{coarse, duration};
use crate::{Frame, May, Status, paths};

/// Five layers fill the page's width.
const WIDE: Measure = Measure { node_width: 200, gutter: 36, gap: 12, band_gap: 36, columns: 5 };
/// Two fill a phone's.
const NARROW: Measure = Measure { node_width: 160, gutter: 24, gap: 8, band_gap: 28, columns: 2 };
const NODE_HEIGHT: i32 = 48;
/// With the button under its words.
const GATE_HEIGHT: i32 = 84;
/// Beyond this, a graph is not drawn a second time for a phone; the list of jobs says the same.
const NARROW_AT_MOST: usize = 60;

impl RunPage {
    /// The jobs from left to right, drawn twice: for a wide page, and for a phone's.
    pub(super) fn graph(&self, frame: &Frame) -> Markup {
        html! {
            @if !self.jobs.is_empty() {
                h2 { "Jobs" }
                (self.drawing(frame, WIDE, "graph wide"))
                @if self.jobs.len() <= NARROW_AT_MOST { (self.drawing(frame, NARROW, "graph narrow")) }
            }
        }
    }

    fn drawing(&self, frame: &Frame, measure: Measure, class: &str) -> Markup {
        let index: HashMap<&JobId, usize> =
            self.jobs.iter().enumerate().map(|(at, job)| (&job.id, at)).collect();
        let items: Vec<Item> = self
            .jobs
            .iter()
            .map(|job| Item {
                height: if job.has_button() { GATE_HEIGHT } else { NODE_HEIGHT },
                needs: job.needs.iter().filter_map(|need| index.get(need).copied()).collect(),
            })
            .collect();
        let layout = lay_out(&items, measure);
        let critical = critical_path(&self.jobs, &items, frame.now);
        let is_critical = |edge: &Edge| critical.contains(&edge.from) && critical.contains(&edge.to);
        // One pixel around, for the outermost strokes.
        let (width, height) = (layout.width + 4, layout.height + 4);
        html! {
            svg class=(class) viewBox={ "-2 -2 " (width) " " (height) } width=(width) height=(height) role="group" aria-label="Graph of the jobs" {
                g.edges aria-hidden="true" {
                    @for edge in layout.edges.iter().filter(|edge| !is_critical(edge)) { (self.edge(&layout, edge, measure, "")) }
                    @for edge in layout.edges.iter().filter(|edge| is_critical(edge)) { (self.edge(&layout, edge, measure, " critical")) }
                }
                @for (at, (job, spot)) in self.jobs.iter().zip(&layout.spots).enumerate() {
                    (self.node(frame, job, *spot, measure, critical.contains(&at)))
                }
            }
        }
    }

    fn edge(&self, layout: &Layout, edge: &Edge, measure: Measure, class: &str) -> Markup {
        let (from, to) = (layout.spots[edge.from], layout.spots[edge.to]);
        let is_pending = !matches!(self.jobs[edge.from].status, Status::Passed);
        let path = route(from, to, measure, layout);
        html! { path class={ "edge" (class) (if is_pending { " pending" } else { "" }) } d=(path) {} }
    }

    fn node(&self, frame: &Frame, job: &Job, spot: Spot, measure: Measure, is_critical: bool) -> Markup {
        let Spot { x, y, height, .. } = spot;
        let width = measure.node_width;
        // A diamond takes more room than an icon; eight pixels hold the widest usual letter at this size.
        let text_x = if job.is_gate { 46 } else { 36 };
        let letters = ((width - text_x - 8) / 8) as usize;
        let is_folded = job.instances.len() > 1;
        let href = self.job_href(job);
        let class = format!("node is-{}{}", job.status.word(), if is_critical { " critical" } else { "" });
        html! {
            g class=(class) transform={ "translate(" (x) " " (y) ")" } {
                a href=(href) aria-label={ (job.name) ": " (job.status.word()) ", " (job.in_brief(frame.now)) } {
                    title { (job.name) " · " (job.status.word()) @if let Some(reason) = &job.reason { " · " (reason) } }
                    @if is_folded { rect.behind x="4" y="4" width=(width) height=(height) rx="6" {} }
                    rect.box width=(width) height=(height) rx="6" {}
                    @if job.is_gate { path.diamond d="M24 9l15 15-15 15-15-15z" {} }
                    // Around its own middle, so that what runs can turn.
                    g transform=(if job.is_gate { "translate(24 24) scale(.875)" } else { "translate(20 19)" }) {
                        g.turns { use href={ "#i-" (job.status.word()) } x="-8" y="-8" width="16" height="16" {} }
                    }
                    text.name x=(text_x) y="20" { (shortened(&job.name, letters)) }
                    text.brief x=(text_x) y="37" { (shortened(&job.in_brief(frame.now), letters)) }
                }
                @if job.has_button() {
                    foreignObject x="8" y="46" width=(width - 16) height="34" {
                        (frame.button(&paths::run_gate(&self.repository, self.number, &job.id), &[("decision", "approve")], "primary small", "Approve"))
                    }
                }
            }
        }
    }

    /// One instance has its log; a matrix opens in the list.
    pub(super) fn job_href(&self, job: &Job) -> String {
        match job.instances.as_slice() {
            [one] if !job.is_gate => paths::job(&self.repository, self.number, &one.id),
            _ => format!("#job-{}", paths::segment(job.id.as_str())),
        }
    }
}

impl Job {
    fn has_button(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.may == May::Yes)
    }

    /// The second line of a node: how long, how many, or on whom it waits.
    pub(super) fn in_brief(&self, now: Timestamp) -> String {
        if let Some(gate) = &self.gate {
            return format!("waits {}", coarse(now.since_ms(gate.since)));
        }
        if self.instances.len() > 1 {
            let all = self.instances.len();
            let in_state =
                |status| self.instances.iter().filter(|instance| instance.status == status).count();
            return match in_state(Status::Failed) {
                0 => format!("{} of {all} passed", in_state(Status::Passed)),
                failed => format!("{failed} of {all} failed"),
            };
        }
        match self.instances.first().and_then(|instance| Some((instance.started_at?, instance.finished_at))) {
            Some((started, finished)) => duration(finished.unwrap_or(now).since_ms(started)),
            None => self.status.word().to_owned(),
        }
    }

    fn finished_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.instances
            .iter()
            .filter(|instance| instance.started_at.is_some())
            .map(|instance| instance.finished_at.unwrap_or(now))
            .max()
    }
}

/// The chain that the run's length comes from: from the job that ended last, back over the need that ended last.
fn critical_path(jobs: &[Job], items: &[Item], now: Timestamp) -> HashSet<usize> {
    let last = |candidates: &mut dyn Iterator<Item = usize>| {
        candidates.filter_map(|at| Some((jobs[at].finished_at(now)?, at))).max().map(|(_, at)| at)
    };
    let mut path = HashSet::new();
    let mut next = last(&mut (0..jobs.len()));
    // A node that is on it already ends a circle.
    while let Some(at) = next.filter(|&at| path.insert(at)) {
        next = last(&mut items[at].needs.iter().copied()).or_else(|| items[at].needs.first().copied());
    }
    if path.len() < 2 { HashSet::new() } else { path }
}

/// A curve to the next layer; where the target stands in a lower band, around the right end and back under it.
fn route(from: Spot, to: Spot, measure: Measure, layout: &Layout) -> String {
    let (x1, y1) = (from.x + measure.node_width, from.y + from.height / 2);
    let (x2, y2) = (to.x, to.y + to.height / 2);
    if from.band == to.band {
        let middle = if to.column == from.column + 1 { (x1 + x2) / 2 } else { x2 - measure.gutter / 2 };
        return format!("M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}");
    }
    let aisle = layout.bands[to.band] - measure.band_gap / 2;
    let (out, into) = (x1 + measure.gutter / 2, x2 - measure.gutter / 2);
    let r = measure.gutter / 4;
    let turn = if y1 < aisle { r } else { -r };
    format!(
        "M{x1} {y1}H{}Q{out} {y1} {out} {}V{}Q{out} {aisle} {} {aisle}H{}Q{into} {aisle} {into} {}V{}Q{into} {y2} {} {y2}H{x2}",
        out - r,
        y1 + turn,
        aisle - turn,
        out - r,
        into + r,
        aisle + r,
        y2 - r,
        into + r,
    )
}

/// At most so many characters, with an ellipsis for the rest.
fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}
