//! Text with spans, YAML with spans, diagnostics. Never a rule of a pipeline language, and no I/O.

mod diagnostic;
mod load;
mod merge;
mod node;
mod render;
mod resolve;
mod suggest;
mod text;

pub use diagnostic::{Diagnostic, Label, Location, Severity};
pub use load::{DuplicateKeys, Limits, Loaded, MergeKeys, Options, load};
pub use merge::merge_entries;
pub use node::{Entry, Kind, Node, Position, Scalar, Span, Style};
pub use render::{json, sarif, terminal};
pub use resolve::{Resolved, resolve};
pub use suggest::{did_you_mean, did_you_mean_text};
pub use text::decode;
