use std::collections::BTreeMap;

use sluice_model::{Conclusion, InstanceId, JobId, Timestamp};
use sluice_plan::{Job, Value};

use crate::context::{Place, strategy_context};
use crate::{InstanceState, JobState, State};

/// What the engine knows of one leased or offered instance: the part of a job order that is its to give.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment<'a> {
    pub job: &'a Job,
    /// With the matrix values.
    pub display_name: &'a str,
    /// Offers of this instance so far.
    pub attempt: u32,
    /// The run's attempt: `github.run_attempt`.
    pub run_attempt: u32,
    pub fencing_token: u64,
    /// The end of the lease; none while it is only offered.
    pub leased_until: Option<Timestamp>,
    /// An empty object where there is no matrix.
    pub matrix: &'a Value,
    /// `strategy.fail-fast`, `job-index`, `job-total`, `max-parallel`.
    pub strategy: Value,
    /// The jobs that this one needs directly.
    pub needs: BTreeMap<JobId, NeedOutcome>,
}

/// How a needed job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedOutcome {
    pub result: Conclusion,
    pub outputs: BTreeMap<String, String>,
}

/// None where the instance is neither offered nor leased.
pub fn assignment<'a>(state: &'a State, id: &InstanceId) -> Option<Assignment<'a>> {
    let run = state.run()?;
    let (job, record) = run.job(&id.job)?;
    let instance = record.instances.get(id.index as usize)?;
    let (fencing_token, leased_until) = match instance.state {
        InstanceState::Offered { fencing_token, .. } => (fencing_token, None),
        InstanceState::Leased { fencing_token, until, .. } => (fencing_token, Some(until)),
        InstanceState::Held
        | InstanceState::Queued { .. }
        | InstanceState::Gated { .. }
        | InstanceState::Ended { .. } => return None,
    };
    let JobState::Active { fail_fast, max_parallel, .. } = record.state else { return None };
    let needs = job.needs.iter().filter_map(|need| match &run.job(&need.job)?.1.state {
        JobState::Ended { conclusion, outputs, .. } => {
            Some((need.job.clone(), NeedOutcome { result: *conclusion, outputs: outputs.clone() }))
        }
        JobState::Waiting | JobState::Active { .. } => None,
    });
    Some(Assignment {
        job,
        display_name: &instance.plan.name,
        attempt: instance.attempt,
        run_attempt: run.attempt(),
        fencing_token,
        leased_until,
        matrix: &instance.plan.matrix,
        strategy: strategy_context(Place {
            fail_fast,
            max_parallel,
            index: id.index as usize,
            total: record.instances.len(),
        }),
        needs: needs.collect(),
    })
}
