//! A call whose matrix is decided while the run goes on: the called workflow's jobs get the matrix, each for itself.
//!
//! That is the same as a call for each combination where none of these jobs waits for another one, for then nothing holds a
//! combination together.

use sluice_expression::{Expression, Node, Template, Value};
use sluice_plan::{Job, JobCondition, Late};

use crate::combinations::Caller;
use crate::inline::{self, Inlined, literal};
use crate::objects::object;
use crate::rewrite::{self, Stuck};
use crate::workflow::{CallBody, Workflow, WorkflowJob};

/// The jobs of what `job` calls with its matrix; `by` is the context that decides it.
pub(crate) fn call(
    job: &WorkflowJob,
    body: &CallBody,
    called: &Workflow,
    known: &[(String, Node)],
    by: String,
) -> Result<Inlined, Stuck> {
    let stuck = |why: &'static str| Err(Stuck::LateMatrix { by: by.clone(), why });
    let Some(strategy) = &job.strategy else { return stuck("there is none") };
    if job.concurrency.is_some() || called.concurrency.is_some() {
        return stuck("and a concurrency group for each of its combinations");
    }
    let caller = Caller {
        id: job.id.clone(),
        name: name(job)?,
        needs: &job.needs,
        condition: &job.condition,
        concurrency: None,
        with: body.with.clone(),
        secrets: body.secrets.clone(),
        combination: None,
    };
    let Inlined { mut jobs, calls, group } = inline::one(&caller, called, known, &without_matrix)?;
    if !calls.is_empty() {
        return stuck("and calls within it that have a matrix or a concurrency group");
    }
    let needs_own = |inner: &Job| inner.needs.iter().any(|need| group.jobs.contains(&need.job));
    if jobs.iter().any(needs_own) {
        return stuck("and jobs that need each other in what it calls");
    }
    let goes_by_job = strategy.max_parallel.is_none() && strategy.fail_fast == Late::Known(false);
    if jobs.len() > 1 && !goes_by_job {
        return stuck(
            "and several jobs in what it calls, unless `fail-fast: false` and no `max-parallel` let each go its own way",
        );
    }
    for inner in &mut jobs {
        if inner.strategy.is_some() {
            return stuck("and a matrix in what it calls");
        }
        if names_combination(&inner.condition) {
            return stuck("and an `if` in what it calls that asks for a value of it");
        }
        inner.strategy = Some(strategy.clone());
    }
    Ok(Inlined { jobs, calls, group })
}

/// As GitHub shows it: the values stand behind a name that has no expression in it.
fn name(job: &WorkflowJob) -> Result<Template, Stuck> {
    let own = job.name.clone().unwrap_or_else(|| Template::literal(job.id.as_str()));
    match own.as_literal() {
        Some(name) => Ok(Template::parse(&format!("{name} (${{{{ join(matrix.*, ', ') }}}})"))?),
        None => Ok(own),
    }
}

/// What the called workflow sees of `matrix` and `strategy`: those of its own jobs, which have none.
fn without_matrix(expression: &Expression) -> Result<Expression, Stuck> {
    let one = [
        ("fail-fast", Value::Bool(true)),
        ("job-index", Value::Number(0.0)),
        ("job-total", Value::Number(1.0)),
        ("max-parallel", Value::Number(1.0)),
    ];
    let replacement = |node: &Node| match node.path()?.as_slice() {
        [context, ..] if context == "matrix" => Some(literal(Value::Null)),
        [context] if context == "strategy" => {
            Some(object(one.iter().map(|(name, value)| (*name, literal(value.clone())))))
        }
        [context, key] if context == "strategy" && key != "*" => {
            let known = one.iter().find(|(name, _)| name == key);
            Some(literal(known.map_or(Value::Null, |(_, value)| value.clone())))
        }
        _ => None,
    };
    let node = rewrite::replaced(expression.tree(), 0, &replacement)?;
    if node == *expression.tree() {
        Ok(expression.clone())
    } else {
        Ok(Expression::parse(&node.to_string())?)
    }
}

fn names_combination(condition: &JobCondition) -> bool {
    let JobCondition::Expression(expression) = condition else { return false };
    let is_of =
        |path: &[String]| path.first().is_some_and(|context| context == "matrix" || context == "strategy");
    expression.tree().paths().iter().any(|(path, _)| is_of(path))
}
