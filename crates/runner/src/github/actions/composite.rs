use sluice_model::Conclusion;
use sluice_plan::Step;

use super::super::contexts::overlay;
use super::super::posts::{Post, PostWork};
use super::super::scope::{Caller, Effects, Finished, Scope};
use super::super::steps::{Prepared, Steps};
use super::inputs::Inputs;
use super::{DEPTH_LIMIT, Loaded};

/// A composite action: its steps, in a scope of their own. Its outputs are set however it ends.
pub(super) async fn run(
    steps: &Steps<'_>,
    scope: &Scope,
    prepared: &Prepared<'_>,
    action: &Loaded,
    nested: &[Step],
    inputs: &Inputs,
) -> Result<Finished, String> {
    if prepared.depth >= DEPTH_LIMIT {
        return Err(format!("Composite action depth exceeded max depth {DEPTH_LIMIT}"));
    }
    // Those that a downloaded action names are here already; those that the workspace's own names are not.
    steps.remote.download_all(prepared.index, nested, prepared.depth + 1).await?;
    let mut inner = enter(scope, prepared, action, inputs);
    steps.run_all(&mut inner, nested).await;
    inner.contexts.set_env(&inner.env);
    let mut outputs = Vec::new();
    for output in &action.manifest.outputs {
        let value = inner.contexts.text(&output.value);
        let value = value.map_err(|error| format!("the output `{}`: {error}", output.name))?;
        overlay(&mut outputs, [(output.name.clone(), value)]);
    }
    let outcome = inner.contexts.action_status.unwrap_or(Conclusion::Success);
    let Effects { env, paths, posts, .. } = inner.did;
    let posts = match posts.is_empty() {
        true => Vec::new(),
        // One step of the job undoes all that the action's steps did.
        false => vec![Post::always(prepared, PostWork::Composite(posts))],
    };
    Ok(Finished::of(outcome, Effects { outputs, env, paths, posts }))
}

pub(in super::super) fn enter(
    scope: &Scope,
    prepared: &Prepared<'_>,
    action: &Loaded,
    inputs: &Inputs,
) -> Scope {
    let mut contexts = prepared.contexts.of_action(inputs);
    contexts.put("github", "action_path", action.folder.as_str().into());
    let caller = Caller {
        log_index: prepared.index,
        key: prepared.key.clone(),
        cancel: prepared.limits.cancel.clone(),
        until: prepared.until,
        depth: prepared.depth + 1,
        env: prepared.own_env.clone(),
    };
    Scope {
        env: contexts.env_pairs(),
        contexts,
        paths: scope.paths.clone(),
        did: Effects::default(),
        caller: Some(caller),
        background: None,
    }
}
