use std::borrow::Cow;

use sluice_plan::{Expression, Template, Value};

/// What an expression may ask.
pub(crate) trait Surroundings {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>>;
    fn success(&self, jobs: &[String]) -> Option<bool>;
    fn failure(&self, jobs: &[String]) -> Option<bool>;
    fn always(&self) -> Option<bool>;
    fn cancelled(&self) -> Option<bool>;
}

pub(crate) fn expression(expression: &Expression, around: &impl Surroundings) -> Result<Value, String> {
    let source = expression.source().trim();
    let known = match source {
        "success()" => around.success(&[]),
        "failure()" => around.failure(&[]),
        "always()" => around.always(),
        "cancelled()" => around.cancelled(),
        "true" => Some(true),
        "false" => Some(false),
        _ => return path(source, around).ok_or_else(|| format!("`{source}` cannot be evaluated yet")),
    };
    known.map(Value::Bool).ok_or_else(|| format!("`{source}` has no meaning here"))
}

fn path(source: &str, around: &impl Surroundings) -> Option<Value> {
    let (inner, from_json) = match source.strip_prefix("fromJSON(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => (source, false),
    };
    let mut parts = inner.split('.');
    let mut value = around.lookup(parts.next()?)?.into_owned();
    for part in parts {
        let Value::Object(pairs) = value else { return Some(Value::Null) };
        value =
            pairs.into_iter().find(|(k, _)| k.eq_ignore_ascii_case(part)).map(|(_, v)| v).unwrap_or_default();
    }
    if from_json {
        let Value::String(text) = &value else { return None };
        return serde_json::from_str(text).ok();
    }
    Some(value)
}

pub(crate) fn template(template: &Template, around: &impl Surroundings) -> Result<String, String> {
    template_value(template.source(), around).map(|value| to_text(&value))
}

pub(crate) fn template_value(text: &str, around: &impl Surroundings) -> Result<Value, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inner, after) = after.split_once("}}").ok_or_else(|| format!("`{text}`: `}}}}` is missing"))?;
        parts.push(Value::from(before));
        let inner = Expression::parse(inner).map_err(|error| error.to_string())?;
        parts.push(expression(&inner, around)?);
        rest = after;
    }
    parts.push(Value::from(rest));
    match parts.as_slice() {
        [Value::String(before), value, Value::String(after)] if before.is_empty() && after.is_empty() => {
            Ok(value.clone())
        }
        _ => Ok(Value::String(parts.iter().map(to_text).collect())),
    }
}

pub(crate) fn asks_status(expression: &Expression) -> bool {
    ["success", "failure", "always", "cancelled"]
        .iter()
        .any(|name| expression.source().contains(&format!("{name}(")))
}

pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => *number != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

pub(crate) fn to_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
