use sluice_plan::{Job, Value};

use crate::context::Contexts;

/// As GitHub shows it: a `name:` with an expression in it is taken as it comes; any other gets the matrix values
/// behind it: `test (ubuntu, 20)`.
pub(crate) fn display_name(job: &Job, matrix: &Value, contexts: &Contexts<'_>) -> Result<String, String> {
    let name = match &job.name {
        Some(template) if template.expressions().next().is_some() => {
            let text = contexts.text(template)?;
            if !text.trim().is_empty() {
                return Ok(text);
            }
            job.id.to_string()
        }
        Some(template) => contexts.text(template)?,
        None => job.id.to_string(),
    };
    let mut values = Vec::new();
    leaves(matrix, &mut values);
    if values.is_empty() { Ok(name) } else { Ok(format!("{name} ({})", values.join(", "))) }
}

fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => into.push(value.to_text()),
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(pairs) => pairs.iter().for_each(|(_, item)| leaves(item, into)),
    }
}
