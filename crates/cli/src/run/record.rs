use std::collections::BTreeMap;

use serde::Serialize;
use sluice_model::{Conclusion, InstanceId};
use sluice_wire::JobEvent;

/// `sluice run --json`: one of these a line.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line<'a> {
    RunStarted { run: u64, workflow: &'a str, file: &'a str },
    Job { run: u64, job: &'a InstanceId, attempt: u32, event: &'a JobEvent },
    JobEnded { run: u64, job: &'a InstanceId, conclusion: Conclusion, problem: Option<&'a str> },
    GateWaits { run: u64, job: &'a InstanceId, gate: &'a str },
    RunEnded { run: u64, conclusion: Option<Conclusion> },
}

/// What the screen remembers of one run.
#[derive(Debug, Default)]
pub struct RunRecord {
    pub number: u64,
    pub ended: BTreeMap<InstanceId, Conclusion>,
    pub gates: Vec<InstanceId>,
    pub jobs: BTreeMap<InstanceId, JobRecord>,
}

/// What the screen remembers of one job instance.
#[derive(Debug, Default)]
pub struct JobRecord {
    pub steps: BTreeMap<u32, StepRecord>,
    pub current: Option<u32>,
}

#[derive(Debug, Default)]
pub struct StepRecord {
    pub name: String,
    pub exit_code: Option<i32>,
    pub failed: bool,
    /// The last lines, for the account of what failed.
    pub tail: std::collections::VecDeque<String>,
    /// A line whose end has not come yet.
    pub partial: String,
}

/// How many last lines of a failed step are shown again at the end.
const TAIL_LINES: usize = 20;

impl StepRecord {
    /// Takes text, and gives the lines that are whole now.
    pub fn take(&mut self, text: &str) -> Vec<String> {
        self.partial.push_str(text);
        let mut lines = Vec::new();
        while let Some(end) = self.partial.find('\n') {
            let line: String = self.partial.drain(..=end).collect();
            lines.push(line.trim_end_matches(['\n', '\r']).to_owned());
        }
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

    fn remember(&mut self, lines: &[String]) {
        for line in lines {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            self.tail.push_back(line.clone());
        }
    }
}
