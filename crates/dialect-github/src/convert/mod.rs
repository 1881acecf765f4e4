//! Tokens that the schema allows, made into the typed workflow; what the schema cannot say is checked here.

mod cron;
mod event;
mod job;
mod needs;
mod steps;
mod strategy;
mod value;

use std::sync::LazyLock;

use sluice_expression::{Expression, ParseError, Vocabulary};
use sluice_plan::{Concurrency, Defaults, Late};
use sluice_source::{Diagnostic, Location, Span};

use crate::permissions::Grants;
use crate::schema::Names;
use crate::token::{Content, Token, combined};
use crate::workflow::Workflow;

/// Makes the workflow. Errors go to `diagnostics`; the workflow is whole only if there is none.
pub(crate) fn workflow(
    path: &str,
    text: &str,
    root: Token,
    max_errors: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Workflow {
    let mut converter = Converter::new(path, Names::STEP_IF, max_errors, diagnostics);
    let mut workflow = Workflow {
        path: path.to_owned(),
        text: text.to_owned(),
        name: root.get("name").and_then(Token::as_text).map(str::to_owned),
        run_name: root.get("run-name").map(Token::to_template),
        events: Vec::new(),
        env: Vec::new(),
        defaults: Defaults::default(),
        permissions: root.get("permissions").and_then(Grants::of),
        concurrency: None,
        jobs: Vec::new(),
        root,
    };
    let root = &workflow.root;
    workflow.events = root.get("on").map(|on| converter.events(on)).unwrap_or_default();
    workflow.env = root.get("env").map(|env| converter.env(env)).unwrap_or_default();
    workflow.defaults = root.get("defaults").map(value::defaults).unwrap_or_default();
    workflow.concurrency = root.get("concurrency").and_then(|token| converter.concurrency(token));
    workflow.jobs = root.get("jobs").map(|jobs| converter.jobs(jobs)).unwrap_or_default();
    workflow
}

pub(crate) use value::{expression_of, expression_of_source};

/// Makes what a file says out of its tokens.
pub(crate) struct Converter<'a> {
    path: &'a str,
    /// What the conditions of steps may name.
    step_if: Names,
    max_errors: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Converter<'a> {
    pub(crate) fn new(
        path: &'a str,
        step_if: Names,
        max_errors: usize,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self { path, step_if, max_errors, diagnostics }
    }
}

impl Converter<'_> {
    pub(crate) fn error(&mut self, code: &str, span: Span, message: impl Into<String>) {
        if self.diagnostics.len() < self.max_errors {
            self.diagnostics.push(Diagnostic::error(code, span.at(self.path), span.length(), message));
        }
    }

    pub(crate) fn error_with_help(&mut self, code: &str, span: Span, message: impl Into<String>, help: &str) {
        if self.diagnostics.len() < self.max_errors {
            let error = Diagnostic::error(code, span.at(self.path), span.length(), message);
            self.diagnostics.push(error.with_help(help));
        }
    }

    fn warning(&mut self, code: &str, span: Span, message: impl Into<String>) {
        if self.diagnostics.len() < self.max_errors {
            self.diagnostics.push(Diagnostic::warning(code, span.at(self.path), span.length(), message));
        }
    }

    fn warning_with_help(&mut self, code: &str, span: Span, message: impl Into<String>, help: &str) {
        if self.diagnostics.len() < self.max_errors {
            let warning = Diagnostic::warning(code, span.at(self.path), span.length(), message);
            self.diagnostics.push(warning.with_help(help));
        }
    }

    /// Legal on GitHub, and not done here.
    fn not_supported(&mut self, span: Span, what: &str) {
        let message = format!("{what} is read and not acted on: Sluice does not support it");
        self.warning("github/not-supported", span, message);
    }

    fn at(&self, span: Span) -> Location {
        span.at(self.path)
    }

    /// An `if:`, with or without `${{ }}`. Blank is `success()`.
    pub(crate) fn condition(&mut self, token: Option<&Token>, names: Names) -> Expression {
        let source = token.map(|token| match &token.content {
            Content::Expression(template) => combined(template),
            _ => token.to_text().trim().to_owned(),
        });
        let parsed = match (source.as_deref(), token) {
            (None | Some(""), _) => Ok(success()),
            (Some(source), _) => Expression::parse_with(source, &Vocabulary::of(&names.spelled())),
        };
        match (parsed, token) {
            (Ok(expression), _) => expression,
            (Err(ParseError { message, .. }), Some(token)) => {
                self.error("github/expression", token.span, message);
                success()
            }
            (Err(_), None) => success(),
        }
    }

    fn concurrency(&mut self, token: &Token) -> Option<Concurrency> {
        let (group, mapping) = match &token.content {
            Content::Mapping(_) => (token.get("group")?, Some(token)),
            _ => (token, None),
        };
        if group.as_text().is_some_and(|text| text.chars().count() > 400) {
            let message = "Concurrency group name must be less than 400 characters";
            self.error("github/concurrency", token.span, message);
        }
        let cancel = mapping.and_then(|mapping| mapping.get("cancel-in-progress"));
        let queue = mapping.and_then(|mapping| mapping.get("queue")).and_then(Token::as_text);
        let cancel_in_progress = cancel.and_then(value::late_bool).unwrap_or(Late::Known(false));
        let keep_all_pending = queue == Some("max");
        if keep_all_pending && cancel_in_progress == Late::Known(true) {
            let message = "`queue: max` and `cancel-in-progress: true` exclude each other";
            self.error("github/concurrency", token.span, message);
        }
        Some(Concurrency { group: group.to_template(), cancel_in_progress, keep_all_pending })
    }
}

/// The condition of a job or a step that has none; parsed once, and a clone is cheap.
pub(crate) fn success() -> Expression {
    static SUCCESS: LazyLock<Expression> = LazyLock::new(|| value::expression_of_source("success()"));
    SUCCESS.clone()
}
