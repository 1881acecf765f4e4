use sluice_source::Diagnostic;

use super::convert;
use super::manifest::ActionManifest;
use crate::limits::Limits;
use crate::read::tokens;
use crate::schema;

/// What a manifest says, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct ReadAction {
    /// None where there is an error.
    pub manifest: Option<ActionManifest>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `action.yml` as GitHub's runner does. `path` is what diagnostics call the file.
pub fn read_action(path: &str, text: &str) -> ReadAction {
    let mut diagnostics = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let limits = Limits::default();
    let token = tokens(path, text, &schema::ACTION, &limits, &mut diagnostics);
    let is_sound = !diagnostics.iter().any(Diagnostic::is_error);
    let manifest = token
        .filter(|_| is_sound)
        .and_then(|token| convert::manifest(path, &token, limits.errors, &mut diagnostics));
    let is_sound = !diagnostics.iter().any(Diagnostic::is_error);
    ReadAction { manifest: manifest.filter(|_| is_sound), diagnostics }
}
