//! What `uses:` of a step names: built in, in the workspace, of another repository, or an image.

mod built_in;
mod composite;
mod inputs;
mod loaded;
mod node;

use sluice_dialect_github::ActionRuns;
use sluice_model::Conclusion;
use sluice_plan::{Action, ActionReference, Step, UsesAction};

pub(super) use built_in::save_cache;
pub use built_in::{BUILT_IN, is_built_in, name_of};
pub(super) use loaded::Loaded;
pub(super) use node::NodeStage;

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
        let name = name_of(&uses.action).unwrap_or_default();
        let done = built_in::act(steps, prepared, &name, &inputs::given(prepared, uses)?).await?;
        let posts = done.post.map(|work| Post::success_only(prepared, work)).into_iter().collect();
        let effects = Effects { outputs: done.outputs, posts, ..Default::default() };
        return Ok(Finished::of(Conclusion::Success, effects));
    }
    let loaded = loaded::load(steps, prepared, &uses.action).await?;
    if let ActionReference::Local { path } = &uses.action
        && loaded.manifest.has_pre()
    {
        let warning = format!("`pre` execution is not supported for local action from '{path}'");
        steps.warn(prepared.index, &warning).await;
    }
    let inputs = inputs::of_action(steps, prepared, uses, &loaded.manifest).await?;
    steps.job.log.say(prepared.index, inputs::header(prepared, uses, &inputs)).await;
    match &loaded.manifest.runs {
        ActionRuns::Composite(nested) => {
            composite::run(steps, scope, prepared, &loaded, nested, &inputs).await
        }
        ActionRuns::Node(node) => node::run(steps, prepared, &loaded, node, inputs).await,
        ActionRuns::Docker(_) => Err(format!("`{}` is a Docker action, which is not built yet", uses.action)),
    }
}
