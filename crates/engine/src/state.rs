use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_model::{AgentId, Conclusion, InstanceId, JobId, RunId, Timestamp, Trigger, UserName};
use sluice_plan::{GateKind, Job, Plan, Value};

use crate::calls::{CallMap, CallState};
use crate::graph::Graph;
use crate::jobs::Jobs;
use crate::{Create, GateOpener, GroupPlace, InstancePlan};

/// The fold of one run's log. Empty before the run is created.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub(crate) sequence: u64,
    pub(crate) run: Option<Run>,
}

impl State {
    /// How many events were folded: the number of the last one in the run's log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }
}

/// One run. Cheap to clone: what never changes, and each job, is shared until it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) fixed: Arc<Fixed>,
    /// The `github` context of this attempt.
    pub(crate) github: Arc<Value>,
    pub(crate) attempt: u32,
    /// How many of the attempts began by themselves.
    pub(crate) auto_reruns: u32,
    pub(crate) status: RunStatus,
    /// None where the workflow has no concurrency group.
    pub(crate) group: Option<GroupPlace>,
    /// Why the run had to stop for another of its group, once it had.
    pub(crate) superseded: Option<String>,
    /// In the plan's order.
    pub(crate) jobs: Jobs,
    /// In the plan's order.
    pub(crate) calls: Arc<Vec<CallState>>,
    /// How many jobs have not ended.
    pub(crate) open_jobs: usize,
    pub(crate) attempt_began: Timestamp,
}

/// What a run keeps from its creation on.
#[derive(Debug, PartialEq)]
pub(crate) struct Fixed {
    pub(crate) create: Create,
    pub(crate) title: String,
    pub(crate) created: Timestamp,
    pub(crate) graph: Graph,
    pub(crate) calls: CallMap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// Waits for its concurrency group; no job has started.
    Queued {
        since: Timestamp,
    },
    Running,
    Cancelling {
        force: bool,
        since: Timestamp,
    },
    Ended {
        conclusion: Conclusion,
        at: Timestamp,
    },
}

/// One job of the plan in this attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    pub state: JobState,
    /// Empty until the job starts.
    pub instances: Vec<Instance>,
    /// The most offers that an instance had before the job was taken back by a rerun: attempts are counted on from it.
    pub(crate) offers_before: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// Not all of its needs have ended.
    Waiting,
    Active {
        since: Timestamp,
        fail_fast: bool,
        max_parallel: Option<u32>,
    },
    Ended {
        at: Timestamp,
        conclusion: Conclusion,
        outputs: BTreeMap<String, String>,
        problem: Option<String>,
        fail_fast: bool,
        max_parallel: Option<u32>,
        chain: Chain,
    },
}

/// How a job and everything that it needed, directly or not, ended: what `success()` and `failure()` look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    pub(crate) all_succeeded: bool,
    pub(crate) any_failed: bool,
}

impl JobState {
    pub fn conclusion(&self) -> Option<Conclusion> {
        match self {
            Self::Ended { conclusion, .. } => Some(*conclusion),
            Self::Waiting | Self::Active { .. } => None,
        }
    }
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// One combination of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub plan: InstancePlan,
    /// Offers so far, over all reruns.
    pub attempt: u32,
    /// Leases lost since the last start or rerun.
    pub lost_leases: u32,
    /// None until its gate is asked, or where it has none.
    pub gate: Option<GateRecord>,
    /// None until its concurrency group is asked for, or where it has none.
    pub group: Option<GroupPlace>,
    pub state: InstanceState,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InstanceState {
    /// Its turn has not come: `max-parallel`.
    Held,
    /// Its concurrency group is taken.
    Queued {
        since: Timestamp,
    },
    /// Its gate waits for a decision.
    Gated {
        since: Timestamp,
    },
    /// Any agent may take it.
    Offered {
        fencing_token: u64,
        since: Timestamp,
    },
    Leased {
        fencing_token: u64,
        agent: AgentId,
        since: Timestamp,
        until: Timestamp,
        cancel_requested: bool,
    },
    Ended {
        /// Before `continue-on-error`.
        conclusion: Conclusion,
        outputs: BTreeMap<String, String>,
        problem: Option<String>,
        /// When an agent took it; none where none did.
        started: Option<Timestamp>,
        at: Timestamp,
        /// Of the lease that reported it.
        fencing_token: Option<u64>,
    },
}

impl InstanceState {
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
    /// Counts against `max-parallel`.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Gated { .. } | Self::Offered { .. } | Self::Leased { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRecord {
    pub name: String,
    pub kind: GateKind,
    pub asked: Timestamp,
    pub opened: Option<(GateOpener, Timestamp)>,
    pub rejected: Option<(UserName, Timestamp)>,
}

/// A job that any agent may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer<'a> {
    pub instance: InstanceId,
    pub fencing_token: u64,
    pub since: Timestamp,
    pub job: &'a Job,
}

