use serde_json::json;
use sluice_wire::{TestCase, TestOutcome};

use super::environment::Node;
use crate::depot::DepotError;
use crate::job::JobRun;
use crate::place::Place;

/// Where `circleci tests split` looks, below the folder that it shares with the runner.
const FILE: &str = "circle-test-results/results.json";

/// Keeps what tests took for later runs of the job. A file is named from the working directory, which is another one
/// in every run.
pub fn keep(job: &JobRun<'_>, place: &Place, cases: &[TestCase]) -> Result<(), DepotError> {
    let masker = job.log.masker();
    let work = format!("{}/", place.layout.workspace.inside.trim_end_matches('/'));
    let tests: Vec<_> = cases
        .iter()
        .map(|case| {
            let file = case.file.as_deref().unwrap_or_default();
            let result = match case.outcome {
                TestOutcome::Passed => "success",
                TestOutcome::Skipped => "skipped",
                TestOutcome::Failed { .. } => "failure",
            };
            json!({
                "file": masker.mask_text(file.strip_prefix(&work).unwrap_or(file)),
                "classname": masker.mask_text(&case.suite),
                "name": masker.mask_text(&case.name),
                "run_time": case.duration_ms as f64 / 1e3,
                "result": result,
            })
        })
        .collect();
    job.depot.keep_timings(job.order.job.id.as_str(), Node::of(job.order).index, &tests)
}

/// Puts what an earlier run's tests took where `circleci tests split` finds it: the same for all nodes of the job.
pub async fn provide(job: &JobRun<'_>, place: &Place) -> Result<(), String> {
    let known = job.depot.timings(job.order.job.id.as_str()).map_err(|error| error.to_string())?;
    let Some(content) = known else { return Ok(()) };
    let path = place.layout.temp.inside(FILE);
    place.session.write(&path, 0o644, content).await.map_err(|error| error.to_string())
}
