//! Puts values in place of `<< >>`.

use std::collections::HashMap;

use sluice_source::{Entry, Kind, Node, Span, Style, did_you_mean_text};

use crate::expander::Expander;
use crate::logic::is_truthy;
use crate::scalar::{Type, boolean};
use crate::scope::ScopeId;
use crate::template::{Part, TemplateError, has_template, only_value, parse};
use crate::values::PipelineValues;

/// An argument, as the element that was called has it.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Value(Node),
    /// Expanded already, in the scope of whoever wrote them.
    Steps(Vec<Node>),
    /// A name, or a map with a name and arguments, for the scope of whoever wrote it.
    Executor(Node, ScopeId),
}

pub(crate) type Arguments = HashMap<String, Argument>;

/// What `<< >>` can mean at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) scope: ScopeId,
    /// Of the command, job or executor around the place.
    pub(crate) parameters: Option<&'a Arguments>,
    pub(crate) matrix: Option<&'a [(String, Node)]>,
}

impl Names<'_> {
    /// Outside of every element: only pipeline values.
    pub(crate) fn outside(scope: ScopeId) -> Self {
        Self { scope, parameters: None, matrix: None }
    }
}

impl Expander<'_> {
    /// The node with every `<< >>` replaced. None after an error, which is in the report.
    pub(crate) fn substitute(&mut self, node: &Node, names: &Names<'_>) -> Option<Node> {
        if !self.is_reusable || !contains_template(node) {
            return Some(node.clone());
        }
        match &node.kind {
            Kind::Scalar(scalar) => {
                let text = scalar.text.clone();
                self.substitute_scalar(node, &text, names)
            }
            Kind::Sequence(items) => {
                let items =
                    items.iter().map(|item| self.substitute(item, names)).collect::<Option<Vec<_>>>()?;
                Some(Node { kind: Kind::Sequence(items.into()), ..node.clone() })
            }
            Kind::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| {
                        let key = self.substitute(&entry.key, names)?;
                        let value = self.substitute_value(entry, names)?;
                        Some(Entry { key, value })
                    })
                    .collect::<Option<Vec<_>>>()?;
                Some(Node { kind: Kind::Mapping(entries.into()), ..node.clone() })
            }
        }
    }

    /// The value of a key: those of an `environment` are variables.
    pub(crate) fn substitute_value(&mut self, entry: &Entry, names: &Names<'_>) -> Option<Node> {
        let value = self.substitute(&entry.value, names)?;
        Some(if entry.key.text() == Some("environment") { with_nil(&entry.value, value) } else { value })
    }

    /// The argument that a node is as a whole, when it is nothing but `<< name >>`.
    pub(crate) fn whole_argument(&mut self, node: &Node, names: &Names<'_>) -> Option<Option<Argument>> {
        let name = node.text().and_then(only_value).filter(|_| self.is_reusable)?.to_owned();
        Some(self.lookup(&name, names, node.place()))
    }

    fn substitute_scalar(&mut self, node: &Node, text: &str, names: &Names<'_>) -> Option<Node> {
        if let Some(argument) = self.whole_argument(node, names) {
            // The value keeps its type, and stands where it is used.
            let mut value = match argument? {
                Argument::Value(value) | Argument::Executor(value, _) => value,
                Argument::Steps(steps) => Node::sequence(steps, node.span),
            };
            self.charge(&value, node.place())?;
            if value.as_scalar().is_some() {
                (value.span, value.alias) = (node.span, node.alias);
            }
            return Some(value);
        }
        let parts = match parse(text) {
            Ok(parts) => parts,
            Err(TemplateError::Unbalanced(name)) => {
                let message = format!("the section `{name}` is opened or closed without the other half");
                self.report.error("template", node.place(), message);
                return None;
            }
            Err(TemplateError::TooDeep) => {
                self.report.error("template", node.place(), "sections are nested too deeply");
                return None;
            }
        };
        let mut rendered = String::with_capacity(text.len());
        self.render(&parts, names, node.place(), &mut rendered)?;
        let style = if node.as_scalar().is_some_and(|scalar| scalar.style == Style::Literal) {
            Style::Literal
        } else {
            Style::DoubleQuoted
        };
        let mut result = Node::scalar(rendered, style, node.span);
        result.alias = node.alias;
        Some(result)
    }

    fn render(&mut self, parts: &[Part], names: &Names<'_>, place: Span, into: &mut String) -> Option<()> {
        for part in parts {
            let before = into.len();
            match part {
                Part::Text(text) => into.push_str(text),
                Part::Value(name) => {
                    let argument = self.lookup(name, names, place)?;
                    self.push_text(name, &argument, place, into)?;
                }
                Part::Section { name, is_inverted, parts } => {
                    let is_on = match self.lookup(name, names, place)? {
                        Argument::Value(value) => is_truthy(&value),
                        Argument::Steps(steps) => !steps.is_empty(),
                        Argument::Executor(..) => true,
                    };
                    if is_on != *is_inverted {
                        self.render(parts, names, place, into)?;
                    }
                }
            }
            self.spend(into.len() - before, place)?;
        }
        Some(())
    }

    fn push_text(&mut self, name: &str, argument: &Argument, place: Span, into: &mut String) -> Option<()> {
        match argument {
            Argument::Value(value) | Argument::Executor(value, _) if value.as_scalar().is_some() => {
                let text = value.text().unwrap_or_default();
                match Type::of(value) {
                    Type::Null => {}
                    Type::Boolean => {
                        into.push_str(if boolean(text) == Some(true) { "true" } else { "false" })
                    }
                    _ => into.push_str(text),
                }
                Some(())
            }
            _ => {
                let message = format!("`<< {name} >>` is a list or a map, and stands here within a text");
                self.report.error("template", place, message);
                None
            }
        }
    }

    fn lookup(&mut self, name: &str, names: &Names<'_>, place: Span) -> Option<Argument> {
        if let Some(name) = name.strip_prefix("parameters.") {
            return self.lookup_parameter(name, names, place);
        }
        if let Some(name) = name.strip_prefix("matrix.") {
            let value = names.matrix.and_then(|matrix| matrix.iter().find(|(key, _)| key == name));
            if value.is_none() {
                let message = match names.matrix {
                    Some(_) => format!("the matrix has no parameter `{name}`"),
                    None => format!("`<< matrix.{name} >>` stands outside of a job with a `matrix`"),
                };
                self.report.error("unknown-argument", place, message);
            }
            return value.map(|(_, value)| Argument::Value(value.clone()));
        }
        let name = name.strip_prefix("pipeline.").unwrap_or(name);
        match name.strip_prefix("parameters.") {
            Some(parameter) => self.lookup_pipeline_parameter(parameter, names, place),
            None => match self.values.get(name) {
                Some(value) => Some(Argument::Value(value.to_node(place))),
                None => {
                    let mut error = self.report.new_error(
                        "unknown-argument",
                        place,
                        format!("`pipeline.{name}` is no pipeline value"),
                    );
                    error.help.extend(did_you_mean_text(name, PipelineValues::names()));
                    self.report.push(error);
                    None
                }
            },
        }
    }

    fn lookup_parameter(&mut self, name: &str, names: &Names<'_>, place: Span) -> Option<Argument> {
        if let Some(argument) = names.parameters.and_then(|parameters| parameters.get(name)) {
            return Some(argument.clone());
        }
        if self.report.is_full() {
            return None;
        }
        // CircleCI's own words.
        let message = format!("Arguments referenced without declared parameters: {name}");
        let mut error = self.report.new_error("unknown-argument", place, message);
        let mut declared: Vec<&str> =
            names.parameters.map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default();
        declared.sort_unstable();
        error.help.push(did_you_mean_text(name, declared).unwrap_or_else(|| {
            format!("declare `{name}` under `parameters` of the job, command or executor that this stands in")
        }));
        self.report.push(error);
        None
    }

    fn lookup_pipeline_parameter(&mut self, name: &str, names: &Names<'_>, place: Span) -> Option<Argument> {
        if names.scope != ScopeId::ROOT {
            let message = format!("`<< pipeline.parameters.{name} >>` stands in an orb, which cannot see it");
            let error = self
                .report
                .new_error("unknown-argument", place, message)
                .with_help("pass it to the orb's job or command as an argument");
            self.report.push(error);
            return None;
        }
        if let Some(value) = self.pipeline_parameters.get(name) {
            return value.clone().map(Argument::Value);
        }
        if self.report.is_full() {
            return None;
        }
        let message = format!("Arguments referenced without declared parameters: pipeline.parameters.{name}");
        let mut error = self.report.new_error("unknown-argument", place, message);
        let mut declared: Vec<&str> = self.pipeline_parameters.keys().map(String::as_str).collect();
        declared.sort_unstable();
        error.help.push(
            did_you_mean_text(name, declared)
                .unwrap_or_else(|| format!("declare `{name}` under `parameters` at the top of the config")),
        );
        self.report.push(error);
        None
    }

    /// Counts the nodes that a value brings to the place that uses it.
    fn charge(&mut self, value: &Node, place: Span) -> Option<()> {
        if value.as_scalar().is_some() {
            return Some(());
        }
        fn size(node: &Node) -> usize {
            match &node.kind {
                Kind::Scalar(scalar) => 1 + scalar.text.len(),
                Kind::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
                Kind::Mapping(entries) => {
                    1 + entries.iter().map(|entry| size(&entry.key) + size(&entry.value)).sum::<usize>()
                }
            }
        }
        self.spend(size(value), place)
    }
}

