use sluice_source::{Diagnostic, DuplicateKeys, MergeKeys};

use crate::call::{self, Calls};
use crate::convert;
use crate::limits::Limits;
use crate::lint;
use crate::permissions::DefaultGrants;
use crate::reader;
use crate::schema::{self, Type};
use crate::token::Token;
use crate::workflow::Workflow;

/// What a workflow file says, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// None where there is an error.
    pub workflow: Option<Workflow>,
    /// In the order in which they were found; errors of reusable workflows name the caller's file first.
    pub diagnostics: Vec<Diagnostic>,
}

impl Read {
    pub fn is_accepted(&self) -> bool {
        self.workflow.is_some()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    /// What the repository grants a token where no file says anything; None: not known, and not checked.
    pub default_grants: Option<DefaultGrants>,
}

/// Reads a workflow file as GitHub does, and looks for what is legal but dangerous.
///
/// `path` is relative to the repository's root. `files` gives the text of a reusable workflow by what `uses:` says,
/// without a leading `./`: local ones by their path, remote ones as `owner/repo/path@ref`. What it does not give is
/// neither checked nor put into the plan.
pub fn read(path: &str, text: &str, files: &dyn Fn(&str) -> Option<String>) -> Read {
    read_with(path, text, files, &Options::default())
}

pub fn read_with(path: &str, text: &str, files: &dyn Fn(&str) -> Option<String>, options: &Options) -> Read {
    let mut diagnostics = Vec::new();
    let mut workflow = parse(path, text, options, &mut diagnostics);
    if let Some(workflow) = &mut workflow {
        let mut calls = Calls::new(files, options, &mut diagnostics);
        call::load(workflow, &mut calls);
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Read { workflow: None, diagnostics };
    }
    if let Some(workflow) = &workflow {
        lint::check(workflow, &mut diagnostics);
    }
    Read { workflow, diagnostics }
}

/// One file, without what it calls. None where there is an error.
pub(crate) fn parse(
    path: &str,
    text: &str,
    options: &Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Workflow> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let before = diagnostics.len();
    let token = tokens(path, text, &schema::ROOT, &options.limits, diagnostics)?;
    if diagnostics[before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let workflow = convert::workflow(path, text, token, options.limits.errors, diagnostics);
    let is_sound = !diagnostics[before..].iter().any(Diagnostic::is_error);
    is_sound.then_some(workflow)
}

/// A file of one YAML document as `kind` of GitHub's schema.
pub(crate) fn tokens(
    path: &str,
    text: &str,
    kind: &'static Type,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Token> {
    // GitHub has its own words for a key that stands twice, and merges nothing.
    let options = sluice_source::Options {
        duplicate_keys: DuplicateKeys::Keep,
        merge_keys: MergeKeys::Keep,
        ..sluice_source::Options::default()
    };
    let loaded = sluice_source::load(path, text, &options);
    if !loaded.diagnostics.is_empty() {
        diagnostics.extend(loaded.diagnostics);
        return None;
    }
    let mut documents = loaded.documents.into_iter();
    let Some(root) = documents.next() else {
        let at = sluice_source::Location { path: path.to_owned(), line: 1, column: 1 };
        let message = "the file is empty: a workflow has at least `on` and `jobs`, and an action `runs`";
        diagnostics.push(Diagnostic::error("github/empty", at, 0, message));
        return None;
    };
    if let Some(second) = documents.next() {
        let message = "the file has to be one YAML document, and here a second one begins";
        diagnostics.push(Diagnostic::error("github/documents", second.span.at(path), 0, message));
        return None;
    }
    reader::read(path, text, &root, kind, limits, diagnostics)
}
