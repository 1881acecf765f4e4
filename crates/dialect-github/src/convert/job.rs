use sluice_expression::Template;
use sluice_plan::{Container, Credentials, Executor, Gate, GateKind, Named, SecretsPassed, Service};

use super::Converter;
use super::value::{defaults, late_bool, late_number, one_or_more};
use crate::call::local_path;
use crate::ids::Ids;
use crate::permissions::Grants;
use crate::schema::Names;
use crate::token::{Content, Token};
use crate::workflow::{CallBody, JobBody, Needed, StepsBody, WorkflowJob};

impl Converter<'_> {
    pub(super) fn jobs(&mut self, jobs: &Token) -> Vec<WorkflowJob> {
        let converted: Vec<WorkflowJob> =
            jobs.entries().unwrap_or_default().iter().map(|(id, job)| self.job(id, job)).collect();
        if self.diagnostics.iter().all(|diagnostic| !diagnostic.is_error()) {
            self.check_needs(&converted, jobs.span);
        }
        converted
    }

    fn job(&mut self, id: &Token, job: &Token) -> WorkflowJob {
        if let Err(message) = Ids::default().add(&id.to_text()) {
            self.error("github/id", id.span, message);
        }
        let body = match job.get("uses") {
            Some(uses) => JobBody::Call(Box::new(self.call(uses, job))),
            None => JobBody::Steps(Box::new(self.steps_body(job))),
        };
        WorkflowJob {
            id: id.to_text(),
            span: id.span,
            name: job.get("name").filter(|name| name.as_text() != Some("")).map(Token::to_template),
            needs: job.get("needs").map(needs).unwrap_or_default(),
            condition: self.condition(job.get("if"), Names::JOB_IF),
            permissions: job.get("permissions").and_then(Grants::of),
            strategy: job.get("strategy").and_then(|strategy| self.strategy(strategy)),
            concurrency: job.get("concurrency").and_then(|token| self.concurrency(token)),
            body,
        }
    }

    fn call(&mut self, uses: &Token, job: &Token) -> CallBody {
        let secrets = match job.get("secrets") {
            None => SecretsPassed::Only(Vec::new()),
            Some(token) if token.as_text() == Some("inherit") => SecretsPassed::Inherit,
            Some(token) => SecretsPassed::Only(self.named(token, "`secrets`")),
        };
        let workflow = uses.to_text();
        if !is_workflow_reference(&workflow) {
            let message = format!(
                "invalid value workflow reference: references to workflows must be prefixed with format \
                 'owner/repository/' or './' but got: '{workflow}'"
            );
            let help =
                "write `./.github/workflows/<file>` or `<owner>/<repository>/.github/workflows/<file>@<ref>`";
            self.error_with_help("github/uses", uses.span, message, help);
        }
        CallBody {
            workflow,
            span: uses.span,
            with: job.get("with").map(|with| self.named(with, "`with`")).unwrap_or_default(),
            secrets,
            called: None,
        }
    }

    fn steps_body(&mut self, job: &Token) -> StepsBody {
        if let Some(snapshot) = job.get("snapshot") {
            self.snapshot(snapshot);
        }
        if let Some((key, _)) = job.entry("cancel-timeout-minutes") {
            self.not_supported(key.span, "`cancel-timeout-minutes`");
        }
        StepsBody {
            executor: self.executor(job),
            services: job.get("services").map(|services| self.services(services)).unwrap_or_default(),
            env: job.get("env").map(|env| self.env(env)).unwrap_or_default(),
            defaults: job.get("defaults").map(defaults).unwrap_or_default(),
            environment: job.get("environment").and_then(environment),
            outputs: job.get("outputs").map(|outputs| self.named(outputs, "`outputs`")).unwrap_or_default(),
            continue_on_error: job.get("continue-on-error").and_then(late_bool),
            timeout_minutes: job.get("timeout-minutes").and_then(late_number),
            steps: job.get("steps").map(|steps| self.steps(steps)).unwrap_or_default(),
        }
    }

    fn executor(&mut self, job: &Token) -> Executor {
        let runs_on = job.get("runs-on");
        let (labels, group) = match runs_on {
            Some(token) if token.entries().is_some() => {
                let group = token.get("group");
                if let Some(group) = group {
                    self.check_group(group);
                }
                (token.get("labels"), group.map(Token::to_template))
            }
            other => (other, None),
        };
        Executor::Labels {
            labels: labels.map(one_or_more).unwrap_or_default(),
            group,
            container: job.get("container").and_then(|container| self.container(container, false)),
        }
    }

    fn check_group(&mut self, group: &Token) {
        let Some(name) = group.as_text() else { return };
        let is_valid = match name.split('/').collect::<Vec<_>>().as_slice() {
            [_] => true,
            [owner, group] => {
                !group.is_empty() && matches!(*owner, "org" | "organization" | "ent" | "enterprise")
            }
            _ => false,
        };
        if !is_valid {
            let message = format!(
                "Invalid runs-on group name '{name}'. Please use 'organization/' or 'enterprise/' prefix to target a \
                 single runner group."
            );
            self.error("github/runs-on", group.span, message);
        }
    }

    fn services(&mut self, token: &Token) -> Vec<Service> {
        let Some(entries) = token.entries() else {
            self.not_supported(token.span, "one expression for the whole of `services`");
            return Vec::new();
        };
        let mut services = Vec::new();
        for (name, value) in entries {
            if let Some(container) = self.container(value, true) {
                services.push(Named::new(name.to_text(), container));
            }
        }
        services
    }

    /// None where the image is empty, which for a job's container means that there is none.
    fn container(&mut self, token: &Token, is_service: bool) -> Option<Container> {
        let image = match &token.content {
            Content::Mapping(_) => token.get("image"),
            _ => Some(token),
        };
        let text = image.map(Token::to_text).unwrap_or_default();
        let bare = text.strip_prefix("docker://");
        if bare.unwrap_or(&text).is_empty() {
            if !token.has_expression() && (is_service || bare.is_some()) {
                self.error("github/container", token.span, "Container image cannot be empty");
            }
            return None;
        }
        let image = match bare {
            Some(bare) => Template::literal(bare),
            None => image.map(Token::to_template).unwrap_or_default(),
        };
        let mut container = Container::of_image(image);
        container.env = token.get("env").map(|env| self.env(env)).unwrap_or_default();
        container.ports = token.get("ports").map(one_or_more).unwrap_or_default();
        container.volumes = token.get("volumes").map(one_or_more).unwrap_or_default();
        container.options = token.get("options").map(Token::to_template);
        container.credentials = token.get("credentials").and_then(credentials);
        container.entrypoint = token.get("entrypoint").map(|token| self.words(token));
        container.command = token.get("command").map(|token| self.words(token));
        Some(container)
    }

    /// `entrypoint` and `command` as words. What a shell would expand is not expanded, as no shell reads them.
    fn words(&mut self, token: &Token) -> Vec<String> {
        if token.is_expression() {
            self.not_supported(token.span, "an expression in `entrypoint` or `command`");
        }
        split_words(&token.to_text())
    }

    fn snapshot(&mut self, token: &Token) {
        self.condition(token.get("if"), Names::SNAPSHOT_IF.and(Names::JOB_IF));
        if let Some(version) = token.get("version").and_then(Token::as_text) {
            let major = version.strip_suffix(".*");
            if major.is_none_or(|major| major.parse::<u32>().is_err()) {
                let message = format!("Expected format '{{major-version}}.*' Actual '{version}'");
                self.error("github/snapshot", token.span, message);
            }
        }
        self.not_supported(token.span, "`snapshot`");
    }
}

