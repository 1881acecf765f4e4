//! Calls of reusable workflows, where one has to be known as a whole: combinations of a matrix take turns and stop each
//! other, and a call may hold a concurrency group from before its first job to the end of its last.

use std::collections::HashMap;

use sluice_model::{Conclusion, InstanceId, JobId};
use sluice_plan::{Combination, Plan};

use crate::context::Contexts;
use crate::expand::{as_bool, as_count};
use crate::{GroupPlace, Run};

/// Which jobs are in which calls, by position in the plan.
#[derive(Debug, PartialEq)]
pub(crate) struct CallMap {
    index: HashMap<JobId, usize>,
    jobs: Vec<Vec<usize>>,
    of_job: HashMap<usize, Vec<usize>>,
}

impl CallMap {
    pub(crate) fn of(plan: &Plan, position: impl Fn(&JobId) -> Option<usize>) -> Self {
        let mut map = Self { index: HashMap::new(), jobs: Vec::new(), of_job: HashMap::new() };
        for (call, called) in plan.calls.iter().enumerate() {
            let jobs: Vec<usize> = called.jobs.iter().filter_map(&position).collect();
            for &job in &jobs {
                map.of_job.entry(job).or_default().push(call);
            }
            map.index.insert(called.id.clone(), call);
            map.jobs.push(jobs);
        }
        map
    }

    pub(crate) fn index(&self, call: &JobId) -> Option<usize> {
        self.index.get(call).copied()
    }
    /// Positions of the call's jobs.
    pub(crate) fn jobs(&self, call: usize) -> &[usize] {
        self.jobs.get(call).map_or(&[], Vec::as_slice)
    }
    /// The calls that the job is in, the outermost first.
    pub(crate) fn around(&self, job: usize) -> &[usize] {
        self.of_job.get(&job).map_or(&[], Vec::as_slice)
    }
}

/// One call in this attempt. It has ended when its jobs have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallState {
    /// Its turn has not come.
    Waiting,
    /// Its concurrency group is taken.
    Queued { place: GroupPlace },
    /// Its jobs may start.
    Open { place: Option<GroupPlace> },
    /// For a combination of its matrix that failed, or for another of its group. `force`: not even a job that asks for
    /// `always()` starts, for the call itself never began.
    Stopped { place: Option<GroupPlace>, reason: String, force: bool },
}

impl CallState {
    pub(crate) fn place(&self) -> Option<&GroupPlace> {
        match self {
            Self::Waiting => None,
            Self::Queued { place } => Some(place),
            Self::Open { place } | Self::Stopped { place, .. } => place.as_ref(),
        }
    }
    /// Jobs may start, where the stop does not keep them.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Stopped { force: false, .. })
    }
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}

/// What keeps a job from going on: the run's cancel, or the stop of a call that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A job whose condition holds for a cancelled run goes on.
    Asked,
    /// No job goes on.
    Forced,
}

impl Run {
    /// The stop of a call that the job is in, the outermost one first, and why.
    pub(crate) fn call_stop(&self, job: usize) -> Option<(Stop, &str)> {
        let stops = self.fixed.calls.around(job).iter().filter_map(|&call| match &self.calls[call] {
            CallState::Stopped { reason, force, .. } => {
                Some((if *force { Stop::Forced } else { Stop::Asked }, reason.as_str()))
            }
            CallState::Waiting | CallState::Queued { .. } | CallState::Open { .. } => None,
        });
        stops.reduce(|first, next| if first.0 == Stop::Forced { first } else { next })
    }

    /// Whether all of the call's jobs have ended.
    pub(crate) fn call_has_ended(&self, call: usize) -> bool {
        self.fixed.calls.jobs(call).iter().all(|&job| self.jobs[job].state.is_ended())
    }

    pub(crate) fn call_has_failed(&self, call: usize) -> bool {
        let failed = |job: &usize| self.jobs[*job].state.conclusion() == Some(Conclusion::Failure);
        self.fixed.calls.jobs(call).iter().any(failed)
    }

    /// The other combinations of the call's matrix.
    pub(crate) fn siblings(&self, call: usize) -> Vec<usize> {
        let calls = &self.plan().calls;
        let of = |call: usize| calls.get(call)?.combination.as_ref().map(|combination| &combination.of);
        let Some(own) = of(call) else { return Vec::new() };
        (0..calls.len()).filter(|&other| other != call && of(other) == Some(own)).collect()
    }

    /// Whether `max-parallel` lets one more combination begin. `job` is one that is about to.
    pub(crate) fn has_turn(&self, call: usize, job: usize) -> Result<bool, String> {
        let Some(Combination { max_parallel: Some(most), .. }) = &self.plan().calls[call].combination else {
            return Ok(true);
        };
        let most = Contexts::of_job(self, job)
            .late(most, as_count, "a whole number above 0")
            .map_err(|error| format!("`strategy.max-parallel` has no value: {error}"))?;
        let is_under_way =
            |other: &usize| !matches!(self.calls[*other], CallState::Waiting) && !self.call_has_ended(*other);
        Ok(self.siblings(call).iter().filter(|other| is_under_way(other)).count() < most as usize)
    }

    /// Whether the other combinations stop when this one has failed. What has no value counts as GitHub's default.
    pub(crate) fn fails_fast(&self, call: usize, job: usize) -> bool {
        let combination = self.plan().calls[call].combination.as_ref();
        combination.is_some_and(|combination| {
            let contexts = Contexts::of_job(self, job);
            contexts.late(&combination.fail_fast, as_bool, "a boolean").unwrap_or(true)
        })
    }

    /// Who holds a group that everything in the call, or the job, waits for the end of: the run, or a call around it.
    pub(crate) fn holder_around(&self, calls: &[usize], key: &crate::group::GroupKey) -> Option<String> {
        let is_same = |place: &GroupPlace| place.group.key == *key;
        if self.group.as_ref().is_some_and(is_same) {
            return Some("the whole run".to_owned());
        }
        let holds = |call: &&usize| self.calls[**call].place().is_some_and(is_same);
        let call = calls.iter().find(holds)?;
        Some(format!("the call `{}`", self.plan().calls[*call].id))
    }

    /// The calls of reusable workflows that have a place in a group, or wait for one, each as its ticket names it.
    pub fn call_places(&self) -> impl Iterator<Item = (InstanceId, &GroupPlace)> {
        self.plan().calls.iter().zip(self.calls.iter()).enumerate().filter_map(|(call, (called, state))| {
            let place = state.place().filter(|_| !self.call_has_ended(call))?;
            Some((InstanceId::new(called.id.clone(), 0), place))
        })
    }
}
