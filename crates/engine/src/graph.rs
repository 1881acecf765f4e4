use std::collections::HashMap;

use sluice_model::JobId;
use sluice_plan::Plan;

/// The plan's jobs by position: who needs whom. A need that names no job is left out (see `unsupported`).
#[derive(Debug, PartialEq)]
pub(crate) struct Graph {
    index: HashMap<JobId, usize>,
    needs: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Self {
        let index: HashMap<JobId, usize> =
            plan.jobs.iter().enumerate().map(|(position, job)| (job.id.clone(), position)).collect();
        let needs: Vec<Vec<usize>> = plan
            .jobs
            .iter()
            .map(|job| job.needs.iter().filter_map(|need| index.get(&need.job).copied()).collect())
            .collect();
        let mut dependents = vec![Vec::new(); plan.jobs.len()];
        for (job, needed) in needs.iter().enumerate() {
            for &need in needed {
                dependents[need].push(job);
            }
        }
        Self { index, needs, dependents }
    }

    pub(crate) fn index(&self, job: &JobId) -> Option<usize> {
        self.index.get(job).copied()
    }
    /// Positions of the jobs that `job` needs directly.
    pub(crate) fn needs(&self, job: usize) -> &[usize] {
        self.needs.get(job).map_or(&[], Vec::as_slice)
    }
    /// Positions of the jobs that need `job` directly.
    pub(crate) fn dependents(&self, job: usize) -> &[usize] {
        self.dependents.get(job).map_or(&[], Vec::as_slice)
    }

    /// `jobs` and everything that needs one of them, directly or not, in the plan's order.
    pub(crate) fn with_dependents(&self, jobs: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut within = vec![false; self.needs.len()];
        let mut open: Vec<usize> = jobs.into_iter().collect();
        while let Some(job) = open.pop() {
            if let Some(seen) = within.get_mut(job)
                && !std::mem::replace(seen, true)
            {
                open.extend(self.dependents(job));
            }
        }
        (0..within.len()).filter(|&job| within[job]).collect()
    }

    /// Positions of jobs that can never start, because they need each other in a circle or wait for such.
    pub(crate) fn never_ready(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..missing.len()).filter(|&job| missing[job] == 0).collect();
        while let Some(job) = ready.pop() {
            for &dependent in self.dependents(job) {
                missing[dependent] -= 1;
                if missing[dependent] == 0 {
                    ready.push(dependent);
                }
            }
        }
        (0..missing.len()).filter(|&job| missing[job] > 0).collect()
    }
}
