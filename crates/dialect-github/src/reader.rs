use std::collections::{HashMap, HashSet};

use sluice_expression::{ParseError, Template, Value, Vocabulary};
use sluice_source::{Diagnostic, Kind, Node, Resolved, Span, did_you_mean_text, resolve};

use crate::limits::Limits;
use crate::place;
use crate::schema::{self, Form, Mapping, Names, Type};
use crate::token::{Content, Token};

/// Steps that GitHub does not offer in its message about a step that is none.
const BACKGROUND_STEP_KEYS: [&str; 4] = ["wait", "wait-all", "cancel", "parallel"];

/// A text that was measured too deep or too large: nothing more is read of it.
struct Refused;

/// Reads a node as `kind` of GitHub's schema. What is wrong goes to `diagnostics`.
pub(crate) fn read(
    path: &str,
    text: &str,
    root: &Node,
    kind: &'static Type,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Token> {
    let mut reader =
        Reader { path, text, limits, diagnostics, vocabularies: HashMap::new(), depth: 0, size_bytes: 0 };
    reader.value(root, kind, kind.names).ok()
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    limits: &'a Limits,
    diagnostics: &'a mut Vec<Diagnostic>,
    vocabularies: HashMap<Names, Vocabulary>,
    depth: usize,
    size_bytes: usize,
}

