use serde::{Deserialize, Serialize};
use sluice_source::Diagnostic;
use sluice_store::StoreError;
use sluice_wire::RunSummary;

/// What the list of runs keeps of one, as JSON text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) summary: RunSummary,
    /// Why nothing ran, where the pipeline file has errors: such a run has no log of events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl RunRecord {
    pub(crate) fn read(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json)
            .map_err(|error| StoreError::Corrupt { what: "run", reason: error.to_string() })
    }

    pub(crate) fn text(&self) -> String {
        // A struct of strings and numbers always has a JSON text.
        serde_json::to_string(self).unwrap_or_default()
    }
}
