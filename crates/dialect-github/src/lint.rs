//! What is legal but dangerous, or can never work.

use sluice_source::Diagnostic;

use crate::workflow::Workflow;

pub(crate) fn check(_workflow: &Workflow, _diagnostics: &mut Vec<Diagnostic>) {}
