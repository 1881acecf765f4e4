use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, Timestamp, UserName};
use sluice_plan::{GateKind, Value};

use crate::{Create, GateOpener, PlannedGroup};

/// What happened in a run. Stored for ever: a spelling, once released, never changes.
///
/// A run's log is numbered from 1; the number of a [`Event::JobOffered`] is that offer's fencing token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    RunCreated {
        at: Timestamp,
        #[serde(flatten)]
        create: Box<Create>,
        /// `run-name:` with its expressions decided; else the commit's subject, else the workflow's name.
        title: String,
    },
    /// The run waits for its concurrency group before any job of it starts. The number of this event is its ticket's.
    RunQueued {
        at: Timestamp,
        group: PlannedGroup,
    },
    RunAdmitted {
        at: Timestamp,
    },
    /// The job's needs and condition allow it. One instance, or one a combination of its matrix.
    JobStarted {
        at: Timestamp,
        job: JobId,
        instances: Vec<InstancePlan>,
        fail_fast: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_parallel: Option<u32>,
    },
    /// The instance waits for its concurrency group. The number of this event is its ticket's.
    JobQueued {
        at: Timestamp,
        instance: InstanceId,
    },
    JobAdmitted {
        at: Timestamp,
        instance: InstanceId,
    },
    /// The turn of a call of a reusable workflow has come. Where it has a concurrency group, it waits for that, and the
    /// number of this event is its ticket's.
    CallStarted {
        at: Timestamp,
        call: JobId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<PlannedGroup>,
    },
    CallAdmitted {
        at: Timestamp,
        call: JobId,
    },
    /// What of the call has not ended stops. `force`: it never began, and no job of it does.
    CallStopped {
        at: Timestamp,
        call: JobId,
        reason: String,
        force: bool,
    },
    GateWaiting {
        at: Timestamp,
        instance: InstanceId,
        name: String,
        gate: GateKind,
    },
    GateOpened {
        at: Timestamp,
        instance: InstanceId,
        by: GateOpener,
    },
    GateRejected {
        at: Timestamp,
        instance: InstanceId,
        by: UserName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Ready for any agent. `attempt` counts the offers of this instance over all reruns, from 1.
    JobOffered {
        at: Timestamp,
        instance: InstanceId,
        attempt: u32,
    },
    JobLeased {
        at: Timestamp,
        instance: InstanceId,
        agent: AgentId,
        until: Timestamp,
    },
    LeaseRenewed {
        at: Timestamp,
        instance: InstanceId,
        until: Timestamp,
    },
    LeaseLost {
        at: Timestamp,
        instance: InstanceId,
        agent: AgentId,
        loss: LeaseLoss,
    },
    /// A leased instance has to stop; its runner reports when it has.
    JobCancelRequested {
        at: Timestamp,
        instance: InstanceId,
        reason: String,
    },
    InstanceEnded {
        at: Timestamp,
        instance: InstanceId,
        conclusion: Conclusion,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// All instances have ended, or the job never started. `conclusion` is what `needs.<job>.result` says:
    /// a failure under `continue-on-error` counts as success.
    JobEnded {
        at: Timestamp,
        job: JobId,
        conclusion: Conclusion,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    CancelRequested {
        at: Timestamp,
        by: UserName,
        force: bool,
    },
    /// The run has to stop for another of its concurrency group, or did not get the group at all.
    RunSuperseded {
        at: Timestamp,
        reason: String,
    },
    RunEnded {
        at: Timestamp,
        conclusion: Conclusion,
    },
    /// A new attempt of the run: the named jobs go back, everything else stays as it was.
    RerunStarted {
        at: Timestamp,
        by: UserName,
        attempt: u32,
        jobs: Vec<Reset>,
        /// Nobody asked for it but the plan's `max_auto_reruns`; `by` is who began the run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_itself: bool,
    },
}

/// One instance as it was decided when its job started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstancePlan {
    /// The display name, with the matrix values.
    pub name: String,
    /// An empty object where there is no matrix.
    pub matrix: Value,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_error: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<PlannedGate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PlannedGroup>,
}

/// A gate with its name decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGate {
    pub name: String,
    pub kind: GateKind,
}

/// Why a lease is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseLoss {
    Expired,
    AgentLost,
}

/// What a rerun takes back of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    pub job: JobId,
    /// Only these combinations of its matrix, by index. None: the whole job, condition and matrix decided anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<u32>>,
}
