use sluice_plan::{Job, Value, combination_name};

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
    Ok(match combination_name(matrix) {
        Some(values) => format!("{name} ({values})"),
        None => name,
    })
}
