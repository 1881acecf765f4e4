#![no_main]
//! No text makes the configuration reader panic, and what `compile` gives is read and compiles to itself.

use libfuzzer_sys::fuzz_target;
use sluice_dialect_circleci::{PipelineValues, read};

fuzz_target!(|text: &str| {
    let values = PipelineValues::default();
    let outcome = read(".circleci/config.yml", text, &|_| None, &values);
    if let Some(config) = outcome.config {
        let compiled = config.compile();
        if let Some(again) = read(".circleci/config.yml", &compiled, &|_| None, &values).config {
            assert_eq!(again.compile(), compiled);
        }
    }
});
