use sluice_expression::{Context, Value};
use sluice_wire::JobOrder;

use super::Contexts;
use crate::place::Place;

/// Members of `github` that steps find as `GITHUB_<NAME>`.
const FROM_CONTEXT: [&str; 25] = [
    "action",
    "actor",
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
    "repository_owner",
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
        ("RUNNER_TOOL_CACHE", &place.layout.tools.inside),
        ("HOME", &place.user.home),
        ("PATH", &place.path),
    ];
    env.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    env.extend(crate::job::own_variables(order));
    env
}
