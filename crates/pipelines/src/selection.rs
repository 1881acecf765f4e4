use std::fmt;

use serde::Serialize;
use sluice_model::JobId;
use sluice_plan::Plan;
use sluice_source::Diagnostic;

/// What runs for a trigger, and why the rest does not.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// In the order of files, and within a file in its own.
    pub plans: Vec<Plan>,
    pub not_run: Vec<NotRun>,
    /// Errors and findings of all files. Where a file has an error, none of its workflows is in `plans`.
    pub diagnostics: Vec<Diagnostic>,
}

/// A workflow, or one job of a workflow that does run, that this trigger leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRun {
    pub file: String,
    pub workflow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// ``on: push has `branches: [main]`, which does not match `feature/x` ``
    pub reason: String,
}

impl Selection {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.job {
            Some(job) => write!(f, "{} / {job}: {}", self.workflow, self.reason),
            None => write!(f, "{}: {}", self.workflow, self.reason),
        }
    }
}
