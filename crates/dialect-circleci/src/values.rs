use std::collections::BTreeMap;

use sluice_model::{Event, Trigger};
use sluice_source::{Node, Span, Style};

/// A value that CircleCI knows before it reads the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
}

impl Value {
    pub(crate) fn to_node(&self, span: Span) -> Node {
        match self {
            Self::Text(text) => Node::scalar(text.as_str(), Style::DoubleQuoted, span),
            Self::Number(number) => Node::scalar(number.to_string(), Style::Plain, span),
            Self::Flag(flag) => Node::scalar(flag.to_string(), Style::Plain, span),
        }
    }
}

/// What `<< pipeline.… >>` stands for: the pipeline values, and the pipeline parameters that somebody gave.
///
/// The default is what a look at the file alone assumes, as `circleci config process` did: pipeline 1, branch `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineValues {
    /// By the name behind `pipeline.`: `git.branch`.
    values: BTreeMap<String, Value>,
    /// By the name behind `pipeline.parameters.`, as text; the declared type says how it is read.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Names that are always there; one that nothing sets is empty.
const NAMES: [&str; 17] = [
    "id",
    "number",
    "project.git_url",
    "project.type",
    "project.id",
    "project.slug",
    "git.tag",
    "git.branch",
    "git.branch.is_default",
    "git.revision",
    "git.base_revision",
    "trigger_source",
    "schedule.name",
    "schedule.id",
    "event.name",
    "event.action",
    "in_setup",
];

/// Names that depend on the service that hosts the repository: any name below is there, and empty when nothing sets it.
const OPEN_ROOTS: [&str; 7] =
    ["trigger_parameters.", "event.", "trigger.", "deploy.", "organization.", "project.", "git."];

impl Default for PipelineValues {
    fn default() -> Self {
        let mut values = Self { values: BTreeMap::new(), parameters: BTreeMap::new() };
        values.set("id", Value::Text("00000000-0000-0000-0000-000000000001".to_owned()));
        values.set("number", Value::Number(1));
        values.set("project.type", Value::Text("github".to_owned()));
        values.set("git.branch", Value::Text("main".to_owned()));
        values.set("git.branch.is_default", Value::Flag(true));
        values.set("git.revision", Value::Text("0".repeat(40)));
        values.set("trigger_source", Value::Text("webhook".to_owned()));
        values.set("event.name", Value::Text("push".to_owned()));
        values.set("event.action", Value::Text("push".to_owned()));
        values.set("in_setup", Value::Flag(false));
        values
    }
}

impl PipelineValues {
    /// What a trigger says. `number` is the pipeline's: the run's, which counts up. `default_branch` is the
    /// repository's. Inputs of a manual dispatch are pipeline parameters.
    pub fn of_trigger(trigger: &Trigger, number: u64, default_branch: &str) -> Self {
        let mut values = Self::default();
        let mut text = |name: &str, value: &str| values.set(name, Value::Text(value.to_owned()));
        text("id", &format!("00000000-0000-0000-0000-{number:012}"));
        text("project.git_url", &format!("https://github.com/{}", trigger.repository));
        text("project.slug", &format!("gh/{}", trigger.repository));
        text("git.tag", trigger.tag().unwrap_or_default());
        text("git.branch", trigger.source_branch().unwrap_or_default());
        text("git.revision", trigger.sha.as_str());
        text("git.base_revision", trigger.before.as_ref().map_or("", |sha| sha.as_str()));
        text("trigger_source", trigger_source(trigger.event));
        let event = match trigger.event {
            Event::WorkflowDispatch | Event::RepositoryDispatch => "api",
            other => other.as_str(),
        };
        text("event.name", event);
        text("event.action", trigger.action.as_deref().unwrap_or(event));
        values.set("number", Value::Number(number));
        values.set("git.branch.is_default", Value::Flag(trigger.source_branch() == Some(default_branch)));
        values.parameters = trigger.inputs.clone();
        values
    }

    /// Sets the value of `pipeline.<name>`.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Gives the pipeline parameter `pipeline.parameters.<name>`; its text is read as the declared type.
    pub fn set_parameter(&mut self, name: &str, text: &str) {
        self.parameters.insert(name.to_owned(), text.to_owned());
    }

    /// The value of `pipeline.<name>`; none when CircleCI has no such value.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.values.get(name) {
            return Some(value.clone());
        }
        let is_known = NAMES.contains(&name) || OPEN_ROOTS.iter().any(|root| name.starts_with(root));
        is_known.then(|| Value::Text(String::new()))
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }
}

fn trigger_source(event: Event) -> &'static str {
    match event {
        Event::Schedule => "scheduled_pipeline",
        Event::WorkflowDispatch | Event::RepositoryDispatch => "api",
        _ => "webhook",
    }
}
