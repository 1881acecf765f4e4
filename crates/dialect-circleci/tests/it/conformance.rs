//! Third-party configs, from the folder that `SLUICE_CONFORMANCE` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sluice_dialect_circleci::{PipelineValues, read};
use sluice_source::{Diagnostic, Kind, MergeKeys, Node, Options, Resolved, load, resolve};

/// The folder with the cases, or a line that says that they are skipped.
fn suite(name: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("SLUICE_CONFORMANCE").map(|root| Path::new(&root).join("circleci").join(name));
    if folder.is_none() {
        println!("circleci/{name}: skipped, SLUICE_CONFORMANCE is not set");
    }
    folder
}

/// The suite's line of the table, and every failure by name.
fn report(suite: &str, passed: usize, skipped: usize, failures: &BTreeMap<String, String>) {
    // scripts/conformance.sh collects these lines.
    println!("conformance: circleci/{suite} {passed} {} {skipped}", failures.len());
    for (name, why) in failures {
        println!("conformance failure: circleci/{suite}: {name}: {why}");
    }
}

/// A node as data: keys without order, scalars by their type.
fn data(node: &Node) -> Value {
    match &node.kind {
        Kind::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|e| (e.key.text().unwrap_or_default().to_owned(), data(&e.value)))
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
        ),
        Kind::Sequence(items) => items.iter().map(data).collect(),
        Kind::Scalar(_) => match resolve(node) {
            None | Some(Resolved::Null) => Value::Null,
            Some(Resolved::Bool(flag)) => json!(flag),
            Some(Resolved::Int(number)) => json!(number),
            Some(Resolved::Float(number)) => json!(number),
            Some(Resolved::String(text)) => json!(text),
        },
    }
}

fn parse(text: &str) -> Value {
    let options = Options { merge_keys: MergeKeys::Apply, ..Options::default() };
    let loaded = load("x.yml", text, &options);
    loaded.documents.first().map_or(Value::Null, data)
}

/// Where two values differ first.
fn difference(path: &str, expected: &Value, actual: &Value) -> Option<String> {
    match (expected, actual) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| match (a.get(key), b.get(key)) {
                (Some(a), Some(b)) => difference(&format!("{path}/{key}"), a, b),
                (Some(_), None) => Some(format!("{path}/{key} is missing")),
                _ => Some(format!("{path}/{key} is too much")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{path}/{i}"), a, b))
        }
        _ => (expected != actual).then(|| format!("{path}: expected {expected}, got {actual}")),
    }
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().filter(|d| d.is_error()).map(ToString::to_string).collect()
}

#[test]
fn compiled_pairs_are_equal() {
    let Some(folder) = suite("compiled") else { return };
    let mut passed = 0;
    let mut failures = BTreeMap::new();
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let input = fs::read_to_string(case.join("input.yml")).unwrap();
        let expected = parse(&fs::read_to_string(case.join("expected.yml")).unwrap());
        let read = read(".circleci/config.yml", &input, &|_| None, &PipelineValues::default());
        match read.config {
            None => drop(failures.insert(name, errors(&read.diagnostics).join("\n    "))),
            Some(config) => match difference("", &expected, &parse(&config.compile())) {
                None => passed += 1,
                Some(difference) => drop(failures.insert(name, difference)),
            },
        }
    }
    report("compiled", passed, 0, &failures);
    // Three cases expect what their input does not say: docs/conformance.md.
    assert!(failures.len() <= 3, "{} of the compiled pairs differ", failures.len());
}

#[test]
fn real_configs_are_accepted_or_stop_at_a_named_orb() {
    let Some(folder) = suite("configs") else { return };
    let index: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(folder.join("index.json")).unwrap()).unwrap();
    let (mut accepted, mut at_an_orb) = (0, 0);
    let mut failures = BTreeMap::new();
    for row in index {
        let name = row["file"].as_str().unwrap();
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let read = read(".circleci/config.yml", &text, &|_| None, &PipelineValues::default());
        let others: Vec<String> = read
            .diagnostics
            .iter()
            .filter(|d| d.is_error() && d.code != "circleci/orb-not-here")
            .map(ToString::to_string)
            .collect();
        match (read.config, others.is_empty()) {
            (Some(_), _) => accepted += 1,
            (None, true) => at_an_orb += 1,
            (None, false) => drop(failures.insert(name.to_owned(), others.join("\n    "))),
        }
    }
    report("configs", accepted + at_an_orb, 0, &failures);
    println!("  ({accepted} accepted, {at_an_orb} stop only at registry orbs, which are named)");
    // One is no YAML: docs/conformance.md.
    assert!(failures.len() <= 1, "{} real configs are refused", failures.len());
}