fn contains_template(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(scalar) => has_template(&scalar.text),
        Kind::Sequence(items) => items.iter().any(contains_template),
        Kind::Mapping(entries) => {
            entries.iter().any(|entry| contains_template(&entry.key) || contains_template(&entry.value))
        }
    }
}

/// Variables as written and as they are, in which a pipeline value that is empty becomes `<nil>` (CircleCI, "Project values
/// and variables").
fn with_nil(written: &Node, value: Node) -> Node {
    let kind = match (&written.kind, &value.kind) {
        (Kind::Mapping(written), Kind::Mapping(entries)) => {
            let of_both = written.iter().zip(entries.iter());
            let entries =
                of_both.map(|(written, entry)| match is_empty_value(&written.value, &entry.value) {
                    true => Entry {
                        key: entry.key.clone(),
                        value: Node::scalar("<nil>", Style::DoubleQuoted, written.value.span),
                    },
                    false => entry.clone(),
                });
            Kind::Mapping(entries.collect::<Vec<_>>().into())
        }
        (Kind::Sequence(written), Kind::Sequence(items)) => {
            let of_both = written.iter().zip(items.iter().cloned());
            let items = of_both.map(|(written, item)| with_nil(written, item));
            Kind::Sequence(items.collect::<Vec<_>>().into())
        }
        _ => return value,
    };
    Node { kind, ..value }
}

/// Whether this is `<< pipeline.… >>` and nothing else, and that is empty. Parameters are not meant: they have types.
fn is_empty_value(written: &Node, value: &Node) -> bool {
    let name = written.text().and_then(only_value).unwrap_or_default();
    let is_value = name.starts_with("pipeline.") && !name.starts_with("pipeline.parameters.");
    is_value && value.text() == Some("")
}
