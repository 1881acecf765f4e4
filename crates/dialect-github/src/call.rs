//! Reusable workflows: what `uses:` of a job names is read, and the call is checked against what it takes.

use sluice_plan::SecretsPassed;
use sluice_source::{Diagnostic, Label, Span};

use crate::permissions::Grants;
use crate::read::{Options, parse};
use crate::token::{Content, Token};
use crate::trigger::{EventFilter, Input, InputKind};
use crate::workflow::{JobBody, Workflow, WorkflowJob};

/// What the loading of one workflow shares with all that it calls.
pub(crate) struct Calls<'a> {
    files: &'a dyn Fn(&str) -> Option<String>,
    options: &'a Options,
    diagnostics: &'a mut Vec<Diagnostic>,
    loaded: usize,
    jobs: usize,
    bytes: usize,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(
        files: &'a dyn Fn(&str) -> Option<String>,
        options: &'a Options,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self { files, options, diagnostics, loaded: 0, jobs: 0, bytes: 0 }
    }

    fn has_error(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    fn error(&mut self, path: &str, span: Span, message: String) {
        let error = Diagnostic::error("github/call", span.at(path), span.length(), message);
        self.diagnostics.push(error);
    }
}

/// Loads what the workflow's jobs call, and hands permissions down.
pub(crate) fn load(workflow: &mut Workflow, calls: &mut Calls<'_>) {
    let inherited = workflow.permissions.clone();
    load_jobs(workflow, inherited.as_ref(), 1, calls);
}

fn load_jobs(workflow: &mut Workflow, inherited: Option<&Grants>, depth: usize, calls: &mut Calls<'_>) {
    let path = workflow.path.clone();
    let Workflow { jobs, root, .. } = workflow;
    let tokens = root.get("jobs").and_then(Token::entries).unwrap_or_default();
    for (job, (_, token)) in jobs.iter_mut().zip(tokens) {
        if job.permissions.is_none() {
            job.permissions = inherited.cloned();
        }
        load_call(&path, job, token, depth, calls);
        if calls.has_error() {
            return;
        }
    }
}

fn load_call(path: &str, job: &mut WorkflowJob, token: &Token, depth: usize, calls: &mut Calls<'_>) {
    let JobBody::Call(body) = &job.body else { return };
    let (reference, span) = (body.workflow.clone(), body.span);
    let limits = &calls.options.limits;
    if depth > limits.call_depth {
        let message = format!("Nested reusable workflow depth exceeded {}.", limits.call_depth);
        calls.diagnostics.push(Diagnostic::error("github/call-depth", span.at(path), span.length(), message));
        return;
    }
    let file = qualified(path, &reference);
    let Some(text) = (calls.files)(&file) else { return };
    calls.loaded += 1;
    calls.bytes += text.len();
    if calls.loaded > limits.calls || calls.bytes > limits.called_bytes {
        let message = format!(
            "the reusable workflows that are called are more than {} files or {} bytes",
            limits.calls, limits.called_bytes
        );
        calls.diagnostics.push(Diagnostic::error("github/calls", span.at(path), span.length(), message));
        return;
    }
    let before = calls.diagnostics.len();
    let parsed = parse(&file, &text, calls.options, calls.diagnostics);
    if let Some(called) = parsed {
        calls.jobs += called.jobs.len();
        if calls.jobs > calls.options.limits.called_jobs {
            let allowed = calls.options.limits.called_jobs;
            let message = format!("the reusable workflows that are called have more than {allowed} jobs");
            calls.error(path, span, message);
        }
        check_call(path, &called, job, token, calls);
        check_permissions(path, &called, job, calls);
        if !calls.has_error() {
            nest(called, job, depth, calls);
            return;
        }
    }
    for diagnostic in &mut calls.diagnostics[before..] {
        if diagnostic.location.path == file {
            let message = "called here".to_owned();
            diagnostic.labels.push(Label { location: span.at(path), length: span.length(), message });
        }
    }
}

/// The path of a workflow in the caller's own repository.
pub(crate) fn local_path(reference: &str) -> Option<&str> {
    reference.strip_prefix("./").or_else(|| reference.strip_prefix("$/"))
}

/// Where the called workflow is: a local one stands beside its caller, in the caller's repository.
pub(crate) fn qualified(caller: &str, reference: &str) -> String {
    let Some(local) = local_path(reference) else { return reference.to_owned() };
    match of_repository(caller) {
        Some((repository, git_ref)) => format!("{repository}/{local}@{git_ref}"),
        None => local.to_owned(),
    }
}

/// `owner/name` and the ref of a workflow of another repository. One of the own repository may have an `@` in its name.
fn of_repository(path: &str) -> Option<(&str, &str)> {
    let end = path.find(".yml@").map(|at| at + 4).or_else(|| path.find(".yaml@").map(|at| at + 5))?;
    let (file, git_ref) = (&path[..end], &path[end + 1..]);
    let below = file.find("/.github/workflows/")?;
    let repository = &file[..below];
    (repository.split('/').count() == 2).then_some((repository, git_ref))
}

