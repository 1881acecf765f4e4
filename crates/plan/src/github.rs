use sluice_expression::Value;
use sluice_model::{RunId, Trigger};

/// What `github` is made of, for the expressions of jobs that the engine decides and of steps that the runner does.
#[derive(Debug, Clone, Copy)]
pub struct GithubFacts<'a> {
    pub trigger: &'a Trigger,
    pub run: RunId,
    /// Counts the runs of the workflow.
    pub number: u64,
    pub attempt: u32,
    /// The workflow's name and file.
    pub workflow: &'a str,
    pub file: &'a str,
    /// `https://github.com`
    pub server_url: &'a str,
}

/// Of an account or a repository that no forge has numbered.
const NO_ID: &str = "0";

impl GithubFacts<'_> {
    /// The members of `github` that are known before a job has a machine (GitHub, "Contexts reference"), but for
    /// `event`. Ids and counts are texts, as there.
    pub fn members(&self) -> Vec<(&'static str, Value)> {
        let Self { trigger, run, number, attempt, workflow, file, server_url } = *self;
        let server_url = server_url.trim_end_matches('/');
        let (api_url, graphql_url) = match server_url {
            "https://github.com" => {
                ("https://api.github.com".to_owned(), "https://api.github.com/graphql".to_owned())
            }
            other => (format!("{other}/api/v3"), format!("{other}/api/graphql")),
        };
        let (repository, sha) = (&trigger.repository, trigger.sha.as_str());
        let host = server_url.split_once("://").map_or(server_url, |(_, host)| host);
        let ref_type = if trigger.tag().is_some() { "tag" } else { "branch" };
        vec![
            ("actor", trigger.actor.as_str().into()),
            ("actor_id", NO_ID.into()),
            ("api_url", api_url.into()),
            ("base_ref", trigger.base_ref.as_deref().unwrap_or_default().into()),
            ("event_name", trigger.event.as_str().into()),
            ("graphql_url", graphql_url.into()),
            ("head_ref", trigger.head_ref.as_deref().unwrap_or_default().into()),
            ("ref", trigger.git_ref.as_str().into()),
            ("ref_name", trigger.ref_name().into()),
            ("ref_protected", Value::Bool(false)),
            ("ref_type", ref_type.into()),
            ("repository", repository.as_str().into()),
            ("repository_id", NO_ID.into()),
            ("repository_owner", repository.owner().into()),
            ("repository_owner_id", NO_ID.into()),
            ("repositoryUrl", format!("git://{host}/{repository}.git").into()),
            ("retention_days", "90".into()),
            ("run_attempt", attempt.to_string().into()),
            ("run_id", run.to_string().into()),
            ("run_number", number.to_string().into()),
            ("secret_source", "Actions".into()),
            ("server_url", server_url.into()),
            ("sha", sha.into()),
            ("triggering_actor", trigger.actor.as_str().into()),
            ("workflow", workflow.into()),
            ("workflow_ref", format!("{repository}/{file}@{}", trigger.git_ref).into()),
            ("workflow_sha", sha.into()),
        ]
    }
}
