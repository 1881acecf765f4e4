use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use sluice_dialect_github::{DefaultGrants, Options, Read, read_with};
use sluice_source::Diagnostic;

use super::shape;

/// Failures that `docs/conformance.md` explains one by one.
const EXPLAINED: [&str; 3] = ["errors-anchor-tag", "errors-max-result-size", "yaml-schema-str-flow-styles"];

#[test]
fn the_reader_gives_what_githubs_gives() {
    let Some(folder) = super::suite("github/reader") else { return };
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut passed = 0;
    let mut failures = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let outcome = std::panic::catch_unwind(|| check(file)).unwrap_or_else(|_| Err("panicked".to_owned()));
        match outcome {
            Ok(()) => passed += 1,
            Err(reason) => failures.push((name, reason)),
        }
    }
    super::report("github/reader", passed, 0, &failures, &EXPLAINED);
}

struct Case {
    path: String,
    text: String,
    options: Options,
    with_events: bool,
    with_source: bool,
    files: HashMap<String, String>,
    expected: Json,
}

fn case(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).unwrap().replace("\r\n", "\n");
    let documents: Vec<&str> = text.split("\n---\n").collect();
    let settings = documents[0];
    let number = |key: &str| {
        let line = settings.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    let mut options = Options::default();
    options.limits.depth = number("max-depth").unwrap_or(options.limits.depth);
    options.limits.result_bytes = number("max-result-size").unwrap_or(options.limits.result_bytes);
    options.limits.call_depth =
        number("max-nested-reusable-workflows-depth").unwrap_or(options.limits.call_depth);
    options.default_grants = if settings.contains("permissions-policy: LimitedRead") {
        Some(DefaultGrants::LimitedRead)
    } else if settings.contains("permissions-policy: Write") {
        Some(DefaultGrants::Write)
    } else {
        None
    };
    let skips = |name: &str| settings.lines().any(|line| line.trim() == format!("- {name}"));
    let called = &documents[2..documents.len() - 1];
    Case {
        path: format!(".github/workflows/{}", file.file_name().unwrap().to_string_lossy()),
        text: documents[1].to_owned(),
        options,
        // Only the TypeScript parser writes events.
        with_events: skips("Go") && skips("C#"),
        with_source: settings.contains("include-source: true"),
        files: called.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect(),
        expected: serde_json::from_str(documents[documents.len() - 1]).unwrap(),
    }
}

fn check(file: &Path) -> Result<(), String> {
    let case = case(file);
    let read = read_with(&case.path, &case.text, &|path| case.files.get(path).cloned(), &case.options);
    let got = match &read {
        Read { workflow: Some(workflow), .. } => {
            shape::workflow(workflow, case.with_events, case.with_source)
        }
        Read { workflow: None, diagnostics } => {
            let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
            json!({"errors": errors.map(|error| json!({"Message": message(error)})).collect::<Vec<_>>()})
        }
    };
    match difference(&got, &case.expected, "") {
        None => Ok(()),
        Some(difference) => Err(difference),
    }
}

/// As GitHub writes an error: path, place and text, at most 500 characters and a mark that some are missing.
fn message(error: &Diagnostic) -> String {
    let at = &error.location;
    let place = match error.code.as_str() {
        "github/call-depth" => String::new(),
        "github/too-deep" | "github/too-large" | "github/tag" => format!("{}: ", at.path),
        _ => format!("{} (Line: {}, Col: {}): ", at.path, at.line, at.column),
    };
    let mut text = format!("{place}{}", error.message);
    if let Some(call) = error.labels.iter().find(|label| label.message == "called here") {
        let from = &call.location;
        let prefix = format!(
            "In {} (Line: {}, Col: {}): Error from called workflow ",
            from.path, from.line, from.column
        );
        text.insert_str(0, &prefix);
    }
    if text.chars().count() > 500 {
        text = text.chars().take(500).collect::<String>() + "[...]";
    }
    text
}

/// The first place where two values differ.
fn difference(got: &Json, expected: &Json, path: &str) -> Option<String> {
    match (got, expected) {
        (Json::Object(got), Json::Object(expected)) => {
            let missing = expected.keys().find(|key| !got.contains_key(*key));
            let extra = got.keys().find(|key| !expected.contains_key(*key));
            if let Some(key) = missing {
                return Some(format!("{path}/{key} is missing: {}", expected[key]));
            }
            if let Some(key) = extra {
                return Some(format!("{path}/{key} is not expected: {}", got[key]));
            }
            got.iter().find_map(|(key, value)| difference(value, &expected[key], &format!("{path}/{key}")))
        }
        (Json::Array(got), Json::Array(expected)) => {
            if got.len() != expected.len() {
                return Some(format!("{path} has {} items, expected {}: {got:?}", got.len(), expected.len()));
            }
            let mut pairs = got.iter().zip(expected).enumerate();
            pairs.find_map(|(index, (got, expected))| difference(got, expected, &format!("{path}/{index}")))
        }
        (Json::Number(a), Json::Number(b)) if a.as_f64() == b.as_f64() => None,
        (got, expected) if got == expected => None,
        _ => Some(format!("{path}: got {got}, expected {expected}")),
    }
}
