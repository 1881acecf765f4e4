use serde_json::Value as Json;
use sluice_dialect_github::{Pattern, is_selected};

#[test]
fn filter_patterns() {
    let Some(file) = super::suite("github/filter-patterns.json") else { return };
    let cases: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let texts = |value: &Json| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut passed = 0;
    let mut failures = Vec::new();
    for case in &cases {
        let patterns: Vec<Pattern> =
            texts(&case["patterns"]).iter().map(|p| Pattern::parse(p).unwrap()).collect();
        let verdicts: Vec<bool> =
            texts(&case["inputs"]).iter().map(|input| is_selected(&patterns, input)).collect();
        // As the data has it: `any_match` holds where every input is in, `all_ignored` where none is.
        let all = verdicts.iter().all(|selected| *selected);
        let none = verdicts.iter().all(|selected| !selected);
        if case["any_match"] == all && case["all_ignored"] == none {
            passed += 1;
        } else {
            failures.push((case["patterns"].to_string(), format!("got {verdicts:?} for {}", case["inputs"])));
        }
    }
    super::report("github/filter-patterns", passed, 0, &failures, &[]);
}
