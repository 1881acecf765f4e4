use std::fmt::Write as _;

use crate::budget::BoundedText;
use crate::{EvaluationError, Value, number};

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl Value {
    /// Reads JSON text (RFC 8259), nested up to 127 deep. A key that comes twice has its last value.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str(text).map_err(|error| JsonError(error.to_string()))
    }
}

/// `toJSON`: two spaces a level, as GitHub indents.
pub(crate) fn write(value: &Value, indent: usize, out: &mut BoundedText) -> Result<(), EvaluationError> {
    match value {
        Value::Null => out.push("null"),
        Value::Bool(true) => out.push("true"),
        Value::Bool(false) => out.push("false"),
        Value::Number(value) => out.push(&number::format(*value)),
        Value::String(text) => write_text(text, out),
        Value::Array(items) if items.is_empty() => out.push("[]"),
        Value::Array(items) => {
            out.push("[")?;
            for (index, item) in items.iter().enumerate() {
                new_line(index > 0, indent + 1, out)?;
                write(item, indent + 1, out)?;
            }
            new_line(false, indent, out)?;
            out.push("]")
        }
        Value::Object(pairs) if pairs.is_empty() => out.push("{}"),
        Value::Object(pairs) => {
            out.push("{")?;
            for (index, (key, item)) in pairs.iter().enumerate() {
                new_line(index > 0, indent + 1, out)?;
                write_text(key, out)?;
                out.push(": ")?;
                write(item, indent + 1, out)?;
            }
            new_line(false, indent, out)?;
            out.push("}")
        }
    }
}

fn new_line(after_item: bool, indent: usize, out: &mut BoundedText) -> Result<(), EvaluationError> {
    out.push(if after_item { ",\n" } else { "\n" })?;
    (0..indent).try_for_each(|_| out.push("  "))
}

fn write_text(text: &str, out: &mut BoundedText) -> Result<(), EvaluationError> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    out.push(&quoted)
}
