#![no_main]
//! No text makes the YAML loader panic, and what it gives can be rendered.

use libfuzzer_sys::fuzz_target;
use sluice_source::{DuplicateKeys, MergeKeys, Options, load, resolve};

fn visit(node: &sluice_source::Node) {
    let _ = (resolve(node), node.describe());
    for item in node.items().unwrap_or_default() {
        visit(item);
    }
    for entry in node.entries().unwrap_or_default() {
        visit(&entry.key);
        visit(&entry.value);
    }
}

fuzz_target!(|text: &str| {
    for (duplicate_keys, merge_keys) in
        [(DuplicateKeys::Report, MergeKeys::Apply), (DuplicateKeys::Keep, MergeKeys::Keep)]
    {
        let options = Options { duplicate_keys, merge_keys, ..Options::default() };
        let loaded = load("fuzz.yml", text, &options);
        loaded.documents.iter().for_each(visit);
        for diagnostic in &loaded.diagnostics {
            let _ = diagnostic.to_string();
        }
    }
});
