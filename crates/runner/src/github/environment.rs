use sluice_expression::{Context, Value};
use sluice_plan::{Action, ActionReference, Step, UsesAction};
use sluice_wire::JobOrder;

use super::Contexts;
use super::contexts::shows_debug;
use crate::place::Place;

/// Members of `github` that steps find as `GITHUB_<NAME>`.
const FROM_CONTEXT: [&str; 27] = [
    "actor",
    "actor_id",
    "triggering_actor",
    "api_url",
    "base_ref",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "workflow",
    "workflow_ref",
    "workflow_sha",
];

/// Members of `github` that differ from step to step, and are not set for every one.
const OF_ACTION: [&str; 4] = ["action", "action_path", "action_repository", "action_ref"];

/// Tells `github` which step it is for. Steps within an action keep the id of the step that calls it.
pub fn set_action(contexts: &mut Contexts, step: &Step, is_own: bool) {
    if is_own && !step.id.is_empty() {
        contexts.put("github", "action", step.id.as_str().into());
    }
    let (repository, git_ref) = match &step.action {
        Action::Uses(UsesAction {
            action: ActionReference::Repository { owner, name, git_ref, .. }, ..
        }) => (format!("{owner}/{name}"), git_ref.clone()),
        _ => (String::new(), String::new()),
    };
    contexts.put("github", "action_repository", repository.into());
    contexts.put("github", "action_ref", git_ref.into());
}

/// `GITHUB_ACTION` and its like, as `github` has them for this step.
pub fn of_action(contexts: &Contexts) -> Vec<(String, String)> {
    let github = contexts.lookup("github");
    let text = |name: &str| github.as_deref().and_then(|github| github.get(name)).map(Value::to_text);
    let variable = |name: &&str| Some((format!("GITHUB_{}", name.to_uppercase()), text(name)?));
    OF_ACTION.iter().filter_map(variable).collect()
}

/// Whether a variable always has the value that the runner gives it, whatever `env` or GITHUB_ENV say.
///
/// ("The value of the default environment variables named `GITHUB_*` and `RUNNER_*`" cannot be overwritten: GitHub,
/// "Store information in variables".) `CI` can be.
pub fn is_fixed(name: &str) -> bool {
    let of_github = |name: &str| {
        let name = name.to_ascii_lowercase();
        matches!(&*name, "actions" | "workspace")
            || FROM_CONTEXT.contains(&&*name)
            || OF_ACTION.contains(&&*name)
    };
    name.strip_prefix("GITHUB_").is_some_and(of_github)
        || matches!(
            name,
            "RUNNER_OS"
                | "RUNNER_ARCH"
                | "RUNNER_NAME"
                | "RUNNER_ENVIRONMENT"
                | "RUNNER_TEMP"
                | "RUNNER_WORKSPACE"
                | "RUNNER_DEBUG"
                | "RUNNER_TOOL_CACHE"
        )
}

/// The variables that GitHub sets for every step (GitHub, "Default environment variables").
pub fn defaults(contexts: &Contexts, place: &Place, order: &JobOrder) -> Vec<(String, String)> {
    let github = contexts.lookup("github").map(std::borrow::Cow::into_owned).unwrap_or_default();
    let text = |name: &str| github.get(name).map(Value::to_text).unwrap_or_default();
    let mut env: Vec<(String, String)> =
        FROM_CONTEXT.iter().map(|name| (format!("GITHUB_{}", name.to_uppercase()), text(name))).collect();
    let arch = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
    let own = [
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKSPACE", &place.layout.workspace.inside),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_ARCH", arch),
        ("RUNNER_NAME", "sluice"),
        ("RUNNER_ENVIRONMENT", "self-hosted"),
        ("RUNNER_TEMP", &place.layout.temp.inside),
        ("RUNNER_WORKSPACE", place.layout.workspace.parent()),
        ("RUNNER_TOOL_CACHE", &place.layout.tools.inside),
        ("HOME", &place.user.home),
        ("PATH", &place.path),
    ];
    env.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    if shows_debug(order) {
        env.push(("RUNNER_DEBUG".to_owned(), "1".to_owned()));
    }
    env.extend(crate::job::own_variables(order));
    env
}
