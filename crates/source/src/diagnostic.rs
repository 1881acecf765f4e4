use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a file that a person wrote. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Location {
    /// Relative to the repository's root, with `/`.
    pub path: String,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// A second place that explains the first: "first defined here".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub location: Location,
    /// Characters from `location` on.
    pub length: u32,
    pub message: String,
}

/// One finding in a file that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, in kebab-case, with the room first: `github/unknown-key`, `yaml/duplicate-key`.
    pub code: String,
    pub message: String,
    pub location: Location,
    /// Characters from `location` on; 0 where only the place is known.
    pub length: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do next, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn new(
        severity: Severity,
        code: impl Into<String>,
        location: Location,
        length: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.into(),
            message: message.into(),
            location,
            length,
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    pub fn error(
        code: impl Into<String>,
        location: Location,
        length: u32,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, location, length, message)
    }

    pub fn warning(
        code: impl Into<String>,
        location: Location,
        length: u32,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, location, length, message)
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a second place.
    pub fn with_label(mut self, location: Location, length: u32, message: impl Into<String>) -> Self {
        self.labels.push(Label { location, length, message: message.into() });
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `path:line:col: severity[code]: message`, one line, for editors and logs.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(f, "{}: {severity}[{}]: {}", self.location, self.code, printable(&self.message))
    }
}

/// Text for one line of a terminal: control characters, which may come out of a stranger's file, are escaped.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}
