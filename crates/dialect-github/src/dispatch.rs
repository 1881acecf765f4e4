use std::collections::BTreeMap;

use sluice_expression::Value;
use sluice_source::{Diagnostic, Span};

use crate::trigger::{Input, InputKind};
use crate::workflow::Workflow;

impl Workflow {
    /// The `inputs` of a manual dispatch: what was given, checked as GitHub does, and the defaults of the others.
    ///
    /// Booleans and numbers have their own types, all others are texts. An error is what is wrong with what was given,
    /// at the place of the input that it is about. (GitHub, "Events that trigger workflows", `workflow_dispatch`.)
    pub fn dispatch_inputs(&self, given: &BTreeMap<String, String>) -> Result<Value, Vec<Diagnostic>> {
        let Some(event) = self.event("workflow_dispatch") else { return Ok(Value::Null) };
        let mut wrong = Vec::new();
        let mut refuse = |span: Span, message: String| {
            wrong.push(Diagnostic::error(
                "github/dispatch-input",
                span.at(&self.path),
                span.length(),
                message,
            ));
        };
        let is_called = |input: &Input, name: &str| input.name.eq_ignore_ascii_case(name);
        for name in given.keys().filter(|name| !event.inputs.iter().any(|input| is_called(input, name))) {
            let known: Vec<&str> = event.inputs.iter().map(|input| input.name.as_str()).collect();
            let there_is = if known.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there is {}", known.join(", "))
            };
            refuse(event.span, format!("Unexpected inputs provided: `{name}`; {there_is}"));
        }
        let mut values = Vec::new();
        for input in &event.inputs {
            let given =
                given.iter().find(|(name, _)| is_called(input, name)).map(|(_, value)| value.as_str());
            let default = input.default.as_ref().and_then(|default| default.as_literal()).unwrap_or_default();
            let text = given.unwrap_or(default);
            if text.is_empty() && input.required {
                refuse(input.span, format!("Required input `{}` not provided", input.name));
            }
            match typed(input, text) {
                Ok(value) => values.push((input.name.clone(), value)),
                Err(allowed) => refuse(
                    input.span,
                    format!("Provided value `{text}` for input `{}` is not {allowed}", input.name),
                ),
            }
        }
        if wrong.is_empty() { Ok(Value::Object(values)) } else { Err(wrong) }
    }
}

/// The value that a text means. An error is what is allowed.
fn typed(input: &Input, text: &str) -> Result<Value, String> {
    match input.kind {
        InputKind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" | "" => Ok(false.into()),
            _ => Err("true or false".to_owned()),
        },
        InputKind::Number if !text.is_empty() => match text.parse::<f64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err("a number".to_owned()),
        },
        InputKind::Choice if !text.is_empty() && !input.options.iter().any(|option| option == text) => {
            Err(format!("in the list of allowed values: {}", input.options.join(", ")))
        }
        InputKind::String | InputKind::Number | InputKind::Choice | InputKind::Environment => Ok(text.into()),
    }
}
