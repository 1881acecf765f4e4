//! Declared parameters, and the arguments of a call that are bound to them.

use sluice_source::{Entry, Node, Span, Style, did_you_mean_text};

use crate::expander::Expander;
use crate::scalar::{Type, boolean};
use crate::scope::{Element, ScopeId};
use crate::substitute::{Argument, Arguments, Names};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Boolean,
    Integer,
    Enum,
    Executor,
    Steps,
    EnvVarName,
}

const KINDS: [(&str, Kind); 7] = [
    ("string", Kind::String),
    ("boolean", Kind::Boolean),
    ("integer", Kind::Integer),
    ("enum", Kind::Enum),
    ("executor", Kind::Executor),
    ("steps", Kind::Steps),
    ("env_var_name", Kind::EnvVarName),
];

/// One declaration under `parameters`.
struct Parameter<'a> {
    name: &'a str,
    kind: Kind,
    default: Option<&'a Node>,
    choices: Option<&'a [Node]>,
    place: Span,
}

/// A command, job or executor that is called by somebody.
pub(crate) struct Call<'a> {
    pub(crate) element: Element,
    pub(crate) name: &'a str,
    /// The callee's definition and the scope that it stands in.
    pub(crate) definition: &'a Node,
    pub(crate) scope: ScopeId,
    /// The caller's arguments, as written.
    pub(crate) arguments: &'a [Entry],
    pub(crate) place: Span,
}

