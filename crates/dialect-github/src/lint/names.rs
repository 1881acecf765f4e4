use std::collections::HashSet;

use sluice_plan::{Axis, Matrix};
use sluice_source::did_you_mean_text;

use super::{Findings, Found, condition, expressions, job_tokens};
use crate::token::Token;
use crate::workflow::{JobBody, Workflow, WorkflowJob};

/// The members of contexts that are the same for every workflow (GitHub, "Contexts reference").
const MEMBERS: [(&str, &[&str]); 4] = [
    (
        "github",
        &[
            "action",
            "action_path",
            "action_ref",
            "action_repository",
            "action_status",
            "actor",
            "actor_id",
            "api_url",
            "artifact_cache_size_limit",
            "base_ref",
            "env",
            "event",
            "event_name",
            "event_path",
            "graphql_url",
            "head_ref",
            "job",
            "job_workflow_sha",
            "output",
            "path",
            "ref",
            "ref_name",
            "ref_protected",
            "ref_type",
            "repository",
            "repository_id",
            "repository_owner",
            "repository_owner_id",
            "repository_visibility",
            "repositoryurl",
            "retention_days",
            "run_attempt",
            "run_id",
            "run_number",
            "secret_source",
            "server_url",
            "sha",
            "state",
            "step_summary",
            "token",
            "triggering_actor",
            "workflow",
            "workflow_ref",
            "workflow_sha",
            "workspace",
        ],
    ),
    ("runner", &["arch", "debug", "environment", "name", "os", "temp", "tool_cache", "workspace"]),
    ("strategy", &["fail-fast", "job-index", "job-total", "max-parallel"]),
    (
        "job",
        &[
            "check_run_id",
            "container",
            "services",
            "status",
            "workflow_file_path",
            "workflow_ref",
            "workflow_repository",
            "workflow_sha",
        ],
    ),
];

/// Names that an expression uses and nothing defines: GitHub makes an empty text of them.
pub(super) fn check(workflow: &Workflow, findings: &mut Findings<'_>) {
    let root = &workflow.root;
    for key in ["run-name", "env", "concurrency", "defaults"] {
        check_all(root.get(key).map(expressions), &Place::workflow(workflow), findings);
    }
    for (job, token) in job_tokens(workflow) {
        check_job(workflow, job, token, findings);
    }
    let outputs = root.get("on").and_then(|on| on.get("workflow_call")).and_then(|call| call.get("outputs"));
    check_all(outputs.map(expressions), &Place::workflow(workflow), findings);
}

fn check_job(workflow: &Workflow, job: &WorkflowJob, token: &Token, findings: &mut Findings<'_>) {
    let mut place = Place { workflow, job: Some(job), steps: None };
    for (key, value) in token.entries().unwrap_or_default() {
        match key.as_text() {
            Some("steps" | "outputs" | "environment") => {}
            Some("if") => check_all(Some(condition(value)), &place, findings),
            _ => check_all(Some(expressions(value)), &place, findings),
        }
    }
    let mut known = HashSet::new();
    for step in token.get("steps").and_then(Token::items).unwrap_or_default() {
        place.steps = Some(known.clone());
        check_step(step, &place, findings);
        note_ids(step, &mut known);
    }
    place.steps = Some(known);
    for key in ["outputs", "environment"] {
        check_all(token.get(key).map(expressions), &place, findings);
    }
}

fn check_step(step: &Token, place: &Place<'_>, findings: &mut Findings<'_>) {
    for (key, value) in step.entries().unwrap_or_default() {
        let found = if key.as_text() == Some("if") { condition(value) } else { expressions(value) };
        check_all(Some(found), place, findings);
    }
}

fn note_ids(step: &Token, known: &mut HashSet<String>) {
    known.extend(step.get("id").map(|id| id.to_text().to_lowercase()));
    for nested in step.get("parallel").and_then(Token::items).unwrap_or_default() {
        note_ids(nested, known);
    }
}

/// What is defined where an expression stands.
struct Place<'a> {
    workflow: &'a Workflow,
    job: Option<&'a WorkflowJob>,
    /// The ids of the steps before it; none outside of steps.
    steps: Option<HashSet<String>>,
}

