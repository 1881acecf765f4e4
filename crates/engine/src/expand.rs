use sluice_plan::{Dialect, GateKind, Job, MAX_COMBINATIONS, Value, Work};

use crate::concurrency::planned;
use crate::context::{Contexts, Place};
use crate::name::display_name;
use crate::{InstancePlan, PlannedGate, Run};

/// A job that is about to start, with everything decided that its instances need.
pub(crate) struct Start {
    pub(crate) instances: Vec<InstancePlan>,
    pub(crate) fail_fast: bool,
    pub(crate) max_parallel: Option<u32>,
}

/// Decides a job's strategy, and of each combination its name, gate and `continue-on-error`.
pub(crate) fn expand(run: &Run, job: usize) -> Result<Start, String> {
    let plan = &run.plan().jobs[job];
    let contexts = Contexts::of_job(run, job);
    let mut matrices = None;
    // GitHub's default; CircleCI's parallel instances all run to their end.
    let mut fail_fast = run.plan().dialect == Dialect::Github;
    let mut max_parallel = None;
    if let Some(strategy) = &plan.strategy {
        fail_fast = contexts
            .late(&strategy.fail_fast, as_bool, "a boolean")
            .map_err(|error| format!("`strategy.fail-fast` has no value: {error}"))?;
        max_parallel = strategy
            .max_parallel
            .as_ref()
            .map(|late| contexts.late(late, as_count, "a whole number above 0"))
            .transpose()
            .map_err(|error| format!("`strategy.max-parallel` has no value: {error}"))?;
        matrices = strategy
            .matrix
            .as_ref()
            .map(|matrix| matrix.combinations(&contexts))
            .transpose()
            .map_err(|error| format!("`strategy.matrix`: {error}"))?;
    }
    let matrices = match matrices {
        Some(matrices) => matrices,
        None => vec![Value::Object(Vec::new()); parallelism(plan)?],
    };
    let total = matrices.len();
    let instances = matrices.into_iter().enumerate().map(|(index, matrix)| {
        let place = Place { fail_fast, max_parallel, index, total };
        instance(run, job, plan, place, matrix)
    });
    Ok(Start { instances: instances.collect::<Result<_, _>>()?, fail_fast, max_parallel })
}

fn instance(run: &Run, job: usize, plan: &Job, place: Place, matrix: Value) -> Result<InstancePlan, String> {
    let contexts = Contexts::of_job(run, job).with_combination(place, &matrix);
    let name =
        display_name(plan, &matrix, &contexts).map_err(|error| format!("`name` has no value: {error}"))?;
    let continue_on_error = match &plan.continue_on_error {
        Some(late) => contexts
            .late(late, |value| Some(value.is_truthy()), "a boolean")
            .map_err(|error| format!("`continue-on-error` has no value: {error}"))?,
        None => false,
    };
    let gate = match (&plan.gate, &plan.work) {
        (Some(gate), _) => {
            let name =
                contexts.text(&gate.name).map_err(|error| format!("`environment` has no value: {error}"))?;
            // An empty environment name is none, as GitHub has it.
            (!name.is_empty()).then_some(PlannedGate { name, kind: gate.kind })
        }
        (None, Work::Approval) => {
            Some(PlannedGate { name: plan.id.as_str().to_owned(), kind: GateKind::Approval })
        }
        (None, Work::Steps(_) | Work::Nothing | Work::Call(_) | Work::Refused(_)) => None,
    };
    let group =
        plan.concurrency.as_ref().map(|concurrency| planned(run, concurrency, &contexts)).transpose()?;
    Ok(InstancePlan { name, matrix, continue_on_error, gate, group })
}

fn parallelism(plan: &Job) -> Result<usize, String> {
    let asked = match &plan.work {
        Work::Steps(steps) => steps.parallelism.max(1) as usize,
        Work::Approval | Work::Nothing | Work::Call(_) | Work::Refused(_) => 1,
    };
    if asked > MAX_COMBINATIONS {
        return Err(format!("`parallelism` is {asked}; at most {MAX_COMBINATIONS} is taken"));
    }
    Ok(asked)
}

pub(crate) fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

pub(crate) fn as_count(value: &Value) -> Option<u32> {
    let number = match value {
        Value::Number(number) => *number,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}
