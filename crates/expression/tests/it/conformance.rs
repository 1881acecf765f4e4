//! GitHub's own cases, from the folder in `SLUICE_CONFORMANCE`.

use std::path::Path;

use serde_json::Value as Json;
use sluice_expression::{Expression, Scope, Value, Vocabulary};

#[test]
fn expressions_give_what_github_gives() {
    let Some(root) = std::env::var_os("SLUICE_CONFORMANCE") else {
        println!("skipped: SLUICE_CONFORMANCE is not set, so that GitHub's expression cases were not run");
        return;
    };
    let folder = Path::new(&root).join("github/expressions");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("SLUICE_CONFORMANCE has a folder github/expressions")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let mut passed = 0;
    let mut failures = Vec::new();
    for path in &files {
        let groups: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in groups.as_object().unwrap().values().flat_map(|group| group.as_array().unwrap()) {
            match check(case) {
                Ok(()) => passed += 1,
                Err(reason) => failures.push(format!(
                    "{}: {}: {reason}",
                    path.file_stem().unwrap().display(),
                    case["expr"].as_str().unwrap()
                )),
            }
        }
    }
    // scripts/conformance.sh collects these lines.
    println!("conformance: github/expressions {passed} {} 0", failures.len());
    for failure in &failures {
        println!("conformance failure: github/expressions: {failure}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed > 0, "no case was found in {}", folder.display());
}

fn check(case: &Json) -> Result<(), String> {
    let contexts: Vec<(String, Value)> = case["contexts"]
        .as_object()
        .map(|contexts| {
            contexts
                .iter()
                .map(|(key, value)| (key.clone(), Value::from_json(&value.to_string()).unwrap()))
                .collect()
        })
        .unwrap_or_default();
    let scope = Scope::new(contexts);
    let outcome = Expression::parse_with(case["expr"].as_str().unwrap(), &Vocabulary::of(&scope.names()))
        .map_err(|error| (error.kind.as_str(), error.message))
        .and_then(|expression| {
            expression.evaluate(&scope).map_err(|error| ("evaluation", error.to_string()))
        });
    match (outcome, &case["err"]) {
        (Ok(value), Json::Null) => {
            let expected = Value::from_json(&case["result"]["value"].to_string()).unwrap();
            let kind = case["result"]["kind"].as_str().unwrap();
            if value.kind() == kind && same(&value, &expected) {
                return Ok(());
            }
            Err(format!("got {value:?}, expected {kind} {expected:?}"))
        }
        (Ok(value), error) => Err(format!("got {value:?}, expected the error {error}")),
        (Err((kind, message)), expected) => {
            // The cases hold the beginning of some messages only.
            if expected["kind"] == kind && message.contains(expected["value"].as_str().unwrap_or("\0")) {
                return Ok(());
            }
            Err(format!("got the {kind} error {message:?}, expected {expected}"))
        }
    }
}

/// JSON has no NaN and no infinity; the cases write them as texts.
fn same(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Number(number), Value::String(text)) => {
            value.to_text() == *text || (number.is_nan() && text == "NaN")
        }
        _ => value == expected,
    }
}
