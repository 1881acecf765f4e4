#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; tests read files and clocks"
)]
mod action;
mod conformance;
mod errors;
mod hostile;
mod lint;
mod plan;
mod reusable;
mod selection;

use sluice_dialect_github::{Read, read};

/// Every diagnostic of a file as a person reads it, help included.
fn findings(text: &str) -> String {
    written(&read(".github/workflows/ci.yml", text, &|_| None))
}

fn written(read: &Read) -> String {
    let mut lines = String::new();
    for diagnostic in &read.diagnostics {
        lines.push_str(&format!("{diagnostic}\n"));
        for label in &diagnostic.labels {
            lines.push_str(&format!("  {}: {}\n", label.location, label.message));
        }
        for help in &diagnostic.help {
            lines.push_str(&format!("  help: {help}\n"));
        }
    }
    lines
}
