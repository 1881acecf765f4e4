use sluice_plan::{Action, ActionReference, SecretsPassed, Step};

use super::{Findings, expressions, is_below, job_tokens, paths, step_tokens};
use crate::token::Token;
use crate::workflow::{JobBody, Workflow, WorkflowJob};

/// Last names of what a stranger writes: titles, texts, names of branches and people.
const WRITTEN_BY_ANYONE: [&str; 11] = [
    "title",
    "body",
    "message",
    "email",
    "name",
    "ref",
    "label",
    "default_branch",
    "page_name",
    "head_branch",
    "description",
];

pub(super) fn check(workflow: &Workflow, findings: &mut Findings<'_>) {
    let is_privileged =
        ["pull_request_target", "workflow_run"].iter().any(|name| workflow.event(name).is_some());
    for (job, token) in job_tokens(workflow) {
        let uses_secrets = uses_secrets(token);
        check_call(job, findings);
        for step in step_tokens(token) {
            check_scripts(step, findings);
            if is_privileged {
                check_checkout(workflow, step, findings);
            }
        }
        if uses_secrets {
            for step in job.steps() {
                check_pin(step, findings);
            }
        }
    }
}

/// What an outsider can write must not become part of a script.
fn check_scripts(step: &Token, findings: &mut Findings<'_>) {
    let is_script_action = step
        .get("uses")
        .and_then(Token::as_text)
        .is_some_and(|uses| uses.starts_with("actions/github-script@"));
    let script = step.get("run").or_else(|| step.get("with").filter(|_| is_script_action)?.get("script"));
    for found in script.map(expressions).unwrap_or_default() {
        for (path, span) in found.expression.tree().paths() {
            if !is_untrusted(&path) {
                continue;
            }
            let name = path.join(".");
            let variable = variable_of(&path);
            let read =
                if is_script_action { format!("process.env.{variable}") } else { format!("\"${variable}\"") };
            let place = found.place(findings.workflow, span.start);
            let message = format!(
                "`{name}` is written by whoever opens the event, and here it becomes part of the script: text such as \
                 `$(…)` in it would run"
            );
            let help = format!(
                "give it to the step as a variable, `env: {{ {variable}: ${{{{ {name} }}}} }}`, and read {read} in the script"
            );
            findings.warn("github/script-injection", place, length(&name), message, help);
        }
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(0)
}

fn is_untrusted(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    match path {
        [github, head_ref] if github == "github" && head_ref == "head_ref" => true,
        // The whole event holds all of it.
        [github, event] if github == "github" && event == "event" => true,
        [github, event, rest @ ..] if github == "github" && event == "event" => {
            let is_of_repository =
                rest.first().is_some_and(|first| first == "repository" || first == "organization");
            let is_base = rest.iter().any(|segment| segment == "base");
            // A push's own ref is made by somebody who may push.
            let is_own_ref = rest.len() == 1;
            WRITTEN_BY_ANYONE.contains(&last) && !is_of_repository && !is_base && !is_own_ref
        }
        _ => false,
    }
}

fn variable_of(path: &[String]) -> String {
    let kept = path.iter().skip(if path.len() > 3 { 2 } else { 1 }).filter(|segment| *segment != "*");
    kept.map(|segment| segment.to_uppercase().replace('-', "_")).collect::<Vec<_>>().join("_")
}

/// Whether the job sees a secret other than its own token.
fn uses_secrets(job: &Token) -> bool {
    expressions(job).iter().flat_map(|found| paths(found.expression.tree())).any(|path| {
        path.first().is_some_and(|first| first == "secrets")
            && path.get(1).is_none_or(|name| name != "github_token")
    })
}

/// A tag or a branch of somebody else's action can be moved; beside secrets that is a way to them.
fn check_pin(step: &Step, findings: &mut Findings<'_>) {
    let nested = match &step.action {
        Action::Parallel { steps } => steps.as_slice(),
        _ => &[],
    };
    nested.iter().for_each(|step| check_pin(step, findings));
    let Action::Uses(uses) = &step.action else { return };
    let ActionReference::Repository { owner, name, git_ref, .. } = &uses.action else { return };
    if is_commit(git_ref) || matches!(owner.to_lowercase().as_str(), "actions" | "github") {
        return;
    }
    let message = format!(
        "`{}` is not pinned: whoever can move `{git_ref}` in {owner}/{name} sees the secrets of this job",
        uses.action
    );
    let help = format!(
        "pin the whole commit, `{owner}/{name}@<40 digits> # {git_ref}`, or keep it in sluice.lock with `sluice lock`"
    );
    findings.warn("github/unpinned-action", step.at.clone(), 0, message, help);
}

fn check_call(job: &WorkflowJob, findings: &mut Findings<'_>) {
    let JobBody::Call(body) = &job.body else { return };
    let passes_secrets = match &body.secrets {
        SecretsPassed::Inherit => true,
        SecretsPassed::Only(secrets) => !secrets.is_empty(),
    };
    let Some((repository, git_ref)) = body.workflow.split_once('@') else { return };
    if passes_secrets && !is_commit(git_ref) {
        let message = format!(
            "`{}` is not pinned and is given secrets: whoever can move `{git_ref}` there sees them",
            body.workflow
        );
        let help = format!(
            "pin the whole commit, `{repository}@<40 digits> # {git_ref}`, or keep it in sluice.lock with `sluice lock`"
        );
        findings.warn_at("github/unpinned-action", body.span, message, help);
    }
}

fn is_commit(git_ref: &str) -> bool {
    matches!(git_ref.len(), 40 | 64) && git_ref.bytes().all(|b| b.is_ascii_hexdigit())
}

/// With `pull_request_target` the token may write and the secrets are there; the head's code must not run with them.
fn check_checkout(workflow: &Workflow, step: &Token, findings: &mut Findings<'_>) {
    let is_checkout =
        step.get("uses").and_then(Token::as_text).is_some_and(|uses| uses.starts_with("actions/checkout@"));
    let Some(with) = step.get("with").filter(|_| is_checkout) else { return };
    for key in ["ref", "repository"] {
        for found in with.get(key).map(expressions).unwrap_or_default() {
            let is_of_head = |path: &Vec<String>| {
                is_below(path, "github.event.pull_request.head")
                    || is_below(path, "github.head_ref")
                    || is_below(path, "github.event.workflow_run.head_sha")
                    || is_below(path, "github.event.workflow_run.head_branch")
                    || is_below(path, "github.event.workflow_run.head_repository")
                    || is_below(path, "github.event.pull_request.number")
                    || is_below(path, "github.event.number")
            };
            if !paths(found.expression.tree()).iter().any(is_of_head) {
                continue;
            }
            let event = if workflow.event("pull_request_target").is_some() {
                "pull_request_target"
            } else {
                "workflow_run"
            };
            let message = format!(
                "the head of a pull request is checked out in a workflow that runs on `{event}`: its code can have the \
                 repository's secrets and a token that may write"
            );
            let help = "build the head in a workflow on `pull_request`, without secrets, and hand results over as artifacts; \
                        or check out the base and run nothing of the head";
            let place = found.place(findings.workflow, 0);
            findings.warn(
                "github/privileged-checkout",
                place,
                length(found.expression.source()),
                message,
                help,
            );
            return;
        }
    }
}