/// Puts the called workflow into its caller and loads what it calls itself.
fn nest(mut called: Workflow, job: &mut WorkflowJob, depth: usize, calls: &mut Calls<'_>) {
    if called.permissions.is_some() {
        job.permissions = called.permissions.clone();
    }
    load_jobs(&mut called, job.permissions.as_ref(), depth + 1, calls);
    if let JobBody::Call(body) = &mut job.body {
        body.called = Some(called);
    }
}

fn check_call(path: &str, called: &Workflow, job: &WorkflowJob, token: &Token, calls: &mut Calls<'_>) {
    let JobBody::Call(body) = &job.body else { return };
    let Some(event) = called.event("workflow_call") else {
        let on = called.root.get("on").map_or(called.root.span, |on| on.span);
        let message = "workflow_call key is not defined in the referenced workflow.";
        calls.error(&called.path, on, message.to_owned());
        return;
    };
    let with = token.get("with").and_then(Token::entries).unwrap_or_default();
    check_inputs(path, event, with, body.span, calls);
    if !matches!(body.secrets, SecretsPassed::Inherit) {
        let secrets = token.get("secrets").and_then(Token::entries).unwrap_or_default();
        check_secrets(path, event, secrets, body.span, calls);
    }
}

fn named<'t>(entries: &'t [(Token, Token)], name: &str) -> Option<&'t Token> {
    let is_named =
        |(key, _): &&(Token, Token)| key.as_text().is_some_and(|key| key.eq_ignore_ascii_case(name));
    entries.iter().find(is_named).map(|(_, value)| value)
}

fn check_inputs(path: &str, event: &EventFilter, with: &[(Token, Token)], call: Span, calls: &mut Calls<'_>) {
    for input in &event.inputs {
        match named(with, &input.name) {
            Some(value) if !is_of_kind(value, input) => {
                let message = format!("Unexpected value '{}'", value.to_text());
                calls.error(path, value.span, message);
            }
            Some(_) => {}
            None if input.required => {
                let message = format!("Input {} is required, but not provided while calling.", input.name);
                calls.error(path, call, message);
            }
            None => {}
        }
    }
    for (key, value) in with {
        let name = key.to_text();
        if !event.inputs.iter().any(|input| input.name.eq_ignore_ascii_case(&name)) {
            let message = format!("Invalid input, {name} is not defined in the referenced workflow.");
            calls.error(path, value.span, message);
        }
    }
}

fn is_of_kind(value: &Token, input: &Input) -> bool {
    match input.kind {
        InputKind::Boolean => matches!(value.content, Content::Bool(_) | Content::Expression(_)),
        InputKind::Number => matches!(value.content, Content::Number(_) | Content::Expression(_)),
        InputKind::String | InputKind::Choice | InputKind::Environment => true,
    }
}

fn check_secrets(
    path: &str,
    event: &EventFilter,
    passed: &[(Token, Token)],
    call: Span,
    calls: &mut Calls<'_>,
) {
    for secret in event.secrets.iter().filter(|secret| secret.required) {
        if named(passed, &secret.name).is_none() {
            let message = format!("Secret {} is required, but not provided while calling.", secret.name);
            calls.error(path, call, message);
        }
    }
    for (key, value) in passed {
        let name = key.to_text();
        if !event.secrets.iter().any(|secret| secret.name.eq_ignore_ascii_case(&name)) {
            let message = format!("Invalid secret, {name} is not defined in the referenced workflow.");
            calls.error(path, value.span, message);
        }
    }
}

/// A called workflow may not ask for more than its caller has.
fn check_permissions(path: &str, called: &Workflow, job: &WorkflowJob, calls: &mut Calls<'_>) {
    let JobBody::Call(body) = &job.body else { return };
    let Some(allowed) =
        job.permissions.clone().or_else(|| calls.options.default_grants.map(Grants::of_default))
    else {
        return;
    };
    let reference = &body.workflow;
    if let Some((asked, had)) = called.permissions.as_ref().and_then(|grants| grants.beyond(&allowed)) {
        let message = format!(
            "Error calling workflow '{reference}'. The workflow '{reference}' is requesting '{asked}', but is only \
             allowed '{had}'."
        );
        calls.error(path, job.span, message);
    }
    for nested in &called.jobs {
        if let Some((asked, had)) = nested.permissions.as_ref().and_then(|grants| grants.beyond(&allowed)) {
            let name = nested.name.as_ref().map_or(nested.id.as_str(), |name| name.source());
            let message = format!(
                "Error calling workflow '{reference}'. The nested job '{name}' is requesting '{asked}', but is only \
                 allowed '{had}'."
            );
            calls.error(path, job.span, message);
        }
    }
}
