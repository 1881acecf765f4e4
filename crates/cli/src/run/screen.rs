use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_engine::{InstanceState, State};
use sluice_model::{Conclusion, InstanceId};
use sluice_plan::Plan;
use sluice_server::local::{LocalEvent, LocalOutcome};
use sluice_wire::JobEvent;

use super::record::{JobRecord, Line, RunRecord};

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Shows runs as they go on: prefixed lines, a live line a running job below them on a terminal; or JSON.
pub struct Screen {
    json: bool,
    quiet: bool,
    plans: Vec<Plan>,
    runs: Vec<RunRecord>,
    /// None where there is no terminal.
    live: Option<Live>,
    begun: Instant,
}

struct Live {
    bars: MultiProgress,
    jobs: BTreeMap<(usize, InstanceId), ProgressBar>,
}

impl Screen {
    pub fn new(json: bool, quiet: bool, plans: Vec<Plan>) -> Self {
        let runs = plans.iter().map(|_| RunRecord::default()).collect();
        let live = (!json && std::io::stderr().is_terminal() && std::io::stdout().is_terminal())
            .then(|| Live { bars: MultiProgress::new(), jobs: BTreeMap::new() });
        Self { json, quiet, plans, runs, live, begun: Instant::now() }
    }

    pub fn take(&mut self, event: &LocalEvent) {
        match event {
            LocalEvent::Began { index, number, .. } => self.began(*index, *number),
            LocalEvent::Changed { index, state } => self.changed(*index, state),
            LocalEvent::Job { index, instance, attempt, event } => {
                self.heard(*index, instance, *attempt, event)
            }
        }
    }

    pub fn tick(&mut self) {
        if let Some(live) = &self.live {
            live.jobs.values().for_each(ProgressBar::tick);
        }
    }

    fn began(&mut self, index: usize, number: u64) {
        let Some(run) = self.runs.get_mut(index) else { return };
        run.number = number;
        let Some(plan) = self.plans.get(index) else { return };
        let (workflow, file) = (plan.workflow.as_str(), plan.file.as_str());
        if self.json {
            print(&Line::RunStarted { run: number, workflow, file });
        } else {
            self.line(&format!("{BOLD}{workflow}{BOLD:#} {DIM}{file}, run {number}{DIM:#}"));
        }
    }

    fn changed(&mut self, index: usize, state: &State) {
        let Some(run) = state.run() else { return };
        let number = self.runs[index].number;
        for (id, instance) in run.instances() {
            match &instance.state {
                InstanceState::Gated { .. } if !self.runs[index].gates.contains(&id) => {
                    self.runs[index].gates.push(id.clone());
                    let gate = instance.gate.as_ref().map_or("", |gate| gate.name.as_str());
                    if self.json {
                        print(&Line::GateWaits { run: number, job: &id, gate });
                    } else {
                        self.line(&format!("⏸ {gate} waits for an approval"));
                    }
                }
                InstanceState::Ended { conclusion, problem, started, at, .. } => {
                    if self.runs[index].ended.insert(id.clone(), *conclusion).is_some() {
                        continue;
                    }
                    if self.json {
                        let problem = problem.as_deref();
                        print(&Line::JobEnded { run: number, job: &id, conclusion: *conclusion, problem });
                        continue;
                    }
                    let took = started.map(|started| at.since_ms(started));
                    self.ended(index, &id, &instance.plan.name, *conclusion, problem.as_deref(), took);
                }
                _ => {}
            }
        }
    }

    fn ended(
        &mut self,
        index: usize,
        id: &InstanceId,
        name: &str,
        conclusion: Conclusion,
        problem: Option<&str>,
        took_ms: Option<i64>,
    ) {
        if let Some(bar) = self.live.as_mut().and_then(|live| live.jobs.remove(&(index, id.clone()))) {
            bar.finish_and_clear();
        }
        let took = took_ms.map_or(String::new(), |ms| format!(" {DIM}{:.1} s{DIM:#}", ms as f64 / 1000.0));
        let line = match conclusion {
            Conclusion::Success => format!("{GREEN}✓ {name}{GREEN:#}{took}"),
            Conclusion::Failure => format!("{RED}✕ {name}{RED:#}{took}"),
            Conclusion::Cancelled => format!("⊘ {name}{took}"),
            Conclusion::Skipped => format!("{DIM}– {name} skipped{DIM:#}"),
        };
        self.line(&line);
        if let Some(problem) = problem {
            self.line(&format!("  {problem}"));
        }
    }