fn needs(token: &Token) -> Vec<Needed> {
    let need = |token: &Token| Needed { job: token.to_text(), span: token.span };
    match token.items() {
        Some(items) => items.iter().map(need).collect(),
        None => vec![need(token)],
    }
}

fn environment(token: &Token) -> Option<Gate> {
    let (name, url) = match &token.content {
        Content::Mapping(_) => (token.get("name")?, token.get("url")),
        _ => (token, None),
    };
    if name.as_text() == Some("") {
        return None;
    }
    Some(Gate { name: name.to_template(), kind: GateKind::Environment, url: url.map(Token::to_template) })
}

fn credentials(token: &Token) -> Option<Credentials> {
    let of = |key| token.get(key).map(Token::to_template).unwrap_or_default();
    token.entries().map(|_| Credentials { username: of("username"), password: of("password") })
}

/// `./path`, `$/path` or `owner/repository/path@ref`.
fn is_workflow_reference(reference: &str) -> bool {
    if let Some(path) = local_path(reference) {
        return !path.is_empty();
    }
    match reference.split_once('@') {
        Some((path, git_ref)) => {
            !git_ref.is_empty() && path.split('/').filter(|segment| !segment.is_empty()).count() >= 3
        }
        None => false,
    }
}

/// Words between blanks; quotes hold a word together and a backslash takes the meaning from what follows.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
