use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::ansi::Ansi;
use super::line::{self, Kind};
use super::{JobPage, LogFeed, LogLine};
use crate::time::took;
use crate::{Frame, Step, paths};

/// So many lines make one block, which a browser need not lay out until it comes into sight.
const BLOCK_LINES: usize = 200;

/// What the script reads of a line.
#[derive(Serialize)]
struct Record<'a> {
    /// Number, from 1.
    n: u64,
    /// Step.
    s: u32,
    /// Milliseconds since 1970.
    t: i64,
    /// [`Kind::letter`]; left out for a plain line.
    #[serde(skip_serializing_if = "str::is_empty")]
    k: &'a str,
    /// HTML.
    h: &'a str,
}

impl LogFeed {
    pub fn new() -> Self {
        Self::default()
    }

    /// `lines`, of which the first has the number `first`, as newline-delimited JSON, each with its newline.
    pub fn lines(&mut self, first: u64, lines: &[LogLine]) -> String {
        let mut text = String::with_capacity(lines.iter().map(|line| line.text.len() + 64).sum());
        for (number, line) in (first..).zip(lines) {
            let (kind, html) = self.read(line);
            let record = Record { n: number, s: line.step, t: line.at.0, k: kind.letter(), h: &html };
            // A record of numbers and text always serializes.
            if let Ok(json) = serde_json::to_string(&record) {
                text.push_str(&json);
                text.push('\n');
            }
        }
        text
    }

    /// The same as a server-sent message, `event: lines`.
    pub fn message(&mut self, first: u64, lines: &[LogLine]) -> String {
        crate::region::message("lines", self.lines(first, lines).trim_end())
    }

    /// The line's kind and HTML. Colours go on over line ends, but not into the next step.
    fn read(&mut self, line: &LogLine) -> (Kind, String) {
        if self.step != line.step {
            self.step = line.step;
            self.ansi = Ansi::default();
        }
        let (kind, text) = line::read(line);
        (kind, format!("{}{}", kind.word(), self.ansi.line(&text)))
    }
}

impl JobPage {
    /// The log: a section a step with its head, the lines in blocks, groups as folds. The script reads these lines and goes on
    /// from there; without it they are the log, and links lead to the others.
    pub(super) fn log(&self, frame: &Frame) -> Markup {
        let mut next = self.first_line;
        let steps = self.lines.chunk_by(|a, b| a.step == b.step).map(|lines| {
            let first = next;
            next += lines.len() as u64;
            (first, lines)
        });
        let mut feed = LogFeed::new();
        let address = |of: fn(&_, u64, &_) -> String| of(&self.repository, self.run_number, &self.instance);
        html! {
            div.log #log data-lines=(address(paths::log_lines)) data-first=(self.first_line) data-total=(self.total_lines)
                data-events=[(!self.status.is_final()).then(|| address(paths::log_events))] {
                @for (first, lines) in steps {
                    section.log-step data-step=(lines[0].step) {
                        (step_head(self.steps.iter().find(|step| step.number == lines[0].step), lines[0].step, frame))
                        div.lines { (PreEscaped(blocks(&mut feed, first, lines, !self.status.is_final()))) }
                    }
                }
            }
        }
    }
}

fn step_head(step: Option<&Step>, number: u32, frame: &Frame) -> Markup {
    html! {
        div.step-head {
            @match step {
                Some(step) => {
                    (step.status.sign())
                    h3 { (step.name) }
                    @if let Some(started) = step.started_at { (took(frame.now, started, step.finished_at)) }
                },
                None => h3 { "Step " (number) },
            }
        }
    }
}

/// Written by hand, for there are a hundred thousand of them. Groups are folded once the job has ended.
fn blocks(feed: &mut LogFeed, first: u64, lines: &[LogLine], is_live: bool) -> String {
    let mut html = String::with_capacity(lines.iter().map(|line| line.text.len() + 128).sum());
    let mut in_group = false;
    let mut in_block = 0;
    for (number, line) in (first..).zip(lines) {
        let (kind, text) = feed.read(line);
        if in_block == BLOCK_LINES || (in_block > 0 && matches!(kind, Kind::Group | Kind::EndGroup)) {
            html.push_str("</div>");
            in_block = 0;
        }
        if in_group && matches!(kind, Kind::Group | Kind::EndGroup) {
            html.push_str("</details>");
            in_group = false;
        }
        if kind == Kind::Group {
            html.push_str(if is_live {
                "<details class=\"group\" open>"
            } else {
                "<details class=\"group\">"
            });
            html.push_str("<summary class=\"line\"");
            in_group = true;
        } else {
            if in_block == 0 {
                html.push_str("<div class=\"block\">");
            }
            in_block += 1;
            html.push_str("<div class=\"line\"");
        }
        let at = line.at.0;
        let letter = kind.letter();
        html.push_str(&format!(" id=\"L{number}\" data-t=\"{at}\""));
        if !letter.is_empty() {
            html.push_str(&format!(" data-k=\"{letter}\""));
        }
        if kind == Kind::EndGroup {
            html.push_str(" hidden");
        }
        html.push_str(&format!("><a href=\"#L{number}\">{number}</a><code>{text}</code>"));
        html.push_str(if kind == Kind::Group { "</summary>" } else { "</div>" });
    }
    if in_block > 0 {
        html.push_str("</div>");
    }
    if in_group {
        html.push_str("</details>");
    }
    html
}
