use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{Diagnostic, Label, Location, Severity};

/// The diagnostics as a SARIF 2.1.0 log with one run, as code-scanning services take it.
///
/// `version` is that of the tool that reports.
pub fn sarif(diagnostics: &[Diagnostic], version: &str) -> String {
    let codes: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = diagnostics.iter().map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "sluice", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}")
}

fn result(diagnostic: &Diagnostic) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let message = std::iter::once(&diagnostic.message).chain(&diagnostic.help).fold(
        String::new(),
        |mut text, sentence| {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(sentence);
            text
        },
    );
    let mut result = json!({
        "ruleId": diagnostic.code,
        "level": level,
        "message": { "text": message },
        "locations": [place(&diagnostic.location, diagnostic.length)],
    });
    if !diagnostic.labels.is_empty() {
        result["relatedLocations"] = diagnostic.labels.iter().map(related).collect();
    }
    result
}

fn related(label: &Label) -> Value {
    let mut related = place(&label.location, label.length);
    related["message"] = json!({ "text": label.message });
    related
}

/// A `location` (SARIF 2.1.0, 3.28). Lines and columns of a region count from 1, and its end column is not in it.
fn place(location: &Location, length: u32) -> Value {
    let line = location.line.max(1);
    let column = location.column.max(1);
    let mut region = json!({ "startLine": line, "startColumn": column });
    if length > 0 {
        region["endColumn"] = json!(column.saturating_add(length));
    }
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&location.path) },
            "region": region,
        },
    })
}

/// A path as a relative URI reference (RFC 3986): everything outside the unreserved set and `/` is escaped.
fn uri(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
        uri
    })
}
