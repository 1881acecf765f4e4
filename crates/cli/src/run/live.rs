use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sluice_engine::{InstanceState, Run};
use sluice_model::InstanceId;

use super::look::{BOLD, DIM};

/// The tree at the foot of a terminal: a line a run, below it one a running job with its step and its time.
#[derive(Default)]
pub struct Live {
    bars: MultiProgress,
    runs: BTreeMap<usize, ProgressBar>,
    jobs: BTreeMap<(usize, InstanceId), ProgressBar>,
}

impl Live {
    /// How a run stands. Its line goes when nothing of it runs any more.
    pub fn run(&mut self, index: usize, run: &Run) {
        if run.conclusion().is_some() {
            self.runs.remove(&index).iter().for_each(ProgressBar::finish_and_clear);
            return;
        }
        let jobs = run.plan().jobs.len();
        let ended = run.jobs().filter(|(_, job)| job.state.is_ended()).count();
        let count = |is_it: fn(&InstanceState) -> bool| {
            run.instances().filter(|(_, instance)| is_it(&instance.state)).count()
        };
        let queued = count(|state| matches!(state, InstanceState::Held | InstanceState::Offered { .. }));
        let gated = count(|state| matches!(state, InstanceState::Gated { .. }));
        let mut text = format!("{BOLD}{}{BOLD:#} {DIM}{ended} of {jobs} jobs", run.plan().workflow);
        for (number, what) in [(queued, "in the queue"), (gated, "at a gate")] {
            if number > 0 {
                text.push_str(&format!(", {number} {what}"));
            }
        }
        text.push_str(&format!("{DIM:#}"));
        let bars = &self.bars;
        let bar = self
            .runs
            .entry(index)
            .or_insert_with(|| styled(bars.add(ProgressBar::new_spinner()), "{wide_msg}"));
        bar.set_message(text);
    }

    /// What a job does now.
    pub fn job(&mut self, index: usize, instance: &InstanceId, message: String) {
        let key = (index, instance.clone());
        if !self.jobs.contains_key(&key) {
            let new = ProgressBar::new_spinner();
            // Below the others of its run.
            let mut of_run = self.jobs.iter().filter(|((run, _), _)| *run == index);
            let above = of_run.next_back().map(|(_, bar)| bar);
            let bar = match above.or_else(|| self.runs.get(&index)) {
                Some(above) => self.bars.insert_after(above, new),
                None => self.bars.add(new),
            };
            self.jobs.insert(key.clone(), styled(bar, "  {spinner} {wide_msg} {elapsed:>4}"));
        }
        if let Some(bar) = self.jobs.get(&key) {
            bar.set_message(message);
        }
    }

    pub fn ended(&mut self, index: usize, instance: &InstanceId) {
        if let Some(bar) = self.jobs.remove(&(index, instance.clone())) {
            bar.finish_and_clear();
        }
    }

    pub fn tick(&self) {
        self.runs.values().chain(self.jobs.values()).for_each(ProgressBar::tick);
    }

    /// Takes the tree away, so that a question can stand there.
    pub fn hide(&self) {
        // What is hidden without this stays on the terminal as it was. An error: there is no terminal.
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    pub fn show(&self) {
        self.bars.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// Prints above the tree.
    pub fn above(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    // The templates are constants, and have the form that is asked for.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
