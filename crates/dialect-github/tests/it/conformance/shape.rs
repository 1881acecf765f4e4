//! A workflow in the shape of GitHub's own JSON.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};
use sluice_dialect_github::{
    Content, EventFilter, Grants, JobBody, Pattern, Patterns, Token, Workflow, WorkflowJob, combined,
};
use sluice_plan::{SecretsPassed, StepCondition};

/// The numbers of files, where tokens are written with their places.
struct Shape {
    files: Option<HashMap<String, usize>>,
}

pub fn workflow(workflow: &Workflow, with_events: bool, with_source: bool) -> Json {
    let mut paths = Vec::new();
    file_table(workflow, &mut paths);
    let files = paths.iter().enumerate().map(|(index, path)| (path.clone(), index + 1)).collect();
    let shape = Shape { files: with_source.then_some(files) };
    let mut json = Map::new();
    let root = workflow.root();
    if with_events {
        let events = workflow.events().iter().map(|event| (event.name.clone(), self::event(event)));
        json.insert("events".to_owned(), Json::Object(events.collect()));
    }
    for key in ["defaults", "env", "concurrency"] {
        if let Some(token) = root.get(key) {
            json.insert(key.to_owned(), shape.token(token, workflow.path()));
        }
    }
    if let Some(grants) = workflow.permissions() {
        json.insert("permissions".to_owned(), permissions(grants));
    }
    json.insert("jobs".to_owned(), shape.jobs(workflow));
    if with_source {
        json.insert("file-table".to_owned(), json!(paths));
    }
    Json::Object(json)
}

fn file_table(workflow: &Workflow, paths: &mut Vec<String>) {
    if !paths.iter().any(|path| path == workflow.path()) {
        paths.push(workflow.path().to_owned());
    }
    for job in workflow.jobs() {
        if let JobBody::Call(body) = &job.body
            && let Some(called) = &body.called
        {
            file_table(called, paths);
        }
    }
}

fn event(event: &EventFilter) -> Json {
    let mut json = Map::new();
    let patterns = |patterns: &Patterns| -> Vec<String> {
        patterns.patterns.iter().map(Pattern::source).map(str::to_owned).collect()
    };
    for filter in [&event.branches, &event.tags, &event.paths].into_iter().flatten() {
        json.insert(filter.key.to_owned(), json!(patterns(filter)));
    }
    let lists = [
        ("types", &event.types),
        ("versions", &event.versions),
        ("names", &event.names),
        ("workflows", &event.workflows),
    ];
    for (key, list) in lists {
        if let Some(list) = list {
            json.insert(key.to_owned(), json!(list));
        }
    }
    Json::Object(json)
}

fn permissions(grants: &Grants) -> Json {
    let granted = grants.granted();
    Json::Object(
        granted.into_iter().map(|(scope, level)| (scope.to_owned(), json!(level.as_str()))).collect(),
    )
}

impl Shape {
    fn token(&self, token: &Token, path: &str) -> Json {
        match &token.content {
            Content::Null => self.literal(token, path, json!(null)),
            Content::Bool(value) => self.literal(token, path, json!(value)),
            Content::Number(value) if value.is_finite() => self.literal(token, path, json!(value)),
            // JSON has no such number.
            Content::Number(_) => self.literal(token, path, json!(token.to_text())),
            Content::Text(text) => self.literal(token, path, json!(text)),
            Content::Expression(template) => json!({"type": 3, "expr": combined(template)}),
            Content::Insert => json!({"type": 4, "directive": "insert"}),
            Content::Sequence(items) => {
                json!({"type": 1, "seq": items.iter().map(|item| self.token(item, path)).collect::<Vec<_>>()})
            }
            Content::Mapping(entries) => {
                let entry = |(key, value): &(Token, Token)| json!({"Key": self.token(key, path), "Value": self.token(value, path)});
                json!({"type": 2, "map": entries.iter().map(entry).collect::<Vec<_>>()})
            }
        }
    }

    fn literal(&self, token: &Token, path: &str, value: Json) -> Json {
        match &self.files {
            None => value,
            Some(files) => json!({
                "type": 0,
                "file": files[path],
                "line": token.span.start.line,
                "col": token.span.start.column,
                "lit": value,
            }),
        }
    }

