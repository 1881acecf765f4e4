use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sluice_engine as engine;
use sluice_model::{Conclusion, InstanceId};
use sluice_plan::GateKind;
use sluice_wire::{JobEvent, QueuedFor, TestCase};

/// What happens, as it happens. The text of jobs is masked.
#[derive(Debug, Clone)]
pub enum LocalEvent {
    /// The run at this place of the list has begun under this number. `kept`: how jobs ended that are not run again.
    Began {
        index: usize,
        number: u64,
        attempt: u32,
        kept: Vec<InstanceId>,
    },
    /// The run changed: the engine's whole state of it, cheap to clone.
    Changed {
        index: usize,
        state: Arc<engine::State>,
    },
    /// What the run, or jobs of it, wait for, as it is now.
    Queued {
        index: usize,
        queued: Vec<QueuedFor>,
    },
    Job {
        index: usize,
        instance: InstanceId,
        attempt: u32,
        event: JobEvent,
    },
    /// The job stands at a step that failed, until it is told to go on.
    Stopped {
        index: usize,
        instance: InstanceId,
        step: String,
    },
}

/// A gate that asks for a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateQuestion {
    pub index: usize,
    pub instance: InstanceId,
    pub name: String,
    pub kind: GateKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateAnswer {
    Approve,
    Reject,
    /// The gate stays closed, and the run ends where it stands.
    Leave,
}

/// Asked once a gate; several at once where several wait.
pub type Approvals = Arc<dyn Fn(GateQuestion) -> BoxFuture<'static, GateAnswer> + Send + Sync>;

/// Asked once a job that stands at a failed step; when it is answered, the job goes on.
pub type Stops = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What is asked of a person.
#[derive(Clone)]
pub struct Asks {
    pub approvals: Approvals,
    pub stops: Stops,
}

/// How a run ended, in the order of the list.
#[derive(Debug, Clone)]
pub struct LocalOutcome {
    pub number: u64,
    /// None: it waits at a gate that was left closed.
    pub conclusion: Option<Conclusion>,
    pub state: Arc<engine::State>,
    /// What test reports of the last attempts name as failed.
    pub failed_tests: BTreeMap<InstanceId, Vec<TestCase>>,
}
