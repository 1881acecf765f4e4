use sluice_expression::{Expression, Template};
use sluice_plan::{Defaults, EnvEntry, Late, Named};

use super::Converter;
use crate::token::{Content, Token, combined};

/// A template as one expression.
pub(crate) fn expression_of(template: &Template) -> Expression {
    match template.as_expression() {
        Some(expression) => expression.clone(),
        None => expression_of_source(&combined(template)),
    }
}

/// An expression out of a text that was checked already. One that grew too long by that becomes false, and nothing panics.
pub(crate) fn expression_of_source(source: &str) -> Expression {
    let parsed = Expression::parse(source).or_else(|_| Expression::parse("false"));
    // The literal parses, so that this is not reached.
    parsed.unwrap_or_else(|error| unreachable!("{error}"))
}

pub(super) fn late_bool(token: &Token) -> Option<Late<bool>> {
    match &token.content {
        Content::Bool(value) => Some(Late::Known(*value)),
        Content::Expression(template) => Some(Late::Expression(expression_of(template))),
        _ => None,
    }
}

pub(super) fn late_number(token: &Token) -> Option<Late<f64>> {
    match &token.content {
        Content::Number(value) => Some(Late::Known(*value)),
        Content::Expression(template) => Some(Late::Expression(expression_of(template))),
        _ => None,
    }
}

pub(super) fn defaults(token: &Token) -> Defaults {
    let run = token.get("run");
    let of = |key| run.and_then(|run| run.get(key)).map(Token::to_template);
    Defaults { shell: of("shell"), working_directory: of("working-directory") }
}

/// A value or a list of them, each as a template.
pub(super) fn one_or_more(token: &Token) -> Vec<Template> {
    match token.items() {
        Some(items) => items.iter().map(Token::to_template).collect(),
        None => vec![token.to_template()],
    }
}

impl Converter<'_> {
    pub(crate) fn env(&mut self, token: &Token) -> Vec<EnvEntry> {
        match &token.content {
            Content::Expression(template) => vec![EnvEntry::All(expression_of(template))],
            Content::Mapping(entries) => entries.iter().filter_map(|entry| self.env_entry(entry)).collect(),
            _ => Vec::new(),
        }
    }

    fn env_entry(&mut self, (key, value): &(Token, Token)) -> Option<EnvEntry> {
        match (&key.content, &value.content) {
            (Content::Text(name), _) => {
                Some(EnvEntry::Set { name: name.clone(), value: value.to_template() })
            }
            (Content::Insert, Content::Expression(template)) => Some(EnvEntry::All(expression_of(template))),
            _ => {
                self.not_supported(key.span, "an expression as the name of a variable");
                None
            }
        }
    }

    pub(super) fn named(&mut self, token: &Token, what: &str) -> Vec<Named<Template>> {
        let Some(entries) = token.entries() else {
            if !token.is_null() {
                self.not_supported(token.span, &format!("one expression for the whole of {what}"));
            }
            return Vec::new();
        };
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key.as_text() {
                Some(name) => named.push(Named::new(name, value.to_template())),
                None => self.not_supported(key.span, &format!("an expression as a key of {what}")),
            }
        }
        named
    }
}
