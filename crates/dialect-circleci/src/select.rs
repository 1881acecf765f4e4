use std::collections::HashMap;

use sluice_model::{Event, Trigger};
use sluice_plan::Plan;
use sluice_source::{Diagnostic, Location};

use crate::config::{Config, Workflow};

/// What becomes of one workflow for one trigger.
#[derive(Debug)]
pub struct Selection {
    pub workflow: String,
    pub at: Location,
    pub outcome: Outcome,
    /// Jobs that the trigger leaves out.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug)]
pub enum Outcome {
    Runs(Box<Plan>),
    /// Why it does not run, in words.
    DoesNotRun(String),
    /// It would run, and asks for something that Sluice has not.
    Refused(Vec<Diagnostic>),
}

/// A job that does not run, with the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub job: String,
    pub at: Location,
    pub reason: String,
}

impl Config {
    /// What of each workflow runs for a trigger, in the file's order.
    ///
    /// The config must have been read for the same trigger ([`crate::PipelineValues::of_trigger`]), for `when` and
    /// `<< pipeline.… >>` are decided by then.
    pub fn select(&self, trigger: &Trigger) -> Vec<Selection> {
        self.workflows.iter().map(|workflow| self.select_workflow(workflow, trigger)).collect()
    }

    fn select_workflow(&self, workflow: &Workflow, trigger: &Trigger) -> Selection {
        let selection = |outcome, left_out| Selection {
            workflow: workflow.name.clone(),
            at: workflow.at.clone(),
            outcome,
            left_out,
        };
        if let Some(reason) = &workflow.off {
            return selection(Outcome::DoesNotRun(reason.clone()), Vec::new());
        }
        if let Some(reason) = workflow.wrong_event(trigger) {
            return selection(Outcome::DoesNotRun(reason), Vec::new());
        }
        let left_out = workflow.left_out(trigger);
        if left_out.len() == workflow.jobs.len() {
            let reason = match left_out.as_slice() {
                [] => "it has no jobs".to_owned(),
                [one] => format!("its only job `{}` is left out: {}", one.job, one.reason),
                all => format!("all of its {} jobs are left out", all.len()),
            };
            return selection(Outcome::DoesNotRun(reason), left_out);
        }
        let outcome = match self.plan(workflow, &left_out) {
            Ok(plan) => Outcome::Runs(Box::new(plan)),
            Err(diagnostics) => Outcome::Refused(diagnostics),
        };
        selection(outcome, left_out)
    }
}

impl Workflow {
    /// Why this kind of trigger does not start the workflow.
    fn wrong_event(&self, trigger: &Trigger) -> Option<String> {
        match trigger.event {
            Event::Schedule if self.schedules.is_empty() => {
                Some("it runs on pushes: it has no `triggers: - schedule`".to_owned())
            }
            Event::Schedule => {
                let branch = trigger.source_branch().unwrap_or_default();
                let reasons: Vec<String> = self
                    .schedules
                    .iter()
                    .map(|schedule| schedule.branches.excludes_schedule(branch))
                    .collect::<Option<_>>()?;
                Some(reasons.join("; "))
            }
            Event::Push | Event::WorkflowDispatch | Event::RepositoryDispatch => {
                let schedule = self.schedules.first()?;
                Some(format!("it runs by the clock: `cron: {}`", schedule.cron))
            }
            other => Some(format!("CircleCI runs workflows on pushes, not on `{}`", other.as_str())),
        }
    }

    /// Jobs that filters leave out, and jobs all of whose requirements are left out.
    fn left_out(&self, trigger: &Trigger) -> Vec<LeftOut> {
        let (branch, tag) = (trigger.source_branch(), trigger.tag());
        let mut reasons: HashMap<&str, String> = HashMap::new();
        for job in &self.jobs {
            if let Some(reason) = job.filters.excludes(branch, tag) {
                reasons.insert(&job.name, reason);
            }
        }
        loop {
            let before = reasons.len();
            for job in &self.jobs {
                let required: Vec<&str> = job.required_names().collect();
                let all_left_out =
                    !required.is_empty() && required.iter().all(|required| reasons.contains_key(required));
                if all_left_out && !reasons.contains_key(job.name.as_str()) {
                    let reason = match required.as_slice() {
                        [one] => format!("`{one}`, which it requires, is left out"),
                        all => format!("all jobs that it requires are left out: `{}`", all.join("`, `")),
                    };
                    reasons.insert(&job.name, reason);
                }
            }
            if reasons.len() == before {
                break;
            }
        }
        let in_order = self.jobs.iter().filter_map(|job| {
            let reason = reasons.get(job.name.as_str())?.clone();
            Some(LeftOut { job: job.name.clone(), at: job.at.clone(), reason })
        });
        in_order.collect()
    }
}
