use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use sluice_model::{Conclusion, InstanceId, Timestamp};
use sluice_wire::{JobEvent, QueuedFor, TestCase};

/// `sluice run --json`: one of these a line.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line<'a> {
    RunStarted {
        run: u64,
        attempt: u32,
        workflow: &'a str,
        file: &'a str,
        /// Jobs of an earlier attempt that are not run again.
        kept: &'a [InstanceId],
    },
    Job {
        run: u64,
        job: &'a InstanceId,
        attempt: u32,
        event: &'a JobEvent,
    },
    /// What failed begins again, as the workflow's `max_auto_reruns` has it.
    RunsAgain {
        run: u64,
        attempt: u32,
        /// Of `most`, from 1.
        rerun: u32,
        most: u32,
    },
    JobEnded {
        run: u64,
        job: &'a InstanceId,
        name: &'a str,
        conclusion: Conclusion,
        outputs: &'a BTreeMap<String, String>,
        problem: Option<&'a str>,
    },
    Queued {
        run: u64,
        #[serde(flatten)]
        queued: &'a QueuedFor,
    },
    GateWaits {
        run: u64,
        job: &'a InstanceId,
        gate: &'a str,
    },
    /// A test that a stored report names as failed.
    TestFailed {
        run: u64,
        job: &'a InstanceId,
        test: &'a TestCase,
    },
    /// The job stands at a failed step, until it is told to go on.
    Stopped {
        run: u64,
        job: &'a InstanceId,
        step: &'a str,
        look_inside: &'a str,
    },
    RunEnded {
        run: u64,
        conclusion: Option<Conclusion>,
    },
}

/// What the screen remembers of one run.
#[derive(Debug, Default)]
pub struct RunRecord {
    pub number: u64,
    /// Attempts that began by themselves.
    pub auto_reruns: u32,
    pub ended: BTreeMap<InstanceId, Ended>,
    pub gates: BTreeMap<InstanceId, String>,
    pub jobs: BTreeMap<InstanceId, JobRecord>,
    /// As GitHub shows a combination: `test (linux, 3)`.
    pub names: BTreeMap<InstanceId, String>,
    /// Those whose name others of the job have too: the nodes of CircleCI's `parallelism`.
    pub nodes: BTreeSet<InstanceId>,
    /// Of an earlier attempt, and not shown yet.
    pub kept: BTreeSet<InstanceId>,
}

/// How a job instance ended.
#[derive(Debug)]
pub struct Ended {
    pub at: Timestamp,
    pub conclusion: Conclusion,
    pub outputs: BTreeMap<String, String>,
    pub problem: Option<String>,
}

impl RunRecord {
    /// As people tell it from the others: `test`, `test (linux, 3)`, `test/1` for a node.
    pub fn name_of(&self, instance: &InstanceId) -> String {
        match self.nodes.contains(instance) {
            true => format!("{}/{}", self.plain_name_of(instance), instance.index),
            false => self.plain_name_of(instance),
        }
    }

    pub fn plain_name_of(&self, instance: &InstanceId) -> String {
        self.names.get(instance).cloned().unwrap_or_else(|| instance.title())
    }
}

/// What the screen remembers of one job instance.
#[derive(Debug, Default)]
pub struct JobRecord {
    pub attempt: u32,
    pub steps: BTreeMap<u32, StepRecord>,
    /// Markdown that steps wrote to GITHUB_STEP_SUMMARY.
    pub summaries: Vec<String>,
    /// The step whose title or line was shown last.
    pub speaking: Option<u32>,
}

impl JobRecord {
    pub fn has_failed_step(&self) -> bool {
        self.steps.values().any(|step| step.failed)
    }

    /// Whether the last lines of a step that failed say this already.
    pub fn says(&self, problem: &str) -> bool {
        let mut failed = self.steps.values().filter(|step| step.failed);
        failed.any(|step| step.tail.iter().any(|line| line.contains(problem)))
    }
}

#[derive(Debug, Default)]
pub struct StepRecord {
    pub name: String,
    pub is_titled: bool,
    pub exit_code: Option<i32>,
    pub failed: bool,
    /// The last lines, for the account of what failed.
    pub tail: VecDeque<String>,
    /// A line whose end has not come yet.
    partial: String,
    header: Header,
}

/// The group that a step begins with repeats its script, which the file has.
#[derive(Debug, Default, PartialEq, Eq)]
enum Header {
    #[default]
    Expected,
    Inside,
    Past,
}

/// How many last lines of a failed step are shown again at the end.
const TAIL_LINES: usize = 20;

impl StepRecord {
    /// Takes text, and gives the lines of the step's own output that are whole now.
    pub fn take(&mut self, text: &str) -> Vec<String> {
        self.partial.push_str(text);
        let mut lines = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.partial[begin..].find('\n') {
            let line = self.partial[begin..begin + length].trim_end_matches('\r').to_owned();
            begin += length + 1;
            if !self.is_header(&line) {
                lines.push(line);
            }
        }
        self.partial.drain(..begin);
        self.remember(&lines);
        lines
    }

    /// The rest that never got its end.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| {
            self.remember(std::slice::from_ref(&rest));
            rest
        })
    }

    fn is_header(&mut self, line: &str) -> bool {
        let is_header = match self.header {
            Header::Expected => line.starts_with("##[group]"),
            Header::Inside => true,
            Header::Past => return false,
        };
        self.header = if is_header && line != "##[endgroup]" { Header::Inside } else { Header::Past };
        is_header
    }

    fn remember(&mut self, lines: &[String]) {
        let surplus = (self.tail.len() + lines.len()).saturating_sub(TAIL_LINES);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_gives_its_output_without_its_header() {
        let mut step = StepRecord::default();
        assert_eq!(step.take("##[group]Run make\nmake\n##[endgroup]\none\r\ntw"), ["one"]);
        assert_eq!(step.take("o\n##[group]own\n"), ["two", "##[group]own"]);
        assert_eq!(step.take("no end"), Vec::<String>::new());
        assert_eq!(step.rest().as_deref(), Some("no end"));
        assert_eq!(Vec::from(step.tail), ["one", "two", "##[group]own", "no end"]);
    }

    #[test]
    fn the_last_lines_are_remembered() {
        let mut step = StepRecord::default();
        let text: String = (1..=100).map(|number| format!("{number}\n")).collect();
        step.take(&text);
        step.take("101\n");
        let tail = Vec::from(step.tail);
        assert_eq!((tail.len(), tail[0].as_str(), tail[19].as_str()), (20, "82", "101"));
    }
}
