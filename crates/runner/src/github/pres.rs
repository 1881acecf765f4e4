use sluice_dialect_github::{ActionRuns, Staged};
use sluice_plan::{Action, Step, StepCondition, UsesAction};

use super::actions::{self, Loaded, Stage};
use super::scope::{Finished, Scope};
use super::steps::{Prepared, Steps, name_of};

/// What the actions of other repositories do before the job's first step, each as a step of its own after the job's.
/// Gives the first number that is free after them.
pub(super) async fn run_all(steps: &Steps<'_>, scope: &mut Scope, own: &[(u32, &Step)]) -> u32 {
    let mut next = own.last().map_or(1, |(last, _)| last + 1);
    for &(position, step) in own {
        steps.hear_cancel(scope);
        for finished in run(steps, scope, position, step, &mut next).await {
            scope.settle_post(finished);
        }
    }
    next
}

/// Those of one step: its action's own, or those of the actions that a composite action names.
async fn run(steps: &Steps<'_>, scope: &Scope, position: u32, step: &Step, next: &mut u32) -> Vec<Finished> {
    let Action::Uses(uses) = &step.action else { return Vec::new() };
    let Some(loaded) = steps.remote.get(&uses.action) else { return Vec::new() };
    if !has_pre(steps, &loaded) {
        return Vec::new();
    }
    let index = *next;
    // The step's own `if` is about its main part.
    let condition = match pre_of(&loaded) {
        Some(pre) => pre.condition.clone(),
        None => StepCondition::Always,
    };
    let step = Step { condition, ..step.clone() };
    let prepared = match steps.prepare_at(scope, index, position, &step) {
        Ok(Some(prepared)) => prepared,
        Ok(None) => return Vec::new(),
        Err(problem) => return vec![fail(steps, next, uses, &problem).await],
    };
    if let ActionRuns::Composite(nested) = &loaded.manifest.runs {
        let inputs = match actions::inputs_of(steps, &prepared, uses, &loaded).await {
            Ok(inputs) => inputs,
            Err(problem) => return vec![fail(steps, next, uses, &problem).await],
        };
        let inner = actions::enter(scope, &prepared, &loaded, &inputs);
        let mut all = Vec::new();
        for (position, step) in (1..).zip(nested) {
            all.extend(Box::pin(run(steps, &inner, position, step, next)).await);
        }
        return all;
    }
    *next += 1;
    let name = format!("Pre {}", name_of(&prepared.contexts, &step));
    steps.job.log.step_started(index, &name).await;
    let finished = match act(steps, &prepared, uses, &loaded).await {
        Ok(finished) => finished,
        Err(problem) => {
            steps.fail(index, &problem).await;
            Finished::failed()
        }
    };
    steps.job.log.step_finished(index, finished.outcome, finished.conclusion, finished.exit_code).await;
    vec![finished]
}

async fn act(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    uses: &UsesAction,
    loaded: &Loaded,
) -> Result<Finished, String> {
    let inputs = actions::inputs_of(steps, prepared, uses, loaded).await?;
    let stage = Stage::of(prepared, loaded, inputs)?;
    let (Some(stage), Some(pre)) = (stage, pre_of(loaded)) else {
        return Err(format!("`{}` has nothing to start", uses.action));
    };
    let post = stage.post(steps, prepared, loaded);
    let mut finished = stage.with_entry(pre).run(steps, prepared).await?;
    finished.effects.posts.extend(post);
    Ok(finished)
}

async fn fail(steps: &Steps<'_>, next: &mut u32, uses: &UsesAction, problem: &str) -> Finished {
    let index = *next;
    *next += 1;
    steps.job.log.step_started(index, &format!("Pre Run {}", uses.action)).await;
    steps.fail(index, problem).await;
    let finished = Finished::failed();
    steps.job.log.step_finished(index, finished.outcome, finished.conclusion, None).await;
    finished
}

fn pre_of(loaded: &Loaded) -> Option<&Staged> {
    match &loaded.manifest.runs {
        ActionRuns::Composite(_) => None,
        ActionRuns::Node(node) => node.pre.as_ref(),
        ActionRuns::Docker(docker) => docker.pre.as_ref(),
    }
}

fn has_pre(steps: &Steps<'_>, loaded: &Loaded) -> bool {
    let nested = |step: &Step| match &step.action {
        Action::Uses(uses) => steps.remote.get(&uses.action).is_some_and(|loaded| has_pre(steps, &loaded)),
        _ => false,
    };
    pre_of(loaded).is_some() || loaded.manifest.steps().iter().any(nested)
}
