use std::fmt;

use serde::{Deserialize, Serialize};

/// One parsed expression, without its `${{ }}`. Stored and sent as its source text; parsed once, when it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
}

/// Text in which `${{ }}` may stand. Stored and sent as its source text; parsed once, when it is made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    source: String,
}

/// Why a text is not an expression or a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    pub message: String,
    /// Characters from the start of the text.
    pub offset: usize,
}

impl Expression {
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.to_owned() })
    }
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Template {
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.to_owned() })
    }
    /// Text that is taken as it is: `${{` has no meaning in it (CircleCI's dialect, generated steps).
    pub fn literal(text: impl Into<String>) -> Self {
        Self { source: text.into() }
    }
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl TryFrom<String> for Expression {
    type Error = TemplateError;
    fn try_from(source: String) -> Result<Self, TemplateError> {
        Self::parse(&source)
    }
}
impl From<Expression> for String {
    fn from(expression: Expression) -> String {
        expression.source
    }
}
impl TryFrom<String> for Template {
    type Error = TemplateError;
    fn try_from(source: String) -> Result<Self, TemplateError> {
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
