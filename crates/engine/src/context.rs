use std::borrow::Cow;

use sluice_expression::{Context, Scope, StatusFunction};
use sluice_plan::{Expression, GithubFacts, Late, Template, Value};

use crate::state::Chain;
use crate::{Create, JobState, Run, RunStatus};

/// What an expression of a job may see: `github`, `needs`, `vars`, `inputs`, and what its place adds. Values are made
/// when they are asked for, for most jobs ask for none.
pub(crate) struct Contexts<'a> {
    run: &'a Run,
    /// None: the workflow's own, which has no needs.
    job: Option<usize>,
    /// For `if:` only: whether the run counts as cancelled.
    status: Option<bool>,
    combination: Option<(Place, &'a Value)>,
}

/// Where an instance stands in its job's strategy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) fail_fast: bool,
    pub(crate) max_parallel: Option<u32>,
    pub(crate) index: usize,
    pub(crate) total: usize,
}

impl<'a> Contexts<'a> {
    /// For `if:` of a job: the status functions too.
    pub(crate) fn of_condition(run: &'a Run, job: usize, cancelled: bool) -> Self {
        Self { status: Some(cancelled), ..Self::of_job(run, job) }
    }

    /// For a job's matrix.
    pub(crate) fn of_job(run: &'a Run, job: usize) -> Self {
        Self { run, job: Some(job), status: None, combination: None }
    }

    /// For what the workflow decides before any job.
    pub(crate) fn of_run(run: &'a Run) -> Self {
        Self { run, job: None, status: None, combination: None }
    }

    /// For what a job decides for each combination: `strategy` and `matrix` too.
    pub(crate) fn with_combination(self, place: Place, matrix: &'a Value) -> Self {
        Self { combination: Some((place, matrix)), ..self }
    }

    pub(crate) fn value(&self, expression: &Expression) -> Result<Value, String> {
        expression.evaluate(self).map_err(|error| error.to_string())
    }

    pub(crate) fn text(&self, template: &Template) -> Result<String, String> {
        template.evaluate_text(self).map_err(|error| error.to_string())
    }

    pub(crate) fn late<T: Clone>(
        &self,
        late: &Late<T>,
        read: impl FnOnce(&Value) -> Option<T>,
        expected: &str,
    ) -> Result<T, String> {
        match late {
            Late::Known(value) => Ok(value.clone()),
            Late::Expression(expression) => {
                let value = self.value(expression)?;
                read(&value).ok_or_else(|| {
                    format!("`{}` gives {}, but {expected} is expected", expression.source(), value.kind())
                })
            }
        }
    }
}

impl Context for Contexts<'_> {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>> {
        let create = &self.run.fixed.create;
        Some(match (name.to_ascii_lowercase().as_str(), self.combination) {
            ("github", _) => Cow::Borrowed(self.run.github.as_ref()),
            ("needs", _) => Cow::Owned(needs_context(self.run, self.job?)),
            ("vars", _) => Cow::Owned(vars_context(create)),
            ("inputs", _) => Cow::Borrowed(&create.inputs),
            ("strategy", Some((place, _))) => Cow::Owned(strategy_context(place)),
            ("matrix", Some((_, matrix))) => Cow::Borrowed(matrix),
            _ => return None,
        })
    }

    fn status(&self, function: StatusFunction, jobs: &[String]) -> Option<bool> {
        let cancelled = self.status?;
        let chain = self.run.chain_of_needs(self.job?);
        let chain_of = |job: &String| chain_of(self.run, job);
        Some(match function {
            StatusFunction::Always => true,
            StatusFunction::Cancelled => cancelled,
            StatusFunction::Success if cancelled => false,
            StatusFunction::Success if jobs.is_empty() => chain.all_succeeded,
            StatusFunction::Success => {
                jobs.iter().all(|job| chain_of(job).is_some_and(|chain| chain.all_succeeded))
            }
            StatusFunction::Failure if jobs.is_empty() => chain.any_failed,
            StatusFunction::Failure => {
                jobs.iter().any(|job| chain_of(job).is_some_and(|chain| chain.any_failed))
            }
        })
    }
}

fn chain_of(run: &Run, job: &str) -> Option<Chain> {
    let index = run.plan().jobs.iter().position(|known| known.id.as_str().eq_ignore_ascii_case(job))?;
    match run.jobs[index].state {
        JobState::Ended { chain, .. } => Some(chain),
        JobState::Waiting | JobState::Active { .. } => None,
    }
}

impl Run {
    pub(crate) fn is_cancelling(&self) -> bool {
        matches!(self.status, RunStatus::Cancelling { .. })
    }
}

/// `needs.<job>.result` and `.outputs`, of the jobs that this one needs directly.
fn needs_context(run: &Run, job: usize) -> Value {
    let needs = run.fixed.graph.needs(job).iter().filter_map(|&need| match &run.jobs[need].state {
        JobState::Ended { conclusion, outputs, .. } => {
            let outputs = outputs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            Some((
                run.plan().jobs[need].id.to_string(),
                Value::Object(vec![
                    ("result".to_owned(), Value::from(conclusion.as_str())),
                    ("outputs".to_owned(), Value::Object(outputs.collect())),
                ]),
            ))
        }
        JobState::Waiting | JobState::Active { .. } => None,
    });
    Value::Object(needs.collect())
}

fn vars_context(create: &Create) -> Value {
    Value::Object(create.vars.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect())
}

/// `strategy.*` as GitHub has it for an instance.
pub(crate) fn strategy_context(place: Place) -> Value {
    let Place { fail_fast, max_parallel, index, total } = place;
    let number = |n: usize| Value::Number(n as f64);
    Value::Object(vec![
        ("fail-fast".to_owned(), Value::Bool(fail_fast)),
        ("job-index".to_owned(), number(index)),
        ("job-total".to_owned(), number(total)),
        ("max-parallel".to_owned(), number(max_parallel.map_or(total, |most| most as usize))),
    ])
}

/// The `github` context of a job's conditions.
pub(crate) fn github_context(create: &Create, attempt: u32) -> Value {
    let Create { run, number, plan, trigger, inputs: _, vars: _, server_url, pipeline: _ } = create;
    let (workflow, file) = (&plan.workflow, &plan.file);
    let facts = GithubFacts { trigger, run: *run, number: *number, attempt, workflow, file, server_url };
    let payload = Value::from_json(&trigger.payload).unwrap_or_else(|_| Value::Object(Vec::new()));
    let members = facts.members().into_iter().chain([("event", payload)]);
    Value::Object(members.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// What people see the run called. An expression that has no value leaves `run-name:` as it is written.
pub(crate) fn run_title(create: &Create) -> String {
    let fallback = || match create.trigger.subject.as_str() {
        "" => create.plan.workflow.clone(),
        subject => subject.to_owned(),
    };
    let Some(name) = &create.plan.run_name else { return fallback() };
    let scope = Scope::new([
        ("github".to_owned(), github_context(create, 1)),
        ("inputs".to_owned(), create.inputs.clone()),
        ("vars".to_owned(), vars_context(create)),
    ]);
    match name.evaluate_text(&scope) {
        Ok(text) if text.trim().is_empty() => fallback(),
        Ok(text) => text,
        Err(_) => name.source().to_owned(),
    }
}
