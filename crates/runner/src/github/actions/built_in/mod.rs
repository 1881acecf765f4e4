//! The actions that this runner does itself: same inputs and outputs as the services' own, and no Node.

mod cache;
mod checkout;
mod download;
mod inputs;
mod merge;
mod upload;

use sluice_plan::{ActionReference, UsesAction};

use super::super::posts::PostWork;
use super::super::steps::{Prepared, Steps};
use super::Done;
pub(in super::super) use cache::save_cache;
use inputs::Inputs;

/// `owner/name` or `owner/name/path`, without the ref.
pub fn name_of(action: &ActionReference) -> Option<String> {
    match action {
        ActionReference::Repository { owner, name, path, .. } if path.is_empty() => {
            Some(format!("{owner}/{name}"))
        }
        ActionReference::Repository { owner, name, path, .. } => Some(format!("{owner}/{name}/{path}")),
        ActionReference::Local { .. } | ActionReference::Docker { .. } => None,
    }
}

pub fn is_built_in(action: &ActionReference) -> bool {
    name_of(action).is_some_and(|name| inputs::of(&name).is_some())
}

/// An input that the step gives and that is not built here, in words, and those that are.
pub fn refused_input(uses: &UsesAction) -> Option<(String, String)> {
    let known = inputs::of(&name_of(&uses.action)?)?;
    let refused = uses.with.iter().find(|given| known.refuses(&given.name))?;
    let message = format!("the input `{}` of `{}` is not supported yet", refused.name, uses.action);
    Some((message, format!("supported are: {}", known.taken.join(", "))))
}

/// Does a built-in action. An error is what the log says of its failure.
pub(super) async fn act(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    name: &str,
    with: &[(String, String)],
) -> Result<Done, String> {
    let inputs = Inputs::of(prepared.step, with);
    if let Some(warning) = inputs.unexpected(name) {
        steps.warn(prepared.index, &warning).await;
    }
    let mut post = None;
    let outputs = match name.to_ascii_lowercase().as_str() {
        "actions/checkout" => checkout::check_out(steps, prepared, &inputs).await,
        "actions/upload-artifact" => upload::upload(steps, prepared, &inputs).await,
        "actions/upload-artifact/merge" => merge::merge(steps, prepared, &inputs).await,
        "actions/download-artifact" => download::download(steps, prepared, &inputs).await,
        "actions/cache" => {
            let (outputs, hit) = cache::restore(steps, prepared, &inputs).await?;
            if !hit {
                let (key, path) = (inputs.required("key")?.to_owned(), inputs.required("path")?.to_owned());
                post = Some(PostWork::SaveCache { key, path });
            }
            Ok(outputs)
        }
        "actions/cache/restore" => Ok(cache::restore(steps, prepared, &inputs).await?.0),
        "actions/cache/save" => {
            let (key, path) = (inputs.required("key")?, inputs.required("path")?);
            if let Err(problem) = save_cache(steps, prepared.index, key, path).await {
                steps.warn(prepared.index, &problem).await;
            }
            Ok(Vec::new())
        }
        _ => Err(format!("the action `{name}` is not built in")),
    }?;
    Ok(Done { outputs, post })
}

type Outputs = Vec<(String, String)>;

async fn is_missing(steps: &Steps<'_>, path: &str) -> bool {
    // A folder cannot be read, which is another answer.
    matches!(steps.place.session.read(path, 0).await, Ok(None))
}

impl Steps<'_> {
    /// The lines of a `path` input as absolute paths.
    fn paths(&self, lines: &str) -> Vec<String> {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        let absolute = |line: &str| match line.strip_prefix('!') {
            Some(taken_out) => format!("!{}", self.home_or_workspace(taken_out.trim())),
            None => self.home_or_workspace(line),
        };
        lines.map(absolute).collect()
    }

    /// `~` is the user's home, anything else is below the workspace.
    fn home_or_workspace(&self, path: &str) -> String {
        match path.strip_prefix('~') {
            Some(below) => format!("{}{below}", self.place.user.home),
            None => self.place.layout.workspace.resolve(path),
        }
    }
}
