use sluice_wire::JobOrder;

use crate::place::Place;

/// The variables that CircleCI sets in every job (CircleCI, "Project values and variables").
pub fn built_in(order: &JobOrder, place: &Place) -> Vec<(String, String)> {
    let trigger = &order.trigger;
    let server =
        order.server.as_ref().map_or("https://app.circleci.com", |server| server.url.trim_end_matches('/'));
    let total = order.strategy.get("job-total").map_or(1, |total| total.to_number() as u64).max(1);
    let index = order.strategy.get("job-index").map_or(0, |index| index.to_number() as u64);
    let number = order.run_number.to_string();
    let run = order.run.to_string();
    let build_url = format!("{server}/runs/{run}");
    let repository_url = format!("{server}/{}.git", trigger.repository);
    let (index, total) = (index.to_string(), total.to_string());
    let mut env: Vec<(String, String)> = [
        ("CI", "true"),
        ("CIRCLECI", "true"),
        ("CIRCLE_BUILD_NUM", &number),
        ("CIRCLE_BUILD_URL", &build_url),
        ("CIRCLE_JOB", order.job.id.as_str()),
        ("CIRCLE_NODE_INDEX", &index),
        ("CIRCLE_NODE_TOTAL", &total),
        ("CIRCLE_PIPELINE_ID", &run),
        ("CIRCLE_PROJECT_REPONAME", trigger.repository.name()),
        ("CIRCLE_PROJECT_USERNAME", trigger.repository.owner()),
        ("CIRCLE_REPOSITORY_URL", &repository_url),
        ("CIRCLE_SHA1", trigger.sha.as_str()),
        ("CIRCLE_USERNAME", trigger.actor.as_str()),
        ("CIRCLE_WORKFLOW_ID", &run),
        ("CIRCLE_WORKFLOW_JOB_ID", &format!("{run}-{}", order.instance)),
        ("CIRCLE_WORKFLOW_WORKSPACE_ID", &run),
        ("CIRCLE_WORKING_DIRECTORY", &place.layout.workspace.inside),
        ("CIRCLE_INTERNAL_TASK_DATA", &place.layout.temp.inside),
        ("BASH_ENV", &place.layout.temp.inside("bash_env")),
        ("HOME", &place.user.home),
        ("PATH", &place.path),
        ("PWD", &place.layout.workspace.inside),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let mut set = |name: &str, value: Option<&str>| {
        env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    };
    set("CIRCLE_BRANCH", trigger.branch());
    set("CIRCLE_TAG", trigger.tag());
    set(
        "CIRCLE_PR_NUMBER",
        trigger.git_ref.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next()),
    );
    env
}