    fn jobs(&self, workflow: &Workflow) -> Json {
        let tokens = workflow.root().get("jobs").and_then(Token::entries).unwrap();
        let jobs = workflow.jobs().iter().zip(tokens);
        Json::Array(jobs.map(|(job, (key, token))| self.job(workflow, job, key, token)).collect())
    }

    fn job(&self, workflow: &Workflow, job: &WorkflowJob, key: &Token, token: &Token) -> Json {
        let path = workflow.path();
        let mut json = Map::new();
        let mut put = |key: &str, value: Json| json.insert(key.to_owned(), value);
        let is_call = matches!(job.body, JobBody::Call(_));
        put("type", json!(if is_call { "reusableWorkflowJob" } else { "job" }));
        put("id", self.token(key, path));
        let name = token.get("name").filter(|name| name.as_text() != Some(""));
        put("name", self.token(name.unwrap_or(key), path));
        if is_call || !job.needs.is_empty() {
            put("needs", json!(job.needs.iter().map(|need| need.job.as_str()).collect::<Vec<_>>()));
        }
        put("if", json!({"type": 3, "expr": job.whole_condition()}));
        if let Some(grants) = &job.permissions {
            put("permissions", permissions(grants));
        }
        let mut copied = |keys: &[(&str, &str)]| {
            for (from, to) in keys {
                if let Some(value) = token.get(from) {
                    json.insert((*to).to_owned(), self.token(value, path));
                }
            }
        };
        copied(&[("strategy", "strategy"), ("concurrency", "concurrency")]);
        match &job.body {
            JobBody::Call(body) => {
                copied(&[("uses", "ref"), ("with", "input-values")]);
                if matches!(body.secrets, SecretsPassed::Inherit) {
                    json.insert("inherit-secrets".to_owned(), json!(true));
                } else {
                    copied(&[("secrets", "secret-values")]);
                }
                if let Some(called) = &body.called {
                    self.called(called, &mut json);
                }
            }
            JobBody::Steps(_) => {
                let keys = [
                    "env",
                    "environment",
                    "runs-on",
                    "container",
                    "services",
                    "outputs",
                    "defaults",
                    "snapshot",
                    "continue-on-error",
                    "timeout-minutes",
                    "cancel-timeout-minutes",
                ];
                copied(&keys.map(|key| (key, key)));
                if let Some(steps) = token.get("steps") {
                    json.insert("steps".to_owned(), self.steps(job, steps, path));
                }
            }
        }
        Json::Object(json)
    }

    fn called(&self, called: &Workflow, json: &mut Map<String, Json>) {
        let on = called.root().get("on").and_then(|on| on.get("workflow_call"));
        for (from, to) in
            [("inputs", "input-definitions"), ("secrets", "secret-definitions"), ("outputs", "outputs")]
        {
            if let Some(token) = on.and_then(|on| on.get(from)) {
                json.insert(to.to_owned(), self.token(token, called.path()));
            }
        }
        for key in ["env", "defaults"] {
            if let Some(token) = called.root().get(key) {
                json.insert(key.to_owned(), self.token(token, called.path()));
            }
        }
        if let Some(token) = called.root().get("concurrency") {
            json.insert("embedded-concurrency".to_owned(), self.token(token, called.path()));
        }
        json.insert("jobs".to_owned(), self.jobs(called));
    }

    fn steps(&self, job: &WorkflowJob, steps: &Token, path: &str) -> Json {
        let tokens = steps.items().unwrap();
        let step = |(step, token): (&sluice_plan::Step, &Token)| {
            let mut json = Map::new();
            json.insert("id".to_owned(), json!(step.id));
            if let StepCondition::Expression(condition) = &step.condition {
                let whole = sluice_dialect_github::whole_condition(condition);
                json.insert("if".to_owned(), json!({"type": 3, "expr": whole}));
            }
            let keys = [
                "name",
                "continue-on-error",
                "timeout-minutes",
                "env",
                "working-directory",
                "shell",
                "run",
                "uses",
                "with",
            ];
            for key in keys {
                if let Some(value) = token.get(key) {
                    json.insert(key.to_owned(), self.token(value, path));
                }
            }
            Json::Object(json)
        };
        Json::Array(job.steps().iter().zip(tokens).map(step).collect())
    }
}
