use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::tree::Node;
use crate::{
    Context, ErrorKind, EvaluationError, ParseError, StatusFunction, Value, Vocabulary, evaluate, parser,
};

static ANY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::any);

/// One parsed expression, without its `${{ }}`. Stored and sent as its source text; parsed once, when it is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
    tree: Arc<Node>,
}

/// Two expressions are equal when they are written alike.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Expression {
    /// Parses an expression in which any context and any function may be named; an unknown context shows when it is evaluated.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Self::parse_with(source, &ANY)
    }

    /// Parses an expression for a place where only the names in `vocabulary` are available.
    pub fn parse_with(source: &str, vocabulary: &Vocabulary) -> Result<Self, ParseError> {
        let tree = parser::parse(source, vocabulary)?.ok_or_else(|| ParseError {
            kind: ErrorKind::Parsing,
            message: "An expression was expected".to_owned(),
            offset: 0,
        })?;
        Ok(Self { source: source.to_owned(), tree: Arc::new(tree) })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn tree(&self) -> &Node {
        &self.tree
    }

    pub fn evaluate(&self, context: &dyn Context) -> Result<Value, EvaluationError> {
        evaluate::evaluate(&self.tree, &self.source, context)
    }

    /// Whether `success()`, `failure()`, `always()` or `cancelled()` stands in it, so that no `success()` is implied.
    pub fn uses_status_function(&self) -> bool {
        let mut found = false;
        self.tree.walk(&mut |node| {
            if let Node::Call { function, .. } = node {
                found |= StatusFunction::of_name(function).is_some();
            }
        });
        found
    }

    /// The contexts that it names, in lower case, each once, in order of appearance.
    pub fn contexts(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.tree.walk(&mut |node| {
            if let Node::Context { name, .. } = node {
                let name = name.to_lowercase();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        });
        names
    }
}

/// The expression in GitHub's plainest spelling; [`Expression::source`] is how it was written.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Text(String),
    /// What stood between `${{` and `}}`, and where it began: characters from the start of the template.
    Expression {
        expression: Expression,
        offset: usize,
    },
}

/// Text in which `${{ }}` may stand. Stored and sent as its source text; parsed once, when it is made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

/// Two templates are equal when they are written alike.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Template {
    const OPEN: &str = "${{";

    /// Parses a text in which expressions may name anything.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Self::parse_with(source, &ANY)
    }

    /// Parses a text for a place where only the names in `vocabulary` are available. The error is the first one's.
    pub fn parse_with(source: &str, vocabulary: &Vocabulary) -> Result<Self, ParseError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = source[at..].find(Self::OPEN) {
            push_text(&mut parts, &source[at..at + open]);
            let start = at + open + Self::OPEN.len();
            let offset = source[..start].chars().count();
            let Some(length) = expression_length(&source[start..]) else {
                return Err(ParseError {
                    kind: ErrorKind::Parsing,
                    message: "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} \
                              sequence was not found."
                        .to_owned(),
                    offset: offset - Self::OPEN.len(),
                });
            };
            let inside = &source[start..start + length];
            let leading = inside.chars().take_while(|c| c.is_whitespace()).count();
            let expression = Expression::parse_with(inside.trim(), vocabulary)
                .map_err(|error| ParseError { offset: error.offset + offset + leading, ..error })?;
            parts.push(Part::Expression { expression, offset: offset + leading });
            at = start + length + "}}".len();
        }
        push_text(&mut parts, &source[at..]);
        Ok(Self { source: source.to_owned(), parts })
    }

    /// Text that is taken as it is: `${{` has no meaning in it (CircleCI's dialect, generated steps).
    ///
    /// Its source spells `${{` as an expression, so that it reads back as what it was.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        let source =
            if text.contains(Self::OPEN) { text.replace(Self::OPEN, "${{ '${{' }}") } else { text.clone() };
        let mut parts = Vec::new();
        push_text(&mut parts, &text);
        Self { source, parts }
    }

    /// The text from which this template can be parsed again.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The expressions in it, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression { expression, .. } => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text, where no expression stands in it.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression, where the template is exactly one.
    pub fn as_expression(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression { expression, .. }] => Some(expression),
            _ => None,
        }
    }

    /// The template with other expressions in place of its own. Fails where one of them is no expression any more.
    pub fn map_expressions<E>(
        &self,
        map: &mut impl FnMut(&Expression) -> Result<Expression, E>,
    ) -> Result<Self, E>
    where
        E: From<ParseError>,
    {
        let mut source = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => source.push_str(Self::literal(text.as_str()).source()),
                Part::Expression { expression, .. } => {
                    source.push_str(&format!("${{{{ {} }}}}", map(expression)?.source()));
                }
            }
        }
        Ok(Self::parse(&source)?)
    }

    /// The text with every expression's value put in, up to the context's memory limit.
    pub fn evaluate_text(&self, context: &dyn Context) -> Result<String, EvaluationError> {
        let limit = context.memory_limit_bytes();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expression { expression, .. } => {
                    text.push_str(&expression.evaluate(context)?.to_text());
                    if text.len() > limit {
                        return Err(EvaluationError::OutOfMemory);
                    }
                }
            }
        }
        Ok(text)
    }

    /// The value: of the expression where the template is exactly one, a text otherwise.
    pub fn evaluate(&self, context: &dyn Context) -> Result<Value, EvaluationError> {
        match self.as_expression() {
            Some(expression) => expression.evaluate(context),
            None => self.evaluate_text(context).map(Value::String),
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// Bytes up to the closing `}}`, which does not count inside a quoted text.
fn expression_length(text: &str) -> Option<usize> {
    let mut in_text = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => in_text = !in_text,
            b'}' if !in_text && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

impl TryFrom<String> for Expression {
    type Error = ParseError;
    fn try_from(source: String) -> Result<Self, ParseError> {
        Self::parse(&source)
    }
}
impl From<Expression> for String {
    fn from(expression: Expression) -> String {
        expression.source
    }
}
impl TryFrom<String> for Template {
    type Error = ParseError;
    fn try_from(source: String) -> Result<Self, ParseError> {
        Self::parse(&source)
    }
}
impl From<Template> for String {
    fn from(template: Template) -> String {
        template.source
    }
}
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
