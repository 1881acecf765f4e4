//! Problem matchers: regular expressions that find errors and warnings in what steps write (GitHub, ADR 0276). Pure.

mod ecmascript;
mod location;
mod matcher;
mod scanner;

pub use matcher::{FILE_LIMIT_BYTES, Matcher};
pub use scanner::{Found, Scanner};