    fn heard(&mut self, index: usize, instance: &InstanceId, attempt: u32, event: &JobEvent) {
        let Some(run) = self.runs.get_mut(index) else { return };
        if self.json {
            print(&Line::Job { run: run.number, job: instance, attempt, event });
            return;
        }
        let job = run.jobs.entry(instance.clone()).or_default();
        match event {
            JobEvent::Prepared { executor, .. } => {
                let message = format!("{instance} {DIM}{executor}{DIM:#}");
                self.progress(index, instance, message);
            }
            JobEvent::StepStarted { step, name, .. } => {
                job.steps.entry(*step).or_default().name.clone_from(name);
                job.current = Some(*step);
                self.progress(index, instance, format!("{instance} {DIM}{name}{DIM:#}"));
                if !self.quiet {
                    self.line(&format!("{DIM}{instance} |{DIM:#} {BOLD}{name}{BOLD:#}"));
                }
            }
            JobEvent::Output { step, text, .. } => {
                let lines = job.steps.entry(*step).or_default().take(text);
                self.output(instance, &lines);
            }
            JobEvent::StepFinished { step, conclusion, exit_code, .. } => {
                let record = job.steps.entry(*step).or_default();
                record.failed = *conclusion == Conclusion::Failure;
                record.exit_code = *exit_code;
                let rest: Vec<_> = record.rest().into_iter().collect();
                self.output(instance, &rest);
            }
            // The log has said it, as `##[error]…`.
            JobEvent::Annotation { .. } => {}
            JobEvent::ArtifactStored { name, files, size_bytes } => {
                self.note(instance, &format!("kept artifact `{name}`: {files} files, {size_bytes} bytes"));
            }
            JobEvent::TestsStored { passed, failed, skipped } => {
                self.note(instance, &format!("tests: {passed} passed, {failed} failed, {skipped} skipped"));
            }
        }
    }

    fn output(&self, instance: &InstanceId, lines: &[String]) {
        if !self.quiet {
            for line in lines.iter().filter_map(|line| dress(line)) {
                self.line(&format!("{DIM}{instance} |{DIM:#} {line}"));
            }
        }
    }

    fn note(&self, instance: &InstanceId, text: &str) {
        if !self.quiet {
            self.line(&format!("{DIM}{instance} | {text}{DIM:#}"));
        }
    }

    fn progress(&mut self, index: usize, instance: &InstanceId, message: String) {
        let Some(live) = &mut self.live else { return };
        let bars = &live.bars;
        let bar = live.jobs.entry((index, instance.clone())).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            // The template is a constant, and has this form.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(message);
    }

    /// Above the live lines where there are any.
    fn line(&self, line: &str) {
        match &self.live {
            // A terminal that went away is no reason to stop the run.
            Some(live) => live.bars.suspend(|| anstream::println!("{line}")),
            None => anstream::println!("{line}"),
        }
    }

    /// The account at the end: what failed, where, and its last lines.
    pub fn conclude(&self, outcomes: &[LocalOutcome]) {
        if self.json {
            for outcome in outcomes {
                print(&Line::RunEnded { run: outcome.number, conclusion: outcome.conclusion });
            }
            return;
        }
        for (run, plan) in self.runs.iter().zip(&self.plans) {
            for (id, _) in run.ended.iter().filter(|(_, conclusion)| **conclusion == Conclusion::Failure) {
                if let Some(job) = run.jobs.get(id) {
                    self.explain(plan, run.number, id, job);
                }
            }
        }
        let took = format_duration(self.begun.elapsed());
        for (outcome, plan) in outcomes.iter().zip(&self.plans) {
            let (sign, word) = match outcome.conclusion {
                Some(Conclusion::Success | Conclusion::Skipped) => (format!("{GREEN}✓{GREEN:#}"), "passed"),
                Some(Conclusion::Failure) => (format!("{RED}✕{RED:#}"), "failed"),
                Some(Conclusion::Cancelled) => ("⊘".to_owned(), "cancelled"),
                None => ("⏸".to_owned(), "waits for an approval (--approve all opens every gate)"),
            };
            anstream::println!("{sign} {BOLD}{}{BOLD:#} {word} {DIM}after {took}{DIM:#}", plan.workflow);
        }
    }

    fn explain(&self, plan: &Plan, number: u64, id: &InstanceId, job: &JobRecord) {
        for step in job.steps.values().filter(|step| step.failed) {
            let how = step.exit_code.map_or(String::new(), |code| format!(" with exit code {code}"));
            anstream::println!();
            anstream::println!(
                "{RED}{}: {id}: \"{}\" failed{how}{RED:#} {DIM}(run {number}){DIM:#}",
                plan.workflow,
                step.name
            );
            for line in step.tail.iter().filter_map(|line| dress(line)) {
                anstream::println!("  {line}");
            }
        }
    }
}

/// A line of a log as a terminal shows it: the marks of groups and annotations become looks.
fn dress(line: &str) -> Option<std::borrow::Cow<'_, str>> {
    let Some((mark, text)) = line.strip_prefix("##[").and_then(|rest| rest.split_once(']')) else {
        return Some(line.into());
    };
    match mark {
        "group" => Some(format!("{DIM}{text}{DIM:#}").into()),
        "endgroup" => None,
        "error" => Some(format!("{RED}error:{RED:#} {text}").into()),
        "warning" | "notice" | "debug" => Some(format!("{DIM}{mark}:{DIM:#} {text}").into()),
        _ => Some(line.into()),
    }
}

fn format_duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..=59 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A reader that went away ends nothing.
fn print(line: &Line<'_>) {
    if let Ok(text) = serde_json::to_string(line) {
        anstream::println!("{text}");
    }
}
