use serde::{Deserialize, Serialize};
use sluice_model::JobId;

use crate::{Concurrency, Late};

/// A call of a reusable workflow whose jobs stand in the plan: what holds for all of them together.
///
/// A call without a matrix and without a concurrency group has none. One that is in two groups, its caller's and the
/// called workflow's own, is two, one within the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// `call`, and `call.1` for the second combination of its matrix, as its jobs are `call.1/inner`; `call/deploy.yml` for
    /// what the called workflow says itself. No job of the plan has it.
    pub id: JobId,
    /// Its jobs, those of calls within it among them.
    pub jobs: Vec<JobId>,
    /// Held from before the first of its jobs begins to the end of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combination: Option<Combination>,
}

/// One combination of the matrix of a job that calls a reusable workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// The job that calls: the same for all of its combinations, and for no others.
    pub of: JobId,
    /// Its values, as they stand behind the job's name: `ubuntu, 20`.
    pub values: String,
    /// When one has failed, the others stop.
    pub fail_fast: Late<bool>,
    /// So many are under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<Late<u32>>,
}
