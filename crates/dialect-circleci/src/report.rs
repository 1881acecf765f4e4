use sluice_source::{Diagnostic, Location, Severity, Span};

/// More findings than this in one config help nobody.
const MOST_FINDINGS: usize = 200;

/// What was found, and the texts that it was found in.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// By [`Span::file`].
    pub(crate) files: Vec<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Those of them that are about an orb of CircleCI's registry: they hold up only what needs it.
    pub(crate) missing_orbs: Vec<Diagnostic>,
    /// Errors of something that these pipeline values switch off: CircleCI does not look there, so they are warnings.
    pub(crate) is_dormant: bool,
}

impl Report {
    pub(crate) fn path(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", String::as_str)
    }

    pub(crate) fn location(&self, span: Span) -> Location {
        let mut location = span.at(self.path(span.file));
        // Of nothing at all, the place is the file's start.
        (location.line, location.column) = (location.line.max(1), location.column.max(1));
        location
    }

    pub(crate) fn error(&mut self, code: &str, span: Span, message: impl Into<String>) {
        let error = self.new_error(code, span, message);
        self.push(error);
    }

    pub(crate) fn warn(&mut self, code: &str, span: Span, message: impl Into<String>) {
        let location = self.location(span);
        self.push(Diagnostic::warning(format!("circleci/{code}"), location, span.length(), message));
    }

    /// An error that is not in the report yet, for one that wants help or labels.
    pub(crate) fn new_error(&self, code: &str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(format!("circleci/{code}"), self.location(span), span.length(), message)
    }

    /// The same finding out of ten calls of one command is one finding.
    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if self.is_dormant && diagnostic.is_error() {
            diagnostic.severity = Severity::Warning;
        }
        let is_known = self.diagnostics.iter().any(|known| {
            known.location == diagnostic.location
                && known.code == diagnostic.code
                && known.message == diagnostic.message
        });
        if !is_known && !self.is_full() {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether another finding would be dropped: no need to think of help for it.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.len() >= MOST_FINDINGS
    }

    pub(crate) fn push_missing_orb(&mut self, diagnostic: Diagnostic) {
        self.missing_orbs.push(diagnostic.clone());
        self.push(diagnostic);
    }

    /// Whether nothing of the config can be run.
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.is_error() && !self.missing_orbs.contains(found))
    }
}
