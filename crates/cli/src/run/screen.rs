use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use sluice_engine::{InstanceState, JobState, Run, State};
use sluice_model::{Conclusion, InstanceId};
use sluice_plan::Plan;
use sluice_server::local::{LocalEvent, LocalOutcome};
use sluice_wire::{JobEvent, QueuedFor};
use tokio::sync::oneshot;

use super::gates::Approve;
use super::live::Live;
use super::look::{self, BOLD, DIM, dress};
use super::record::{Ended, JobRecord, Line, RunRecord};
use super::{ShowArgs, account, verdict};

/// Shows runs as they go on: prefixed lines, a live line a running job below them on a terminal; or JSON.
pub struct Screen {
    json: bool,
    quiet: bool,
    approve: Approve,
    plans: Vec<Plan>,
    runs: Vec<RunRecord>,
    /// None where there is no terminal.
    live: Option<Live>,
    /// While a question stands on the terminal: what is to follow it.
    held: Option<Vec<String>>,
    begun: Instant,
}

/// What others have to say on the terminal that the screen has.
pub enum Word {
    Notice(String),
    /// Tells when it stands there, below everything else.
    Question {
        text: String,
        shown: oneshot::Sender<()>,
    },
    Answered,
}

impl Screen {
    pub fn new(show: &ShowArgs, plans: Vec<Plan>) -> Self {
        let ShowArgs { json, quiet, approve } = *show;
        let runs = plans.iter().map(|_| RunRecord::default()).collect();
        let live =
            (!json && std::io::stderr().is_terminal() && std::io::stdout().is_terminal()).then(Live::default);
        Self { json, quiet, approve, plans, runs, live, held: None, begun: Instant::now() }
    }

    pub fn take(&mut self, event: &LocalEvent) {
        match event {
            LocalEvent::Began { index, number, attempt, kept } => self.began(*index, *number, *attempt, kept),
            LocalEvent::Changed { index, state } => self.changed(*index, state),
            LocalEvent::Queued { index, queued } => self.queued(*index, queued),
            LocalEvent::Stopped { index, instance, step } => self.stopped(*index, instance, step),
            LocalEvent::Job { index, instance, attempt, event } => {
                self.heard(*index, instance, *attempt, event)
            }
        }
    }

    pub fn hear(&mut self, word: Word) {
        match word {
            Word::Notice(text) => {
                self.above(|| anstream::eprintln!("{text}"));
                // Whoever cancels does not answer any more.
                self.release();
            }
            Word::Question { text, shown } => {
                self.live.iter().for_each(Live::hide);
                let mut terminal = std::io::stderr();
                // A terminal that cannot be written to is no terminal: the reading of the answer ends.
                let _ = write!(terminal, "{text}").and_then(|()| terminal.flush());
                self.held.get_or_insert_default();
                let _ = shown.send(());
            }
            Word::Answered => self.release(),
        }
    }

    fn release(&mut self) {
        let Some(held) = self.held.take() else { return };
        self.live.iter().for_each(Live::show);
        self.lines(held);
    }

    pub fn tick(&mut self) {
        self.live.iter().for_each(Live::tick);
    }

    fn began(&mut self, index: usize, number: u64, attempt: u32, kept: &[InstanceId]) {
        let (Some(run), Some(plan)) = (self.runs.get_mut(index), self.plans.get(index)) else { return };
        run.number = number;
        run.kept.extend(kept.iter().cloned());
        if self.json {
            print(&Line::RunStarted {
                run: number,
                attempt,
                workflow: &plan.workflow,
                file: &plan.file,
                kept,
            });
        } else {
            let line = look::workflow(plan, number, attempt);
            self.lines(vec![line]);
        }
    }

    fn queued(&mut self, index: usize, queued: &[QueuedFor]) {
        let (Some(run), Some(plan)) = (self.runs.get(index), self.plans.get(index)) else { return };
        let mut lines = Vec::new();
        for waiting in queued {
            if self.json {
                print(&Line::Queued { run: run.number, queued: waiting });
                continue;
            }
            let name = waiting.job.as_ref().map_or_else(|| plan.workflow.clone(), |job| run.name_of(job));
            lines.push(format!("⏸ {name} {waiting}"));
        }
        self.lines(lines);
    }