impl Reader<'_> {
    fn error(&mut self, code: &str, span: Span, message: impl Into<String>) -> Option<&mut Diagnostic> {
        if self.diagnostics.len() >= self.limits.errors {
            return None;
        }
        self.diagnostics.push(Diagnostic::error(code, span.at(self.path), span.length(), message));
        self.diagnostics.last_mut()
    }

    fn refuse(&mut self, code: &str, span: Span, message: &str) -> Refused {
        self.error(code, span, message);
        Refused
    }

    fn add_bytes(&mut self, token: &Token) -> Result<(), Refused> {
        self.size_bytes += size_bytes(&token.content);
        if self.size_bytes > self.limits.result_bytes {
            return Err(self.refuse("github/too-large", token.span, "Maximum object size exceeded"));
        }
        Ok(())
    }

    fn enter(&mut self, span: Span) -> Result<(), Refused> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.refuse("github/too-deep", span, "Maximum object depth exceeded"));
        }
        Ok(())
    }

    fn value(&mut self, node: &Node, kind: &'static Type, names: Names) -> Result<Token, Refused> {
        match &node.kind {
            Kind::Scalar(_) => {
                let token = self.scalar(node, names)?;
                let token = self.validated(token, kind, names);
                self.add_bytes(&token)?;
                Ok(token)
            }
            Kind::Sequence(items) => {
                self.enter(node.span)?;
                let mut token = Token::new(node.span, Content::Sequence(Vec::new()));
                self.add_bytes(&token)?;
                match kind.item() {
                    Some(item) => {
                        let names = names.and(item.names);
                        let items: Result<Vec<_>, _> =
                            items.iter().map(|node| self.value(node, item, names)).collect();
                        token.content = Content::Sequence(items?);
                    }
                    None => {
                        self.error("github/unexpected-sequence", node.span, "A sequence was not expected");
                        self.skip(node)?;
                    }
                }
                self.depth -= 1;
                Ok(token)
            }
            Kind::Mapping(_) => self.mapping(node, kind, names),
        }
    }

    /// Passes over a value whose place is wrong already; it still counts for the depth.
    fn skip(&mut self, node: &Node) -> Result<(), Refused> {
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::Sequence(items) => {
                for item in items.iter() {
                    self.skip_nested(item)?;
                }
            }
            Kind::Mapping(entries) => {
                for entry in entries.iter() {
                    self.skip_nested(&entry.value)?;
                }
            }
        }
        Ok(())
    }

    fn skip_nested(&mut self, node: &Node) -> Result<(), Refused> {
        if matches!(node.kind, Kind::Scalar(_)) {
            return Ok(());
        }
        self.enter(node.span)?;
        self.skip(node)?;
        self.depth -= 1;
        Ok(())
    }

    fn mapping(&mut self, node: &Node, kind: &'static Type, names: Names) -> Result<Token, Refused> {
        self.enter(node.span)?;
        let mut token = Token::new(node.span, Content::Mapping(Vec::new()));
        self.add_bytes(&token)?;
        let mut candidates = Vec::new();
        kind.mappings(&mut candidates);
        if candidates.is_empty() {
            self.error("github/unexpected-mapping", node.span, "A mapping was not expected");
            self.skip(node)?;
        } else {
            token.content = Content::Mapping(self.entries(node, candidates, names)?);
        }
        self.depth -= 1;
        Ok(token)
    }

    fn entries(
        &mut self,
        node: &Node,
        mut candidates: Vec<&'static Mapping>,
        names: Names,
    ) -> Result<Vec<(Token, Token)>, Refused> {
        let is_record = candidates.iter().any(|mapping| !mapping.properties.is_empty());
        let loose = candidates[0].loose;
        let mut seen = HashSet::new();
        let mut has_expression_key = false;
        let mut entries = Vec::new();
        for entry in node.entries().unwrap_or_default() {
            if !matches!(entry.key.kind, Kind::Scalar(_)) {
                self.error("github/unexpected-value", entry.key.span, "Expected a scalar value");
                self.skip_nested(&entry.value)?;
                continue;
            }
            let key = self.scalar(&entry.key, names)?;
            if key.is_expression() {
                has_expression_key = true;
                if names.is_none() {
                    self.error(
                        "github/expression-not-allowed",
                        key.span,
                        "A template expression is not allowed in this context",
                    );
                    self.skip_nested(&entry.value)?;
                    continue;
                }
                self.add_bytes(&key)?;
                let kind =
                    if is_record { &schema::ANY } else { loose.map_or(&schema::ANY, |(_, value)| value) };
                let value = self.value(&entry.value, kind, names.and(kind.names))?;
                entries.push((key, value));
                continue;
            }
            let key = Token::new(key.span, Content::Text(key.to_text()));
            let name = key.as_text().unwrap_or_default();
            if !seen.insert(name.to_uppercase()) {
                let message = format!("'{name}' is already defined");
                self.error("github/duplicate-key", key.span, message);
                self.skip_nested(&entry.value)?;
                continue;
            }
            let kind = match (match_property(&mut candidates, name), loose) {
                (Some(kind), _) => kind,
                (None, Some((key_kind, value_kind))) => {
                    self.validated(key.clone(), key_kind, names.and(key_kind.names));
                    value_kind
                }
                (None, None) => {
                    self.unexpected_key(&key, &candidates);
                    self.skip_nested(&entry.value)?;
                    continue;
                }
            };
            self.add_bytes(&key)?;
            let value = self.value(&entry.value, kind, names.and(kind.names))?;
            entries.push((key, value));
        }
        self.check_complete(node, &candidates, &seen, has_expression_key);
        Ok(entries)
    }

    fn unexpected_key(&mut self, key: &Token, candidates: &[&'static Mapping]) {
        let name = key.as_text().unwrap_or_default();
        let known = candidates.iter().flat_map(|mapping| mapping.properties).map(|property| property.name);
        let suggestion = did_you_mean_text(name, known.clone());
        let mut allowed: Vec<&str> = known.collect();
        allowed.sort_unstable();
        allowed.dedup();
        if let Some(error) =
            self.error("github/unexpected-value", key.span, format!("Unexpected value '{name}'"))
        {
            error.help.extend(suggestion);
            error.help.push(format!("the keys here are {}", allowed.join(", ")));
        }
    }

    fn check_complete(
        &mut self,
        node: &Node,
        candidates: &[&'static Mapping],
        seen: &HashSet<String>,
        has_expression_key: bool,
    ) {
        if let [_, _, ..] = candidates {
            let mut count: HashMap<&str, usize> = HashMap::new();
            for property in candidates.iter().flat_map(|mapping| mapping.properties) {
                *count.entry(property.name).or_default() += 1;
            }
            let is_telling =
                |(name, count): &(&str, usize)| *count == 1 && !BACKGROUND_STEP_KEYS.contains(name);
            let mut telling: Vec<&str> = count.into_iter().filter(is_telling).map(|(name, _)| name).collect();
            telling.sort_unstable();
            let message = format!(
                "There's not enough info to determine what you meant. Add one of these properties: {}",
                telling.join(", ")
            );
            self.error("github/ambiguous", node.span, message);
        } else if let ([mapping], false) = (candidates, has_expression_key) {
            for property in mapping.properties {
                if property.required && !seen.contains(&property.name.to_uppercase()) {
                    let message = format!("Required property is missing: {}", property.name);
                    self.error("github/missing-property", node.span, message);
                }
            }
        }
    }

    /// A scalar by YAML's core schema, with the expressions in it.
    fn scalar(&mut self, node: &Node, names: Names) -> Result<Token, Refused> {
        let content = match resolve(node) {
            None | Some(Resolved::Null) => Content::Null,
            Some(Resolved::Bool(value)) => Content::Bool(value),
            Some(Resolved::Int(value)) => Content::Number(value as f64),
            Some(Resolved::Float(value)) => Content::Number(value),
            Some(Resolved::String(text)) => {
                self.check_tag(node, text)?;
                self.text(text, node.span, names)
            }
        };
        Ok(Token::new(node.span, content))
    }

    /// `!!bool test` is no boolean, and an own tag means nothing.
    fn check_tag(&mut self, node: &Node, text: &str) -> Result<(), Refused> {
        let Some(tag) = node.tag.as_deref().filter(|tag| !matches!(*tag, "tag:yaml.org,2002:str" | "!"))
        else {
            return Ok(());
        };
        let message = if tag.starts_with("tag:yaml.org,2002:") {
            let start = place::of_tag(self.text, node.span);
            format!(
                "The value '{text}' on line {} and column {} is invalid for the type '{tag}'",
                start.line, start.column
            )
        } else {
            format!("Unexpected tag '{tag}'")
        };
        Err(self.refuse("github/tag", node.span, &message))
    }

    fn text(&mut self, text: &str, span: Span, names: Names) -> Content {
        if !text.contains("${{") {
            return Content::Text(text.to_owned());
        }
        let directive =
            text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
        if directive == Some("insert") {
            return Content::Insert;
        }
        let vocabulary = self.vocabularies.entry(names).or_insert_with(|| Vocabulary::of(&names.spelled()));
        match Template::parse_with(text, vocabulary) {
            Ok(template) => match template.as_expression().map(|expression| expression.tree()) {
                Some(sluice_expression::Node::Literal { value: Value::String(text), .. }) => {
                    Content::Text(text.clone())
                }
                _ => Content::Expression(template),
            },
            Err(error) => {
                self.expression_error(text, span, &error, names);
                Content::Text(text.to_owned())
            }
        }
    }

    /// At the scalar's place, as GitHub says it; a label shows the expression itself.
    fn expression_error(&mut self, text: &str, span: Span, error: &ParseError, names: Names) {
        let before: String = text.chars().take(error.offset).collect();
        let index = before.matches("${{").count().saturating_sub(1);
        let label = place::of_expression(self.text, span, index)
            .filter(|at| *at != span.start)
            .map(|at| Span::new(at, at).at(self.path));
        let hint = names_hint(&error.message, names);
        if let Some(diagnostic) = self.error("github/expression", span, error.message.as_str()) {
            if let Some(location) = label {
                let message = "in this expression".to_owned();
                diagnostic.labels.push(sluice_source::Label { location, length: 3, message });
            }
            diagnostic.help.extend(hint);
        }
    }

    fn validated(&mut self, token: Token, kind: &'static Type, names: Names) -> Token {
        let (is_legal, as_text) = match &token.content {
            Content::Expression(_) => {
                if names.is_none() {
                    let message = "A template expression is not allowed in this context";
                    self.error("github/expression-not-allowed", token.span, message);
                }
                return token;
            }
            Content::Insert => (false, None),
            Content::Text(text) => (kind.any(&mut |form| accepts_text(form, text)), None),
            Content::Null => (kind.any(&mut |form| matches!(form, Form::Null)), Some(String::new())),
            Content::Bool(_) => (kind.any(&mut |form| matches!(form, Form::Boolean)), Some(token.to_text())),
            Content::Number(_) => (kind.any(&mut |form| matches!(form, Form::Number)), Some(token.to_text())),
            Content::Sequence(_) | Content::Mapping(_) => (true, None),
        };
        if is_legal {
            return token;
        }
        if let Some(text) = as_text
            && kind.any(&mut |form| accepts_text(form, &text))
        {
            return Token::new(token.span, Content::Text(text));
        }
        self.unexpected_value(&token, kind);
        token
    }

    fn unexpected_value(&mut self, token: &Token, kind: &'static Type) {
        let seen = token.to_text();
        let mut choices = kind.choices();
        if kind.any(&mut |form| matches!(form, Form::Boolean)) {
            choices.extend(["true", "false"]);
        }
        if kind.any(&mut |form| matches!(form, Form::Number)) {
            choices.push("a number");
        }
        let suggestion = did_you_mean_text(&seen, choices.iter().copied());
        if let Some(error) =
            self.error("github/unexpected-value", token.span, format!("Unexpected value '{seen}'"))
        {
            error.help.extend(suggestion);
            if !choices.is_empty() {
                error.help.push(format!("it may be {}", choices.join(", ")));
            }
        }
    }
}

/// What an unknown name may have meant, and which are known here.
fn names_hint(message: &str, names: Names) -> Vec<String> {
    let Some(rest) = message.strip_prefix("Unrecognized named-value: '") else { return Vec::new() };
    let Some((name, _)) = rest.split_once('\'') else { return Vec::new() };
    let known: Vec<&str> = names.spelled().into_iter().filter(|name| !name.contains('(')).collect();
    let mut help: Vec<String> = did_you_mean_text(name, known.iter().copied()).into_iter().collect();
    help.push(match known.as_slice() {
        [] => "no context is known here".to_owned(),
        known => format!("the contexts here are {}", known.join(", ")),
    });
    help
}

fn accepts_text(form: &Form, text: &str) -> bool {
    match form {
        Form::Text => true,
        Form::NonEmptyText => !text.is_empty(),
        Form::Texts(choices) => choices.contains(&text),
        _ => false,
    }
}

/// The type of a key's value. Of several mappings that this may be, those without the key are out.
fn match_property(candidates: &mut Vec<&'static Mapping>, name: &str) -> Option<&'static Type> {
    let property =
        |mapping: &&'static Mapping| mapping.properties.iter().find(|property| property.name == name);
    let found = candidates.iter().rev().find_map(property)?;
    if candidates.len() > 1 {
        candidates.retain(|mapping| property(mapping).is_some());
    }
    Some(found.value)
}

/// As GitHub's service estimates memory: 24 bytes a value, 26 and two a character for text.
fn size_bytes(content: &Content) -> usize {
    const OBJECT: usize = 24;
    const TEXT: usize = 26;
    match content {
        Content::Text(text) => OBJECT + TEXT + 2 * text.len(),
        Content::Expression(template) => OBJECT + TEXT + 2 * template.source().len(),
        _ => OBJECT,
    }
}
