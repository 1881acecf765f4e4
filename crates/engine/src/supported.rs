use std::collections::HashSet;

use sluice_plan::{Plan, Work};
use sluice_source::{Diagnostic, Location};

use crate::graph::Graph;

/// The most jobs that one plan may have.
pub const MAX_JOBS: usize = 5_000;

/// What the run machine cannot do with this plan, each with its place. A run of such a plan is refused, so that
/// nothing that the file asks for is ever skipped in silence.
pub fn unsupported(plan: &Plan) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let whole = Location { path: plan.file.clone(), line: 1, column: 1 };
    if plan.jobs.is_empty() {
        found.push(Diagnostic::error("engine/no-jobs", whole.clone(), 0, "the workflow has no jobs"));
    }
    if plan.jobs.len() > MAX_JOBS {
        let message = format!("the workflow has {} jobs; at most {MAX_JOBS} are taken", plan.jobs.len());
        found.push(Diagnostic::error("engine/too-many-jobs", whole.clone(), 0, message));
        return found;
    }
    let mut seen = HashSet::new();
    let known: HashSet<_> = plan.jobs.iter().map(|job| &job.id).collect();
    for job in &plan.jobs {
        let error = |code: &str, message: String| Diagnostic::error(code, job.at.clone(), 0, message);
        if !seen.insert(&job.id) {
            found.push(error("engine/duplicate-job", format!("the job `{}` is there twice", job.id)));
        }
        for need in job.needs.iter().filter(|need| !known.contains(&need.job)) {
            let message =
                format!("the job `{}` needs `{}`, which the workflow does not have", job.id, need.job);
            found.push(error("engine/unknown-need", message));
        }
        if let Work::Refused(why) = &job.work {
            found.push((**why).clone());
        }
        if let Work::Call(call) = &job.work {
            let (id, workflow) = (&job.id, &call.workflow);
            let (why, help) = match &call.obstacle {
                Some(obstacle) => (
                    obstacle.as_str(),
                    "what cannot be told beforehand can be decided in the called workflow",
                ),
                None => (
                    "which was not found",
                    "a workflow of this repository is called as `./.github/workflows/…`",
                ),
            };
            let message = format!("the job `{id}` calls the reusable workflow `{workflow}`, {why}");
            found.push(error("engine/unresolved-call", message).with_help(help));
        }
    }
    let circle = Graph::of(plan).never_ready();
    if let Some(first) = circle.first().and_then(|&job| plan.jobs.get(job)) {
        let names: Vec<String> = circle.iter().map(|&job| format!("`{}`", plan.jobs[job].id)).collect();
        let message = format!("these jobs wait for each other and never start: {}", names.join(", "));
        found.push(Diagnostic::error("engine/needs-circle", first.at.clone(), 0, message));
    }
    found
}
