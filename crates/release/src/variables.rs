use std::collections::BTreeMap;
use std::fmt;

use sluice_model::{EnvironmentName, ServiceName};

use crate::{Environment, Service, Variable, VariableKind};

/// A declared variable without a value, or with one of another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableProblem {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub variable: String,
    /// `is missing`, `is \`verbose\``; a secret's value is never in it.
    pub seen: String,
    /// `one of debug, info, warn, error`.
    pub expected: String,
    /// What to do.
    pub next: String,
}

impl fmt::Display for VariableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, environment, variable, seen, expected, next } = self;
        write!(f, "{service} in {environment}: {variable} {seen}; expected {expected}; {next}")
    }
}

/// The variables that a service gets in an environment: declared ones only, each present and of its form.
///
/// `secrets` are the environment's, by name. The values are for the service's instances and for nothing else.
pub fn resolve_variables(
    service: &Service,
    environment: &Environment,
    secrets: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Vec<VariableProblem>> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for variable in &service.env {
        let source = if variable.secret { secrets } else { &environment.env };
        match source.get(&variable.name).or(variable.default.as_ref()) {
            Some(value) if takes(variable, value) => {
                values.insert(variable.name.clone(), value.clone());
            }
            Some(value) => {
                let seen = match variable.secret {
                    true => "has a secret value of another form".to_owned(),
                    false => format!("is `{}`", value.chars().take(80).collect::<String>()),
                };
                problems.push(problem(service, environment, variable, seen));
            }
            None if variable.required => {
                problems.push(problem(service, environment, variable, "is missing".to_owned()));
            }
            None => {}
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// The same, for what can be known without the secrets.
pub(crate) fn known_problems(services: &[Service], environment: &Environment) -> Vec<VariableProblem> {
    let mut problems = Vec::new();
    for service in services {
        let mut known = service.clone();
        known.env.retain(|variable| !variable.secret);
        problems.extend(resolve_variables(&known, environment, &BTreeMap::new()).err().unwrap_or_default());
    }
    problems
}

fn problem(
    service: &Service,
    environment: &Environment,
    variable: &Variable,
    seen: String,
) -> VariableProblem {
    let name = &variable.name;
    let next = match variable.secret {
        true => format!(
            "this server keeps no secrets yet: in sluice.yaml give `services.{}.env.{name}` `required: false`, or drop \
             `secret: true` and set `environments.{}.env.{name}`",
            service.name, environment.name
        ),
        false => format!("set `environments.{}.env.{name}` in sluice.yaml", environment.name),
    };
    VariableProblem {
        service: service.name.clone(),
        environment: environment.name.clone(),
        variable: name.clone(),
        seen,
        expected: expected(variable),
        next,
    }
}

/// Whether the value has the variable's form.
pub(crate) fn takes(variable: &Variable, value: &str) -> bool {
    if !variable.one_of.is_empty() && !variable.one_of.iter().any(|allowed| allowed == value) {
        return false;
    }
    match &variable.kind {
        VariableKind::String => true,
        VariableKind::Int => value.parse::<i64>().is_ok(),
        VariableKind::Bool => matches!(value, "true" | "false"),
        VariableKind::Url { schemes } => match value.split_once("://") {
            Some((scheme, rest)) => {
                let is_scheme = !scheme.is_empty()
                    && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
                let is_allowed =
                    schemes.is_empty() || schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme));
                is_scheme && is_allowed && !rest.is_empty() && !rest.contains(char::is_whitespace)
            }
            None => false,
        },
    }
}

pub(crate) fn expected(variable: &Variable) -> String {
    let form = match &variable.kind {
        VariableKind::String => "text".to_owned(),
        VariableKind::Int => "a whole number".to_owned(),
        VariableKind::Bool => "true or false".to_owned(),
        VariableKind::Url { schemes } if schemes.is_empty() => "a URL".to_owned(),
        VariableKind::Url { schemes } => format!("a URL that begins with {}", alternatives(schemes, "://")),
    };
    if variable.one_of.is_empty() {
        return form;
    }
    format!("one of {}", variable.one_of.join(", "))
}

fn alternatives(words: &[String], after: &str) -> String {
    words.iter().map(|word| format!("{word}{after}")).collect::<Vec<_>>().join(" or ")
}
