use sluice_expression::{Part, Template, Value};
use sluice_source::Span;

/// A value of a workflow file that stands where GitHub's schema allows it, with its place.
#[derive(Debug, Clone)]
pub struct Token {
    pub span: Span,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Text with at least one `${{ }}`.
    Expression(Template),
    /// The key `${{ insert }}`.
    Insert,
    Sequence(Vec<Token>),
    /// In the file's order; a key is a text, an expression or `insert`.
    Mapping(Vec<(Token, Token)>),
}

impl Token {
    pub(crate) fn new(span: Span, content: Content) -> Self {
        Self { span, content }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Token]> {
        match &self.content {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    pub fn entries(&self) -> Option<&[(Token, Token)]> {
        match &self.content {
            Content::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a mapping's key.
    pub fn get(&self, key: &str) -> Option<&Token> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value.
    pub fn entry(&self, key: &str) -> Option<&(Token, Token)> {
        self.entries()?.iter().find(|(name, _)| name.as_text() == Some(key))
    }

    pub fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    pub fn is_expression(&self) -> bool {
        matches!(self.content, Content::Expression(_) | Content::Insert)
    }

    /// Whether an expression stands in it, at any depth.
    pub fn has_expression(&self) -> bool {
        match &self.content {
            Content::Sequence(items) => items.iter().any(Self::has_expression),
            Content::Mapping(entries) => {
                entries.iter().any(|(key, value)| key.has_expression() || value.has_expression())
            }
            _ => self.is_expression(),
        }
    }

    /// A scalar as text: `true`, `3.1`, an empty text for nothing; the expression as GitHub's service combines it.
    pub fn to_text(&self) -> String {
        match &self.content {
            Content::Null | Content::Sequence(_) | Content::Mapping(_) => String::new(),
            Content::Bool(value) => value.to_string(),
            Content::Number(value) => Value::Number(*value).to_text(),
            Content::Text(text) => text.clone(),
            Content::Expression(template) => format!("${{{{ {} }}}}", combined(template)),
            Content::Insert => "${{ insert }}".to_owned(),
        }
    }

    /// A scalar as a template; null is an empty text.
    pub(crate) fn to_template(&self) -> Template {
        match &self.content {
            Content::Expression(template) => template.clone(),
            _ => Template::literal(self.to_text()),
        }
    }

    /// The value with its expressions kept as texts, for a matrix.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(*value),
            Content::Text(text) => Value::from(Template::literal(text.as_str()).source()),
            Content::Expression(template) => Value::from(template.source()),
            Content::Insert => Value::from("${{ insert }}"),
            Content::Sequence(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Mapping(entries) => {
                Value::object(entries.iter().map(|(key, value)| (key.to_text(), value.to_value())))
            }
        }
    }

    /// Calls `visit` with this token and every one below it, keys before their values.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Token)) {
        visit(self);
        match &self.content {
            Content::Sequence(items) => items.iter().for_each(|item| item.walk(visit)),
            Content::Mapping(entries) => {
                for (key, value) in entries {
                    key.walk(visit);
                    value.walk(visit);
                }
            }
            _ => {}
        }
    }
}

/// A template as the one expression that GitHub's service makes of it: `format('a {0}', github.ref)`.
pub fn combined(template: &Template) -> String {
    if let Some(expression) = template.as_expression() {
        return expression.source().to_owned();
    }
    let mut format = String::new();
    let mut arguments = String::new();
    let mut count = 0;
    for part in template.parts() {
        match part {
            Part::Text(text) => {
                format.push_str(&text.replace('\'', "''").replace('{', "{{").replace('}', "}}"));
            }
            Part::Expression { expression, .. } => {
                format.push_str(&format!("{{{count}}}"));
                arguments.push_str(", ");
                arguments.push_str(expression.source());
                count += 1;
            }
        }
    }
    format!("format('{format}'{arguments})")
}
