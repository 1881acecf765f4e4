//! Text with spans, YAML with spans, diagnostics.

mod diagnostic;

pub use diagnostic::{Diagnostic, Label, Location, Severity};
