use crate::Diagnostic;

/// The diagnostics as one JSON array, indented. The shape is that of [`Diagnostic`], and stable.
pub fn json(diagnostics: &[Diagnostic]) -> String {
    // Plain data: strings and numbers always serialize.
    serde_json::to_string_pretty(diagnostics).unwrap_or_default()
}