impl<'a> Place<'a> {
    fn workflow(workflow: &'a Workflow) -> Self {
        Self { workflow, job: None, steps: None }
    }
}

/// A finding: what is not defined, and what to do.
struct Undefined {
    code: &'static str,
    message: String,
    help: String,
}

fn check_all(found: Option<Vec<Found<'_>>>, place: &Place<'_>, findings: &mut Findings<'_>) {
    for found in found.unwrap_or_default() {
        for (path, span) in found.expression.tree().paths() {
            if let Some(Undefined { code, message, help }) = undefined(&path, place) {
                let at = found.place(findings.workflow, span.start);
                let length = u32::try_from(path.join(".").chars().count()).unwrap_or(0);
                findings.warn(code, at, length, message, help);
            }
        }
    }
}

fn undefined(path: &[String], place: &Place<'_>) -> Option<Undefined> {
    let (context, rest) = path.split_first()?;
    let name = rest.first().filter(|name| *name != "*")?;
    match context.as_str() {
        "needs" => undefined_need(name, rest, place),
        "steps" => undefined_step(name, rest, place),
        "inputs" => undefined_input(name, place),
        "matrix" => undefined_matrix_key(name, place),
        "jobs" => undefined_job(name, rest, place),
        _ => undefined_member(context, name),
    }
}

fn help(word: &str, candidates: &[String], otherwise: String) -> String {
    did_you_mean_text(word, candidates.iter().map(String::as_str)).unwrap_or(otherwise)
}

fn undefined_need(name: &str, rest: &[String], place: &Place<'_>) -> Option<Undefined> {
    let job = place.job?;
    let names: Vec<String> = job.needs.iter().map(|need| need.job.clone()).collect();
    let code = "github/undefined-need";
    if !names.iter().any(|need| need.eq_ignore_ascii_case(name)) {
        let is_job = place.workflow.jobs.iter().any(|job| job.id.eq_ignore_ascii_case(name));
        let otherwise = if is_job {
            format!("add `{name}` to the `needs` of job `{}`", job.id)
        } else {
            format!("the workflow has no job `{name}`")
        };
        let message = format!("job `{}` does not need `{name}`, so that `needs.{name}` is empty", job.id);
        let help = if is_job { otherwise } else { help(name, &names, otherwise) };
        return Some(Undefined { code, message, help });
    }
    undefined_output(name, &rest[1..], &["outputs", "result"], place)
}

fn undefined_job(name: &str, rest: &[String], place: &Place<'_>) -> Option<Undefined> {
    let jobs: Vec<String> = place.workflow.jobs.iter().map(|job| job.id.clone()).collect();
    if !jobs.iter().any(|job| job.eq_ignore_ascii_case(name)) {
        let message = format!("the workflow has no job `{name}`, so that `jobs.{name}` is empty");
        let help = help(name, &jobs, format!("the jobs are {}", jobs.join(", ")));
        return Some(Undefined { code: "github/undefined-need", message, help });
    }
    undefined_output(name, &rest[1..], &["outputs", "result"], place)
}

/// `outputs.x` of a job that has no such output, or a member that no job has.
fn undefined_output(job: &str, rest: &[String], members: &[&str], place: &Place<'_>) -> Option<Undefined> {
    let member = rest.first()?;
    let code = "github/undefined-output";
    if member != "*" && !members.contains(&member.as_str()) {
        let message = format!("`{member}` is not known of a job: {} are", members.join(" and "));
        let members: Vec<String> = members.iter().map(|member| (*member).to_owned()).collect();
        let help = help(member, &members, format!("outputs are `outputs.{member}`"));
        return Some(Undefined { code, message, help });
    }
    let output = rest.get(1).filter(|output| member == "outputs" && *output != "*")?;
    let found = place.workflow.jobs.iter().find(|known| known.id.eq_ignore_ascii_case(job))?;
    let outputs: Vec<String> = match &found.body {
        JobBody::Steps(body) => body.outputs.iter().map(|named| named.name.clone()).collect(),
        JobBody::Call(body) => {
            let call = body.called.as_ref()?.event("workflow_call")?;
            call.outputs.iter().map(|output| output.name.clone()).collect()
        }
    };
    if outputs.iter().any(|known| known.eq_ignore_ascii_case(output)) {
        return None;
    }
    let message = format!("job `{}` has no output `{output}`", found.id);
    let otherwise = match outputs.as_slice() {
        [] => format!("give job `{}` `outputs:` with `{output}`", found.id),
        outputs => format!("its outputs are {}", outputs.join(", ")),
    };
    Some(Undefined { code, message, help: help(output, &outputs, otherwise) })
}

