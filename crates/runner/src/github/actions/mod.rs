//! What `uses:` of a step names: built in, in the workspace, of another repository, or an image.

mod built_in;
mod composite;
mod docker;
mod inputs;
mod loaded;
mod node;
mod stage;
mod words;

use sluice_dialect_github::ActionRuns;
use sluice_model::Conclusion;
use sluice_plan::{Action, ActionReference, Step, UsesAction};

use built_in::name_of;
pub(super) use built_in::save_cache;
pub use built_in::{is_built_in, refused_input};
pub(super) use composite::enter;
pub(super) use docker::DockerStage;
pub(super) use inputs::of_action as inputs_of;
pub(super) use loaded::{DOCKERFILES, Loaded, MANIFESTS, of_image, parse as parse_manifest};
pub(super) use node::{Node, NodeStage};
pub(super) use stage::Stage;

use super::posts::{Post, PostWork};
use super::scope::{Effects, Finished, Scope};
use super::steps::{Prepared, Steps};

/// So many actions may call each other (`CompositeActionsMaxDepth` of actions/runner).
pub(super) const DEPTH_LIMIT: usize = 10;

/// Whether any of these steps uses an action that may call GitHub's runtime APIs: all but the built-in ones.
pub fn uses_toolkits(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Uses(uses) => !is_built_in(&uses.action),
        Action::Parallel { steps } => uses_toolkits(steps),
        _ => false,
    })
}

/// What a built-in action did.
struct Done {
    outputs: Vec<(String, String)>,
    post: Option<PostWork>,
}

/// A `uses` step. An error is what the log says of its failure.
pub(super) async fn act(
    steps: &Steps<'_>,
    scope: &Scope,
    prepared: &Prepared<'_>,
    uses: &UsesAction,
) -> Result<Finished, String> {
    if is_built_in(&uses.action) {
        // A job's own steps were asked before the run; those of an action are only known now.
        if let Some((message, supported)) = refused_input(uses) {
            return Err(format!("{message}; {supported}"));
        }
        let name = name_of(&uses.action).unwrap_or_default();
        let done = built_in::act(steps, prepared, &name, &inputs::given(prepared, uses)?).await?;
        let posts = done.post.map(|work| Post::success_only(prepared, work)).into_iter().collect();
        let effects = Effects { outputs: done.outputs, posts, ..Default::default() };
        return Ok(Finished::of(Conclusion::Success, effects));
    }
    let loaded = loaded::load(steps, &uses.action).await?;
    if let ActionReference::Local { path } = &uses.action
        && loaded.manifest.has_pre()
    {
        let warning = format!("`pre` execution is not supported for local action from '{path}'");
        steps.warn(prepared.index, &warning).await;
    }
    let inputs = inputs::of_action(steps, prepared, uses, &loaded).await?;
    steps.job.log.say(prepared.index, inputs::header(prepared, uses, &inputs)).await;
    if let ActionRuns::Composite(nested) = &loaded.manifest.runs {
        return composite::run(steps, scope, prepared, &loaded, nested, &inputs).await;
    }
    let stage = Stage::of(prepared, &loaded, inputs)?;
    let Some(stage) = stage else { return Err(format!("`{}` has nothing to start", uses.action)) };
    // It is left however the action ends.
    let post = stage.post(steps, prepared, &loaded);
    let mut finished = match stage.run(steps, prepared).await {
        Ok(finished) => finished,
        Err(problem) => {
            steps.fail(prepared.index, &problem).await;
            Finished::failed()
        }
    };
    finished.effects.posts.extend(post);
    Ok(finished)
}
