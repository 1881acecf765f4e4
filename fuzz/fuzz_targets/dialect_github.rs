#![no_main]
//! No text makes the workflow reader, its findings or its plans panic. The text also calls itself.

use libfuzzer_sys::fuzz_target;
use sluice_dialect_github::{Pattern, read};

fuzz_target!(|text: &str| {
    let outcome = read(".github/workflows/fuzz.yml", text, &|_| Some(text.to_owned()));
    if let Some(plan) = outcome.workflow.and_then(|workflow| workflow.plan().ok()) {
        let stored = serde_json::to_string(&plan).expect("a plan is JSON");
        serde_json::from_str::<sluice_plan::Plan>(&stored).expect("a stored plan reads back");
    }
    if let Ok(pattern) = Pattern::parse(text) {
        let _ = pattern.is_match("feature/branch-10");
    }
});
