use sluice_expression::Template;
use sluice_source::Span;

use crate::filter::Pattern;

/// One event of `on:`, with its filters.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// `push`, `pull_request`, …
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Activity types; none: those that the event has by default.
    pub types: Option<Vec<String>>,
    pub branches: Option<Patterns>,
    pub tags: Option<Patterns>,
    pub paths: Option<Patterns>,
    /// `workflow_run`: names of workflows. `image_version`: `names` and `versions` too.
    pub workflows: Option<Vec<String>>,
    pub names: Option<Vec<String>>,
    pub versions: Option<Vec<String>>,
    /// `schedule`.
    pub schedules: Vec<Schedule>,
    /// `workflow_dispatch` and `workflow_call`.
    pub inputs: Vec<Input>,
    /// `workflow_call`.
    pub secrets: Vec<SecretInput>,
    /// `workflow_call`.
    pub outputs: Vec<CallOutput>,
}

impl EventFilter {
    pub(crate) fn new(name: &str, span: Span) -> Self {
        Self {
            name: name.to_owned(),
            span,
            types: None,
            branches: None,
            tags: None,
            paths: None,
            workflows: None,
            names: None,
            versions: None,
            schedules: Vec::new(),
            inputs: Vec::new(),
            secrets: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

/// `branches:` or `branches-ignore:`, and so on.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// The key as it stands in the file.
    pub key: &'static str,
    /// Whether what matches is left out.
    pub ignores: bool,
    pub patterns: Vec<Pattern>,
}

impl Patterns {
    /// As in the file, for messages: `branches: [main, 'v*']`.
    pub fn describe(&self) -> String {
        let patterns: Vec<&str> = self.patterns.iter().map(Pattern::source).collect();
        format!("{}: [{}]", self.key, patterns.join(", "))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// An IANA name; none: UTC.
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    String,
    Boolean,
    Number,
    Choice,
    Environment,
}

/// An input of a manual dispatch or of a reusable workflow.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub span: Span,
    pub kind: InputKind,
    pub description: Option<String>,
    pub required: bool,
    pub default: Option<Template>,
    /// Of a `choice`.
    pub options: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct SecretInput {
    pub name: String,
    pub required: bool,
}

#[derive(Debug, Clone)]
pub struct CallOutput {
    pub name: String,
    pub value: Template,
}