fn undefined_step(name: &str, rest: &[String], place: &Place<'_>) -> Option<Undefined> {
    let known = place.steps.as_ref()?;
    let code = "github/undefined-step";
    if !known.contains(name) {
        let mut names: Vec<String> = known.iter().cloned().collect();
        names.sort_unstable();
        let message = format!("no step before this has the id `{name}`, so that `steps.{name}` is empty");
        let otherwise = format!("give the step that you mean `id: {name}`, and let it stand before this one");
        return Some(Undefined { code, message, help: help(name, &names, otherwise) });
    }
    let member = rest.get(1).filter(|member| *member != "*")?;
    let members = ["outputs", "outcome", "conclusion"].map(str::to_owned);
    if members.contains(member) {
        return None;
    }
    let message = format!("`{member}` is not known of a step: outputs, outcome and conclusion are");
    Some(Undefined { code, message, help: help(member, &members, format!("outputs are `outputs.{member}`")) })
}

fn undefined_input(name: &str, place: &Place<'_>) -> Option<Undefined> {
    let events = ["workflow_dispatch", "workflow_call"].map(|name| place.workflow.event(name));
    let inputs: Vec<String> = events
        .into_iter()
        .flatten()
        .flat_map(|event| &event.inputs)
        .map(|input| input.name.clone())
        .collect();
    if inputs.iter().any(|input| input.eq_ignore_ascii_case(name)) {
        return None;
    }
    let message = format!("the workflow has no input `{name}`, so that `inputs.{name}` is empty");
    let otherwise = match inputs.as_slice() {
        [] => "define it under `on.workflow_dispatch.inputs` or `on.workflow_call.inputs`".to_owned(),
        inputs => format!("its inputs are {}", inputs.join(", ")),
    };
    Some(Undefined { code: "github/undefined-input", message, help: help(name, &inputs, otherwise) })
}

fn undefined_matrix_key(name: &str, place: &Place<'_>) -> Option<Undefined> {
    let job = place.job?;
    let matrix = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref());
    let keys: Vec<String> = match matrix {
        None => Vec::new(),
        Some(Matrix::Whole(_)) => return None,
        Some(Matrix::Axes { axes, include, .. }) => {
            let Axis::Values(included) = include else { return None };
            let of_include =
                included.iter().filter_map(|value| value.as_object()).flatten().map(|(key, _)| key.clone());
            axes.iter().map(|axis| axis.name.clone()).chain(of_include).collect()
        }
    };
    if keys.iter().any(|key| key.eq_ignore_ascii_case(name)) {
        return None;
    }
    let message = match matrix {
        None => format!("job `{}` has no matrix, so that `matrix.{name}` is empty", job.id),
        Some(_) => format!("the matrix of job `{}` has no `{name}`", job.id),
    };
    let otherwise = match keys.as_slice() {
        [] => "define it under `strategy.matrix`".to_owned(),
        keys => format!("its keys are {}", keys.join(", ")),
    };
    Some(Undefined { code: "github/undefined-matrix-key", message, help: help(name, &keys, otherwise) })
}

fn undefined_member(context: &str, name: &str) -> Option<Undefined> {
    let (_, members) = MEMBERS.iter().find(|(known, _)| *known == context)?;
    if members.contains(&name) {
        return None;
    }
    let message = format!("the context `{context}` has no `{name}`");
    let candidates: Vec<String> = members.iter().map(|member| (*member).to_owned()).collect();
    let help =
        help(name, &candidates, format!("see GitHub's reference of contexts for what `{context}` holds"));
    Some(Undefined { code: "github/undefined-member", message, help })
}
