use sha2::{Digest, Sha256};
use sluice_plan::Executor;
use sluice_wire::JobOrder;

use crate::github::{Contexts, overlay};
use crate::job::{JobRun, own_variables};
use crate::place::Place;

/// What bash reads before each step, below the job's temporary folder.
pub const BASH_ENV_FILE: &str = "bash_env";

/// Which of a job's parallel instances this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub index: u64,
    pub total: u64,
}

impl Node {
    pub fn of(order: &JobOrder) -> Self {
        let number = |name: &str| order.strategy.get(name).map_or(0, |value| value.to_number() as u64);
        Self { index: number("job-index"), total: number("job-total").max(1) }
    }
}

/// What every step of the job finds, later ones winning (CircleCI, "Introduction to environment variables", order of
/// precedence): the container's own, the project's, the contexts', CircleCI's own, the job's.
///
/// CircleCI's page says that steps do not see the container's own; they do, and many configs count on it.
pub fn of_job(job: &JobRun<'_>, place: &Place, contexts: &Contexts) -> Result<Vec<(String, String)>, String> {
    let order = job.order;
    let mut env = Vec::new();
    if let Executor::Docker { container } = &job.work.executor {
        overlay(&mut env, contexts.env(&container.env)?);
    }
    overlay(&mut env, order.vars.clone());
    // The order's secrets are the project's, with those of the job's contexts over them.
    let secrets = order.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
    overlay(&mut env, secrets);
    overlay(&mut env, built_in(job, place, contexts)?);
    overlay(&mut env, own_variables(order));
    overlay(&mut env, contexts.env(&order.workflow_env)?);
    overlay(&mut env, contexts.env(&job.work.env)?);
    Ok(env)
}

/// The variables that CircleCI sets in every job (CircleCI, "Project values and variables"), as far as they mean
/// something here: nobody signs OpenID Connect tokens.
fn built_in(job: &JobRun<'_>, place: &Place, contexts: &Contexts) -> Result<Vec<(String, String)>, String> {
    let order = job.order;
    let trigger = &order.trigger;
    let server =
        order.server.as_ref().map_or("https://app.circleci.com", |server| server.url.trim_end_matches('/'));
    let node = Node::of(order);
    let number = order.run_number.to_string();
    let run = order.run.to_string();
    let workflow = uuid(&format!("workflow {}", order.run.0));
    let build_url = format!("{server}/runs/{run}");
    // Without a server, the repository is where CircleCI would have it from: GitHub, over SSH.
    let repository_url = match &order.server {
        Some(_) => format!("{server}/{}.git", trigger.repository),
        None => format!("git@github.com:{}.git", trigger.repository),
    };
    let working_directory = contexts.optional_text(job.work.defaults.working_directory.as_ref())?;
    let mut env: Vec<(String, String)> = [
        ("CI", "true"),
        ("CIRCLECI", "true"),
        ("CIRCLE_BUILD_NUM", &number),
        ("CIRCLE_BUILD_URL", &build_url),
        ("CIRCLE_JOB", order.job.id.as_str()),
        ("CIRCLE_NODE_INDEX", &node.index.to_string()),
        ("CIRCLE_NODE_TOTAL", &node.total.to_string()),
        ("CIRCLE_ORGANIZATION_ID", &uuid(&format!("organization {}", trigger.repository.owner()))),
        ("CIRCLE_PIPELINE_ID", &format!("00000000-0000-0000-0000-{:012}", order.pipeline)),
        ("CIRCLE_PROJECT_ID", &uuid(&format!("project {}", trigger.repository))),
        ("CIRCLE_PROJECT_REPONAME", trigger.repository.name()),
        ("CIRCLE_PROJECT_USERNAME", trigger.repository.owner()),
        ("CIRCLE_REPOSITORY_URL", &repository_url),
        ("CIRCLE_SHA1", trigger.sha.as_str()),
        ("CIRCLE_USERNAME", trigger.actor.as_str()),
        ("CIRCLE_WORKFLOW_ID", &workflow),
        ("CIRCLE_WORKFLOW_JOB_ID", &uuid(&format!("job {run} {}", order.job.id))),
        ("CIRCLE_WORKFLOW_WORKSPACE_ID", &workflow),
        // As it is written, `~` and all.
        ("CIRCLE_WORKING_DIRECTORY", working_directory.as_deref().unwrap_or("~/project")),
        ("CIRCLE_INTERNAL_TASK_DATA", &place.layout.temp.inside),
        ("BASH_ENV", &place.layout.temp.inside(BASH_ENV_FILE)),
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
    set("CIRCLE_BRANCH", trigger.source_branch());
    set("CIRCLE_TAG", trigger.tag());
    let pull = trigger.git_ref.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next());
    set("CIRCLE_PR_NUMBER", pull);
    let pull_url = pull.map(|number| format!("{server}/{}/pull/{number}", trigger.repository));
    set("CIRCLE_PULL_REQUEST", pull_url.as_deref());
    set("CIRCLE_PULL_REQUESTS", pull_url.as_deref());
    Ok(env)
}

/// An id in the form of a UUID, always the same for the same thing: tools that read it as one go on.
fn uuid(of: &str) -> String {
    let hex = crate::github::hex(&Sha256::digest(of));
    let (head, rest) = hex.split_at(8);
    format!("{head}-{}-4{}-8{}-{}", &rest[..4], &rest[4..7], &rest[7..10], &rest[10..22])
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_has_the_form_of_a_uuid() {
        let id = super::uuid("workflow 7");
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_ne!(id, super::uuid("workflow 8"));
    }
}