impl Expander<'_> {
    /// Binds a call's arguments to what the callee declares. `names` are the caller's.
    pub(crate) fn bind(&mut self, call: &Call<'_>, names: &Names<'_>) -> Option<Arguments> {
        let declared = self.declared(call.definition)?;
        let mut bound = Arguments::new();
        let mut is_good = true;
        let mut missing = Vec::new();
        for parameter in &declared {
            let given = call.arguments.iter().find(|entry| entry.key.text() == Some(parameter.name));
            let argument = match (given, parameter.default) {
                (Some(entry), _) => self.argument(parameter, &entry.value, names),
                (None, Some(default)) => {
                    let callee = Names { parameters: Some(&Arguments::new()), ..Names::outside(call.scope) };
                    self.argument(parameter, default, &callee)
                }
                (None, None) => {
                    missing.push(parameter.name);
                    continue;
                }
            };
            match argument {
                Some(argument) => drop(bound.insert(parameter.name.to_owned(), argument)),
                None => is_good = false,
            }
        }
        let names: Vec<&str> = declared.iter().map(|parameter| parameter.name).collect();
        let is_complete = self.refuse_missing(call, &missing) & self.refuse_unexpected(call, &names);
        (is_good && is_complete).then_some(bound)
    }

    fn refuse_missing(&mut self, call: &Call<'_>, missing: &[&str]) -> bool {
        if missing.is_empty() {
            return true;
        }
        let message = format!(
            "Error calling {}: '{}': Missing required argument(s): {}",
            call.element.as_str(),
            call.name,
            missing.join(", ")
        );
        let parameters =
            call.definition.entry("parameters").map_or(call.definition.place(), |e| e.key.place());
        let error = self.report.new_error("missing-argument", call.place, message).with_label(
            self.report.location(parameters),
            parameters.length(),
            "declared here, without a default",
        );
        self.report.push(error);
        false
    }

    fn refuse_unexpected(&mut self, call: &Call<'_>, declared: &[&str]) -> bool {
        let mut is_good = true;
        for entry in call.arguments {
            let name = entry.key.text().unwrap_or_default();
            if declared.contains(&name) {
                continue;
            }
            is_good = false;
            if self.report.is_full() {
                break;
            }
            let message = format!(
                "Error calling {}: '{}': Unexpected argument(s): {name}",
                call.element.as_str(),
                call.name
            );
            let mut error = self.report.new_error("unexpected-argument", entry.key.place(), message);
            error.help.push(did_you_mean_text(name, declared.iter().copied()).unwrap_or_else(
                || match declared {
                    [] => format!("the {} declares no parameters", call.element.as_str()),
                    _ => format!("it declares `{}`", declared.join("`, `")),
                },
            ));
            self.report.push(error);
        }
        is_good
    }

    /// Binds the pipeline's own parameters: what somebody gave, else the defaults.
    pub(crate) fn bind_pipeline_parameters(&mut self, config: &Node) {
        let Some(declared) = self.declared(config) else { return };
        for parameter in &declared {
            if matches!(parameter.kind, Kind::Steps | Kind::Executor | Kind::EnvVarName) {
                let message = "a pipeline parameter is a `string`, `boolean`, `integer` or `enum`";
                self.report.error("parameter", parameter.place, message);
            }
            let given = self.values.parameters.get(parameter.name);
            let value = match (given, parameter.default) {
                (Some(text), _) => Some(given_node(text, parameter)),
                (None, Some(default)) => Some(default.clone()),
                (None, None) => {
                    let message = format!("the pipeline parameter `{}` has no default", parameter.name);
                    self.report.error("parameter", parameter.place, message);
                    None
                }
            };
            let value = value.and_then(|value| {
                let argument = self.typed(parameter, value, ScopeId::ROOT)?;
                match argument {
                    Argument::Value(value) => Some(value),
                    _ => None,
                }
            });
            self.pipeline_parameters.insert(parameter.name.to_owned(), value);
        }
        let unknown: Vec<&String> = self
            .values
            .parameters
            .keys()
            .filter(|name| !declared.iter().any(|parameter| parameter.name == name.as_str()))
            .collect();
        if !unknown.is_empty() {
            let names: Vec<&str> = unknown.iter().map(|name| name.as_str()).collect();
            let place = config.entry("parameters").map_or(config.place(), |entry| entry.key.place());
            let message = format!("Unexpected argument(s): {}", names.join(", "));
            self.report.error("unexpected-argument", place, message);
        }
    }

    fn declared<'n>(&mut self, definition: &'n Node) -> Option<Vec<Parameter<'n>>> {
        let Some(parameters) = definition.get("parameters").filter(|node| !node.is_null()) else {
            return Some(Vec::new());
        };
        let Some(entries) = parameters.entries() else {
            let message = format!("`parameters` is a map, and this is {}", parameters.describe());
            self.report.error("parameter", parameters.place(), message);
            return None;
        };
        let mut declared = Vec::new();
        let mut is_good = true;
        for entry in entries {
            match self.declaration(entry) {
                Some(parameter) => declared.push(parameter),
                None => is_good = false,
            }
        }
        is_good.then_some(declared)
    }

    fn declaration<'n>(&mut self, entry: &'n Entry) -> Option<Parameter<'n>> {
        let name = entry.key.text().unwrap_or_default();
        let Some(kind_node) = entry.value.get("type") else {
            let error = self
                .report
                .new_error("parameter", entry.key.place(), format!("the parameter `{name}` has no `type`"))
                .with_help(format!("write one of {}", kinds()));
            self.report.push(error);
            return None;
        };
        let written = kind_node.text().unwrap_or_default();
        let Some((_, kind)) = KINDS.iter().find(|(word, _)| *word == written) else {
            let mut error = self.report.new_error(
                "parameter",
                kind_node.place(),
                format!("`{written}` is no type of parameter"),
            );
            error.help.push(
                did_you_mean_text(written, KINDS.map(|(word, _)| word))
                    .unwrap_or_else(|| format!("write one of {}", kinds())),
            );
            self.report.push(error);
            return None;
        };
        let choices = entry.value.get("enum").and_then(Node::items);
        if *kind == Kind::Enum && choices.is_none_or(<[Node]>::is_empty) {
            let message = format!("the enum `{name}` has no list of values under `enum`");
            self.report.error("parameter", entry.key.place(), message);
            return None;
        }
        Some(Parameter {
            name,
            kind: *kind,
            default: entry.value.get("default"),
            choices,
            place: entry.key.place(),
        })
    }

    /// One argument as the callee will see it, from what the caller (or the default) says.
    fn argument(&mut self, parameter: &Parameter<'_>, written: &Node, names: &Names<'_>) -> Option<Argument> {
        if let Some(whole) = self.whole_argument(written, names) {
            return match (parameter.kind, whole?) {
                (Kind::Steps, Argument::Steps(steps)) => Some(Argument::Steps(steps)),
                (Kind::Executor, Argument::Executor(node, scope)) => Some(Argument::Executor(node, scope)),
                (_, Argument::Value(value) | Argument::Executor(value, _)) => {
                    self.typed(parameter, at_use(value, written), names.scope)
                }
                (_, Argument::Steps(steps)) => {
                    self.typed(parameter, Node::sequence(steps, written.place()), names.scope)
                }
            };
        }
        if parameter.kind == Kind::Steps {
            let mut steps = Vec::new();
            self.expand_steps(written, names, &mut steps)?;
            return Some(Argument::Steps(steps));
        }
        let value = self.substitute(written, names)?;
        self.typed(parameter, value, names.scope)
    }

    fn typed(&mut self, parameter: &Parameter<'_>, value: Node, scope: ScopeId) -> Option<Argument> {
        let actual = Type::of(&value);
        let fits = match parameter.kind {
            // An empty `default:` is an empty string.
            Kind::String => matches!(actual, Type::String | Type::Null),
            Kind::Boolean => actual == Type::Boolean,
            Kind::Integer => actual == Type::Integer,
            Kind::Enum => parameter
                .choices
                .is_some_and(|choices| choices.iter().any(|choice| choice.text() == value.text())),
            Kind::Executor => match actual {
                Type::Map => value.get("name").is_some(),
                actual => actual == Type::String,
            },
            Kind::EnvVarName => actual == Type::String && value.text().is_some_and(is_variable_name),
            // Steps are expanded before they get here.
            Kind::Steps => false,
        };
        if !fits {
            self.refuse_type(parameter, &value, actual);
            return None;
        }
        Some(match parameter.kind {
            Kind::Executor => Argument::Executor(value, scope),
            Kind::String if actual == Type::Null => {
                Argument::Value(Node::scalar("", Style::DoubleQuoted, value.span))
            }
            _ => Argument::Value(value),
        })
    }

    fn refuse_type(&mut self, parameter: &Parameter<'_>, value: &Node, actual: Type) {
        let expected = match (parameter.kind, parameter.choices) {
            (Kind::Enum, Some(choices)) => {
                let choices: Vec<&str> = choices.iter().filter_map(Node::text).collect();
                format!("enum, one of \"{}\"", choices.join("\", \""))
            }
            _ => {
                KINDS.iter().find(|(_, kind)| *kind == parameter.kind).map_or("", |(word, _)| word).to_owned()
            }
        };
        // CircleCI's own words.
        let message = format!(
            "Type error for argument {}: expected type: {expected}, actual value: \"{}\" (type {})",
            parameter.name,
            value.text().unwrap_or("…"),
            actual.name()
        );
        let mut error = self.report.new_error("argument-type", value.place(), message);
        if parameter.kind == Kind::String && value.as_scalar().is_some() {
            error.help.push("put it in quotes".to_owned());
        }
        if parameter.place.file != value.place().file || parameter.place.start != value.place().start {
            let location = self.report.location(parameter.place);
            error = error.with_label(location, parameter.place.length(), "declared here");
        }
        self.report.push(error);
    }
}

/// A value that came through a parameter, shown where it is passed on.
fn at_use(mut value: Node, written: &Node) -> Node {
    if value.as_scalar().is_some() {
        (value.span, value.alias) = (written.span, written.alias);
    }
    value
}

/// A pipeline parameter that somebody gave as text: a boolean or an integer where that is declared.
fn given_node(text: &str, parameter: &Parameter<'_>) -> Node {
    let is_plain = match parameter.kind {
        Kind::Boolean => boolean(text).is_some(),
        Kind::Integer => Type::of_plain(text) == Type::Integer,
        _ => false,
    };
    let style = if is_plain { Style::Plain } else { Style::DoubleQuoted };
    Node::scalar(text, style, parameter.place)
}

fn is_variable_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn kinds() -> String {
    format!("`{}`", KINDS.map(|(word, _)| word).join("`, `"))
}
