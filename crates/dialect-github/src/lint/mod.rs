//! What is legal but dangerous, or can never work. Every finding is a warning and says what to do.

mod names;
mod reach;
mod security;

use sluice_expression::{Expression, Node};
use sluice_source::{Diagnostic, Location, Span};

use crate::place;
use crate::token::{Content, Token};
use crate::workflow::Workflow;

pub(crate) fn check(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    let mut findings = Findings { workflow, diagnostics };
    security::check(workflow, &mut findings);
    reach::check(workflow, &mut findings);
    names::check(workflow, &mut findings);
}

struct Findings<'a> {
    workflow: &'a Workflow,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Findings<'_> {
    fn warn(&mut self, code: &str, at: Location, length: u32, message: String, help: impl Into<String>) {
        // One too many is enough for a reader; a hostile file has a million.
        if self.diagnostics.len() < 1000 {
            self.diagnostics.push(Diagnostic::warning(code, at, length, message).with_help(help));
        }
    }

    fn warn_at(&mut self, code: &str, span: Span, message: String, help: impl Into<String>) {
        self.warn(code, span.at(&self.workflow.path), span.length(), message, help);
    }
}

/// An expression of the file, and where it stands.
struct Found<'t> {
    token: &'t Token,
    expression: Expression,
    /// Which of the token's expressions this is; none: the whole token is one, without `${{ }}`.
    index: Option<usize>,
}

impl Found<'_> {
    /// The place of a part of the expression, or of its `${{` where the text is folded.
    fn place(&self, workflow: &Workflow, offset: usize) -> Location {
        let begin = match self.index {
            None => self.token.span.start,
            Some(index) => {
                place::of_expression(&workflow.text, self.token.span, index).unwrap_or(self.token.span.start)
            }
        };
        let rest = workflow.text.get(begin.byte as usize..).unwrap_or_default();
        let at = match rest.find(self.expression.source()) {
            Some(start) => {
                let part = self.expression.source().char_indices().nth(offset).map_or(0, |(byte, _)| byte);
                place::advanced(begin, &rest[..start + part])
            }
            None => begin,
        };
        Span::new(at, at).at(&workflow.path)
    }
}

/// The expressions in a value, at any depth, those in its keys too.
fn expressions(token: &Token) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    token.walk(&mut |token| {
        if let Content::Expression(template) = &token.content {
            let each = template.expressions().cloned().enumerate();
            found.extend(each.map(|(index, expression)| Found { token, expression, index: Some(index) }));
        }
    });
    found
}

/// The expression of an `if:`, which may stand without `${{ }}`.
fn condition(token: &Token) -> Vec<Found<'_>> {
    match &token.content {
        Content::Text(text) => match Expression::parse(text.trim()) {
            Ok(expression) => vec![Found { token, expression, index: None }],
            Err(_) => Vec::new(),
        },
        _ => expressions(token),
    }
}

/// The jobs with their tokens, in order.
fn job_tokens(workflow: &Workflow) -> impl Iterator<Item = (&crate::workflow::WorkflowJob, &Token)> {
    let tokens = workflow.root.get("jobs").and_then(Token::entries).unwrap_or_default();
    workflow.jobs.iter().zip(tokens.iter().map(|(_, token)| token))
}

/// The steps of a job, those within `parallel` too.
fn step_tokens(job: &Token) -> Vec<&Token> {
    let mut steps = Vec::new();
    for step in job.get("steps").and_then(Token::items).unwrap_or_default() {
        steps.push(step);
        if let Some(parallel) = step.get("parallel") {
            steps.extend(parallel.items().unwrap_or_default());
        }
    }
    steps
}

/// Whether a path of an expression names something below `prefix`, given as `github.event.pull_request`.
fn is_below(path: &[String], prefix: &str) -> bool {
    let mut segments = path.iter();
    prefix.split('.').all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
}

fn paths(node: &Node) -> Vec<Vec<String>> {
    node.paths().into_iter().map(|(path, _)| path).collect()
}
