use std::path::{Component, Path, PathBuf};

use sluice_model::CommitSha;
use sluice_plan::RemoteSource;

use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs};
use crate::action_store::ActionStore;
use crate::checkout::{Checkout, Existing, Other, Sparse, Submodules, checkout};

/// `actions/checkout`.
pub(super) async fn check_out(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let other = other(steps, inputs)?;
    // What is no number is all history (actions/checkout, `input-helper.ts`).
    let depth: u32 = inputs.get("fetch-depth").unwrap_or("1").parse().unwrap_or(0);
    let workspace = &steps.place.layout.workspace;
    let target = plain(&workspace.resolve(inputs.get("path").unwrap_or_default()));
    if !Path::new(&target).starts_with(plain(&workspace.inside)) {
        return Err(format!("Repository path '{target}' is not under '{}'", workspace.inside));
    }
    let submodules = match inputs.get("submodules").unwrap_or_default().to_ascii_lowercase().as_str() {
        "recursive" => Submodules::AllLevels,
        "true" => Submodules::OneLevel,
        _ => Submodules::None,
    };
    let patterns: Vec<String> = inputs.lines("sparse-checkout").into_iter().map(str::to_owned).collect();
    let cone = inputs.get("sparse-checkout-cone-mode").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let wanted = Checkout {
        target,
        other,
        depth: (depth > 0).then_some(depth),
        git_ref: inputs.get("ref").map(str::to_owned),
        tags: inputs.is_true("fetch-tags") || depth == 0,
        submodules,
        sparse: (!patterns.is_empty()).then_some(Sparse { patterns, cone }),
        lfs: inputs.is_true("lfs"),
        existing: match inputs.get("clean").is_none_or(|value| value.eq_ignore_ascii_case("true")) {
            true => Existing::Cleaned,
            false => Existing::KeptOfSame,
        },
    };
    // A commit is no ref (actions/checkout, `input-helper.ts`).
    let git_ref = match &wanted.git_ref {
        Some(asked) if asked.parse::<CommitSha>().is_ok() => String::new(),
        Some(asked) => asked.clone(),
        None if wanted.other.is_some() => String::new(),
        None => steps.order().trigger.git_ref.clone(),
    };
    let done = checkout(steps.place, steps.order(), &wanted).await;
    let (commit, lines) = done.map_err(|error| format!("actions/checkout: {error}"))?;
    for line in lines {
        steps.job.log.say(prepared.index, line).await;
    }
    Ok(vec![("ref".to_owned(), git_ref), ("commit".to_owned(), commit.to_string())])
}

/// The path without `.` and `..`.
fn plain(path: &str) -> String {
    let mut plain = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain.display().to_string()
}

/// The repository that `repository:` names, where it is another one than the job's own: it comes from where actions do.
fn other(steps: &Steps<'_>, inputs: &Inputs<'_>) -> Result<Option<Other>, String> {
    let own = steps.order().trigger.repository.as_str();
    let Some(name) = inputs.get("repository").filter(|name| !name.eq_ignore_ascii_case(own)) else {
        return Ok(None);
    };
    let wrong = |why: &str| format!("actions/checkout: `repository: {name}`: {why}");
    let (owner, repository) = name.split_once('/').ok_or_else(|| wrong("expected owner/name"))?;
    let git_ref = inputs.get("ref").filter(|git_ref| !git_ref.is_empty()).unwrap_or("HEAD");
    let source = RemoteSource::new(owner, repository, git_ref).map_err(|error| wrong(&error.to_string()))?;
    let config = steps.job.making.config;
    let store = ActionStore::new(&config.data_dir, config.actions.clone());
    let address = store.address(&source).map_err(|error| wrong(&error.to_string()))?;
    let token = inputs.get("token").filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(Some(Other { name: name.to_owned(), address, token, is_clone: false }))
}
