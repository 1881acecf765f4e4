use sluice_expression::Expression;
use sluice_model::Conclusion;
use sluice_plan::{Step, StepCondition};

use super::actions::{self, Stage};
use super::contexts::overlay;
use super::scope::{Effects, Finished, Scope};
use super::steps::{Prepared, Steps, name_of};
use super::{Contexts, environment};

/// What an action left to do after the job's last step.
pub(super) struct Post {
    name: String,
    condition: StepCondition,
    /// The step that left it, and its key.
    step: Step,
    key: String,
    /// What `env` of the step, and of the steps that call its action, says.
    env: Vec<(String, String)>,
    /// The contexts of the action that the step is in. None: it is the job's own.
    within: Option<Contexts>,
    work: PostWork,
}

pub(super) enum PostWork {
    SaveCache {
        key: String,
        path: String,
    },
    Stage(Stage),
    /// What the steps of a composite action left, in the order in which they did.
    Composite(Vec<Post>),
}

impl Post {
    pub fn new(prepared: &Prepared<'_>, condition: StepCondition, work: PostWork) -> Self {
        Self {
            name: format!("Post {}", name_of(&prepared.contexts, prepared.step)),
            condition,
            step: prepared.step.clone(),
            key: prepared.key.clone(),
            env: prepared.own_env.clone(),
            within: (prepared.depth > 0).then(|| prepared.contexts.clone()),
            work,
        }
    }

    pub fn always(prepared: &Prepared<'_>, work: PostWork) -> Self {
        Self::new(prepared, StepCondition::Always, work)
    }

    /// What is not worth doing for a job that failed.
    pub fn success_only(prepared: &Prepared<'_>, work: PostWork) -> Self {
        Self::new(prepared, StepCondition::OnSuccess, work)
    }

    /// As a step of the job, or of the composite action's own post step.
    fn as_step(&self) -> Step {
        let condition = match &self.condition {
            // The job's own status decides, and a cancel ends it or not, as of any step.
            StepCondition::Always => Expression::parse("always()").map(StepCondition::Expression),
            StepCondition::OnSuccess => Expression::parse("success()").map(StepCondition::Expression),
            other => Ok(other.clone()),
        };
        let condition = condition.unwrap_or(StepCondition::Always);
        Step { condition, env: Vec::new(), ..self.step.clone() }
    }
}

/// What is left to do, the last first, each as a step of its own from `first` on. Gives the number of the next one.
pub(super) async fn run_all(steps: &Steps<'_>, scope: &mut Scope, first: u32) -> u32 {
    let posts = std::mem::take(&mut scope.did.posts);
    let mut next = first;
    for post in posts.into_iter().rev() {
        steps.hear_cancel(scope);
        let finished = run(steps, scope, next, &post, true).await;
        scope.settle_post(finished);
        next += 1;
    }
    next
}

/// One of them. Those within a composite action's are no steps of the job.
async fn run(steps: &Steps<'_>, scope: &Scope, index: u32, post: &Post, is_own: bool) -> Finished {
    let log = &steps.job.log;
    let step = post.as_step();
    let mut contexts = post.within.clone().unwrap_or_else(|| scope.contexts.clone());
    contexts.set_status(scope.contexts.status);
    contexts.action_status = None;
    environment::set_action(&mut contexts, &step, post.within.is_none());
    let mut env = scope.env.clone();
    overlay(&mut env, post.env.clone());
    contexts.set_env(&env);
    let prepared = steps.prepare_post(scope, contexts, index, &step, post.key.clone());
    if is_own {
        log.step_started(index, &post.name).await;
    }
    let ended = match &prepared {
        Ok(Some(prepared)) => act(steps, scope, prepared, post).await,
        Ok(None) => Ok(Finished::of(Conclusion::Skipped, Effects::default())),
        Err(problem) => Err(problem.clone()),
    };
    let finished = match ended {
        Ok(finished) => finished,
        Err(problem) => {
            steps.fail(index, &problem).await;
            Finished::failed()
        }
    };
    if is_own {
        log.step_finished(index, finished.outcome, finished.conclusion, finished.exit_code).await;
    }
    finished
}

async fn act(
    steps: &Steps<'_>,
    scope: &Scope,
    prepared: &Prepared<'_>,
    post: &Post,
) -> Result<Finished, String> {
    match &post.work {
        PostWork::SaveCache { key, path } => {
            // A cache that could not be kept is no reason to fail.
            if let Err(problem) = actions::save_cache(steps, prepared.index, key, path).await {
                steps.warn(prepared.index, &problem).await;
            }
            Ok(Finished::of(Conclusion::Success, Effects::default()))
        }
        PostWork::Stage(stage) => stage.run(steps, prepared).await,
        PostWork::Composite(posts) => {
            let mut all = Finished::of(Conclusion::Success, Effects::default());
            for nested in posts.iter().rev() {
                let finished = Box::pin(run(steps, scope, prepared.index, nested, false)).await;
                if matches!(finished.conclusion, Conclusion::Failure | Conclusion::Cancelled) {
                    (all.outcome, all.conclusion) = (finished.outcome, finished.conclusion);
                }
                all.effects.absorb(finished.effects);
            }
            Ok(all)
        }
    }
}