    fn changed(&mut self, index: usize, state: &State) {
        let Some(run) = state.run() else { return };
        if let Some(live) = &mut self.live {
            live.run(index, run);
        }
        if run.auto_reruns() > self.runs[index].auto_reruns {
            self.runs_again(index, run);
        }
        for (id, instance) in run.instances() {
            let record = &mut self.runs[index];
            let is_new = record.names.insert(id.clone(), instance.plan.name.clone()).is_none();
            if is_new && is_node(run, &id, &instance.plan.name) {
                record.nodes.insert(id.clone());
            }
            match &instance.state {
                InstanceState::Gated { .. } if !record.gates.contains_key(&id) => {
                    let Some(gate) = &instance.gate else { continue };
                    if self.approve.is_open(gate.kind) {
                        continue;
                    }
                    let gate = gate.name.as_str();
                    record.gates.insert(id.clone(), gate.to_owned());
                    if self.json {
                        print(&Line::GateWaits { run: record.number, job: &id, gate });
                    } else {
                        self.lines(vec![format!("⏸ {gate} waits for an approval")]);
                    }
                }
                InstanceState::Ended { conclusion, outputs, problem, started, at, .. } => {
                    record.gates.remove(&id);
                    let (conclusion, outputs, problem) = (*conclusion, outputs.clone(), problem.clone());
                    let ended = Ended { at: *at, conclusion, outputs, problem };
                    if record.kept.remove(&id) {
                        let line = look::kept(&record.name_of(&id), conclusion);
                        record.ended.insert(id, ended);
                        if !self.json {
                            self.lines(vec![line]);
                        }
                        continue;
                    }
                    let took = started.map(|started| at.since_ms(started));
                    self.ended(index, id, ended, took);
                }
                _ => {}
            }
        }
        // A job that was skipped, or whose matrix could not be made, never had an instance.
        for (job, record) in run.jobs().filter(|(_, record)| record.instances.is_empty()) {
            if let JobState::Ended { at, conclusion, problem, .. } = &record.state {
                let (outputs, problem) = (BTreeMap::new(), problem.clone());
                let ended = Ended { at: *at, conclusion: *conclusion, outputs, problem };
                let id = InstanceId::new(job.id.clone(), 0);
                if let Some(name) = job.name.as_ref().and_then(|name| name.as_literal()) {
                    self.runs[index].names.entry(id.clone()).or_insert_with(|| name.to_owned());
                }
                self.ended(index, id, ended, None);
            }
        }
    }

    fn runs_again(&mut self, index: usize, run: &Run) {
        let record = &mut self.runs[index];
        record.auto_reruns = run.auto_reruns();
        record.ended.retain(|id, _| run.job(&id.job).is_some_and(|(_, job)| job.state.is_ended()));
        let (rerun, most) = (run.auto_reruns(), run.plan().max_auto_reruns);
        if self.json {
            print(&Line::RunsAgain { run: record.number, attempt: run.attempt(), rerun, most });
            return;
        }
        let workflow = &run.plan().workflow;
        self.lines(vec![format!("{BOLD}{workflow}{BOLD:#} runs again from what failed, {rerun} of {most}")]);
    }

    fn ended(&mut self, index: usize, id: InstanceId, ended: Ended, took_ms: Option<i64>) {
        let run = &mut self.runs[index];
        // One that ended at another time has run again since.
        if run.ended.get(&id).is_some_and(|told| told.at == ended.at) {
            return;
        }
        self.live.iter_mut().for_each(|live| live.ended(index, &id));
        let name = run.name_of(&id);
        let mut lines = vec![look::ended(&name, ended.conclusion, took_ms)];
        let is_told = |problem: &&String| run.jobs.get(&id).is_some_and(|job| job.says(problem));
        let problem = ended.problem.as_ref().filter(|problem| !is_told(problem));
        lines.extend(problem.map(|problem| format!("  {problem}")));
        if self.json {
            let Ended { at: _, conclusion, outputs, problem } = &ended;
            let (number, conclusion, problem) = (run.number, *conclusion, problem.as_deref());
            let name = run.plain_name_of(&id);
            print(&Line::JobEnded { run: number, job: &id, name: &name, conclusion, outputs, problem });
        }
        run.ended.insert(id, ended);
        if !self.json {
            self.lines(lines);
        }
    }

    fn stopped(&mut self, index: usize, instance: &InstanceId, step: &str) {
        let Some(run) = self.runs.get(index) else { return };
        let look_inside = account::shell(run.number, instance);
        if self.json {
            print(&Line::Stopped { run: run.number, job: instance, step, look_inside: &look_inside });
            return;
        }
        let name = run.name_of(instance);
        self.progress(index, instance, format!("{name} {DIM}stands at {}{DIM:#}", one_line(step)));
        self.lines(vec![
            format!("⏸ {BOLD}{name}{BOLD:#} stands at step \"{}\", which failed", one_line(step)),
            format!("  look inside: {look_inside}"),
            format!("  go on:       Enter, or {look_inside} --continue"),
        ]);
    }

