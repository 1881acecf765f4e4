use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use sluice_plan::Plan;

/// Honours the concurrency group of a workflow by being the only run of the repository that has one. Keep what comes
/// back until the run has ended; none where no workflow has a group.
///
/// Groups of several workflows may be the same one, and those of jobs wait within a run: both stay in the plans, for the
/// engine to refuse.
pub fn alone(plans: &mut [Plan], state: &Path) -> anyhow::Result<Option<File>> {
    let Some(plan) = only_grouped(plans) else { return Ok(None) };
    let path = state.join("concurrency-group");
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "`{}` has a concurrency group, and another `sluice run` of this repository is in one: wait for its end",
            plan.workflow
        );
    }
    plan.concurrency = None;
    Ok(Some(lock))
}

/// The plan whose group a run that is alone would honour.
pub fn only_grouped(plans: &mut [Plan]) -> Option<&mut Plan> {
    let mut grouped = plans.iter_mut().filter(|plan| plan.concurrency.is_some());
    let first = grouped.next()?;
    grouped.next().is_none().then_some(first)
}