/// A gate that waits for a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingGate<'a> {
    pub instance: InstanceId,
    pub name: &'a str,
    pub kind: GateKind,
    pub since: Timestamp,
}

impl Run {
    pub fn id(&self) -> RunId {
        self.fixed.create.run
    }
    pub fn number(&self) -> u64 {
        self.fixed.create.number
    }
    /// From 1; each rerun adds one.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
    pub fn title(&self) -> &str {
        &self.fixed.title
    }
    pub fn plan(&self) -> &Plan {
        &self.fixed.create.plan
    }
    pub fn trigger(&self) -> &Trigger {
        &self.fixed.create.trigger
    }
    pub fn inputs(&self) -> &Value {
        &self.fixed.create.inputs
    }
    /// All runs that one trigger began have the same; it grows with each trigger.
    pub fn pipeline(&self) -> u64 {
        self.fixed.create.pipeline
    }
    pub fn vars(&self) -> &BTreeMap<String, String> {
        &self.fixed.create.vars
    }
    pub fn status(&self) -> &RunStatus {
        &self.status
    }
    pub fn created(&self) -> Timestamp {
        self.fixed.created
    }
    /// When this attempt began.
    pub fn attempt_began(&self) -> Timestamp {
        self.attempt_began
    }
    pub fn conclusion(&self) -> Option<Conclusion> {
        match self.status {
            RunStatus::Ended { conclusion, .. } => Some(conclusion),
            RunStatus::Queued { .. } | RunStatus::Running | RunStatus::Cancelling { .. } => None,
        }
    }
    /// Which of its automatic reruns comes now, from 1: the run failed, its plan has one left, and nobody has rerun it by
    /// hand (CircleCI, "Automatic rerun criteria").
    pub fn next_auto_rerun(&self) -> Option<u32> {
        let failed = self.conclusion() == Some(Conclusion::Failure);
        let is_by_itself = self.attempt == self.auto_reruns + 1;
        (failed && is_by_itself && self.auto_reruns < self.plan().max_auto_reruns)
            .then_some(self.auto_reruns + 1)
    }
    /// How many of its attempts began by themselves.
    pub fn auto_reruns(&self) -> u32 {
        self.auto_reruns
    }
    /// Why this attempt was cancelled for another run of its concurrency group; none where it was not.
    pub fn superseded(&self) -> Option<&str> {
        self.superseded.as_deref()
    }

    /// The jobs in the plan's order, each with how it stands.
    pub fn jobs(&self) -> impl Iterator<Item = (&Job, &JobRecord)> {
        self.plan().jobs.iter().zip(self.jobs.iter())
    }
    pub fn job(&self, id: &JobId) -> Option<(&Job, &JobRecord)> {
        let index = self.fixed.graph.index(id)?;
        Some((self.plan().jobs.get(index)?, self.jobs.get(index)?))
    }
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.job(&id.job)?.1.instances.get(id.index as usize)
    }
    /// Every instance of every job that has started, in the plan's order.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        self.jobs().flat_map(|(job, record)| {
            (0u32..)
                .zip(&record.instances)
                .map(|(index, instance)| (InstanceId::new(job.id.clone(), index), instance))
        })
    }
    /// Jobs that wait for an agent, in the plan's order.
    pub fn offers(&self) -> impl Iterator<Item = Offer<'_>> {
        self.jobs().flat_map(|(job, record)| {
            (0u32..).zip(&record.instances).filter_map(|(index, instance)| match instance.state {
                InstanceState::Offered { fencing_token, since } => Some(Offer {
                    instance: InstanceId::new(job.id.clone(), index),
                    fencing_token,
                    since,
                    job,
                }),
                _ => None,
            })
        })
    }
    /// Gates that wait for a person or for the policy.
    pub fn waiting_gates(&self) -> impl Iterator<Item = WaitingGate<'_>> {
        self.jobs().flat_map(|(job, record)| {
            (0u32..).zip(&record.instances).filter_map(|(index, instance)| {
                match (&instance.state, &instance.gate) {
                    (InstanceState::Gated { since }, Some(gate)) => Some(WaitingGate {
                        instance: InstanceId::new(job.id.clone(), index),
                        name: &gate.name,
                        kind: gate.kind,
                        since: *since,
                    }),
                    _ => None,
                }
            })
        })
    }
    /// The earliest moment at which a `Tick` could change something.
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.jobs
            .iter()
            .flat_map(|record| &record.instances)
            .filter_map(|instance| match instance.state {
                InstanceState::Leased { until, .. } => Some(until),
                _ => None,
            })
            .min()
    }
}