    fn heard(&mut self, index: usize, instance: &InstanceId, attempt: u32, event: &JobEvent) {
        let Some(run) = self.runs.get_mut(index) else { return };
        if self.json {
            print(&Line::Job { run: run.number, job: instance, attempt, event });
            return;
        }
        let name = run.name_of(instance);
        let job = run.jobs.entry(instance.clone()).or_default();
        if attempt > job.attempt {
            *job = JobRecord { attempt, ..Default::default() };
        }
        let mut said = Vec::new();
        match event {
            JobEvent::Prepared { executor, .. } => {
                self.progress(index, instance, format!("{name} {DIM}{executor}{DIM:#}"));
            }
            JobEvent::StepStarted { step, name: title, .. } => {
                job.steps.entry(*step).or_default().name.clone_from(title);
                self.progress(index, instance, format!("{name} {DIM}{}{DIM:#}", one_line(title)));
            }
            JobEvent::Output { step, text, .. } => {
                let record = job.steps.entry(*step).or_default();
                record.is_titled = true;
                // Again where steps that run at once take turns.
                // What is said before the first step begins has no name yet.
                if job.speaking.replace(*step) != Some(*step) && !record.name.is_empty() {
                    said.push(format!("{BOLD}{}{BOLD:#}", one_line(&record.name)));
                }
                said.extend(record.take(text).iter().filter_map(|line| dress(line)).map(Into::into));
            }
            JobEvent::StepFinished { step, outcome, conclusion, exit_code, .. } => {
                let record = job.steps.entry(*step).or_default();
                record.failed = *conclusion == Conclusion::Failure;
                record.exit_code = *exit_code;
                if !std::mem::replace(&mut record.is_titled, true) {
                    job.speaking = Some(*step);
                    let title = one_line(&record.name);
                    said.push(match outcome {
                        Conclusion::Skipped => format!("{DIM}– {title} (skipped){DIM:#}"),
                        _ => format!("{BOLD}{title}{BOLD:#}"),
                    });
                }
                said.extend(record.rest().iter().filter_map(|line| dress(line)).map(Into::into));
                if *outcome == Conclusion::Failure && *conclusion == Conclusion::Success {
                    said.push(format!("{DIM}goes on: this step may fail{DIM:#}"));
                }
            }
            JobEvent::Summary { text, .. } => job.summaries.push(text.clone()),
            // The log has said it, as `##[error]…` or as the step's own line.
            JobEvent::Annotation { .. } | JobEvent::ArtifactStored { .. } | JobEvent::TestsStored { .. } => {}
        }
        if !self.quiet {
            self.lines(said.into_iter().map(|line| format!("{DIM}{name} |{DIM:#} {line}")).collect());
        }
    }

    fn progress(&mut self, index: usize, instance: &InstanceId, message: String) {
        if let Some(live) = &mut self.live {
            live.job(index, instance, message);
        }
    }

    /// Prints lines, or holds them back while a question stands.
    fn lines(&mut self, lines: Vec<String>) {
        match &mut self.held {
            Some(held) => held.extend(lines),
            None if lines.is_empty() => {}
            None => self.above(|| anstream::println!("{}", lines.join("\n"))),
        }
    }

    /// Above the live lines where there are any.
    fn above(&self, print: impl FnOnce()) {
        match &self.live {
            Some(live) => live.above(print),
            None => print(),
        }
    }

    /// The account at the end.
    pub fn conclude(&self, outcomes: &[LocalOutcome], next: &account::Next<'_>) {
        if self.json {
            for outcome in outcomes {
                for (job, tests) in &outcome.failed_tests {
                    tests.iter().for_each(|test| print(&Line::TestFailed { run: outcome.number, job, test }));
                }
                print(&Line::RunEnded { run: outcome.number, conclusion: verdict(outcome) });
            }
            return;
        }
        account::print(&self.runs, &self.plans, outcomes, self.begun.elapsed(), next);
    }
}

/// Whether another instance of the job has this name too.
fn is_node(run: &Run, id: &InstanceId, name: &str) -> bool {
    let instances = run.job(&id.job).map_or(&[][..], |(_, job)| job.instances.as_slice());
    instances.iter().filter(|instance| instance.plan.name == name).nth(1).is_some()
}

/// A step without a name of its own is called by its script's first line.
fn one_line(title: &str) -> &str {
    title.lines().next().unwrap_or_default()
}

/// A reader that went away ends nothing.
fn print(line: &Line<'_>) {
    if let Ok(text) = serde_json::to_string(line) {
        anstream::println!("{text}");
    }
}
