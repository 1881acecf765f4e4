use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, RunId, Timestamp, Trigger, UserName};
use sluice_plan::{Plan, Value};

use crate::GateOpener;
use crate::group::{Ticket, TurnedAway};

/// What somebody asks of a run. Whether they may is for the server to check before; whether it makes sense is decided here.
///
/// Each is safe to repeat: a command whose outcome is already there gives no events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    Create(Box<Create>),
    /// An agent takes an offered job, until `until` unless it renews.
    Lease {
        instance: InstanceId,
        fencing_token: u64,
        agent: AgentId,
        until: Timestamp,
    },
    /// The agent is alive and goes on.
    RenewLease {
        instance: InstanceId,
        fencing_token: u64,
        until: Timestamp,
    },
    /// The runner's report of how the job ended.
    FinishJob {
        instance: InstanceId,
        fencing_token: u64,
        conclusion: Conclusion,
        #[serde(default)]
        outputs: BTreeMap<String, String>,
        #[serde(default)]
        problem: Option<String>,
    },
    /// The agent's connection is gone for good: everything that it leased is lost.
    AgentLost {
        agent: AgentId,
    },
    /// Time went by: leases that ran out are lost.
    Tick,
    OpenGate {
        instance: InstanceId,
        by: GateOpener,
    },
    RejectGate {
        instance: InstanceId,
        by: UserName,
        #[serde(default)]
        reason: Option<String>,
    },
    /// The run, or one of its jobs, holds the group that it waited for. `ticket` is the number of the ticket.
    Admit {
        instance: Option<InstanceId>,
        ticket: u64,
    },
    /// It will not get the group.
    TurnAway {
        instance: Option<InstanceId>,
        ticket: u64,
        why: TurnedAway,
    },
    /// Another came that cancels what holds the group.
    Supersede {
        instance: Option<InstanceId>,
        ticket: u64,
        by: Ticket,
    },
    /// `force`: jobs that would go on because of `always()` are cancelled too.
    Cancel {
        by: UserName,
        force: bool,
    },
    Rerun {
        by: UserName,
        scope: RerunScope,
    },
    /// The run, which failed in this attempt, begins again as its plan's `max_auto_reruns` has it.
    RerunByItself {
        attempt: u32,
    },
}

/// A run as it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Create {
    pub run: RunId,
    /// Counted from 1 in the repository: what people call the run.
    pub number: u64,
    pub plan: Plan,
    pub trigger: Trigger,
    /// The `inputs` context: an object, or null where the event has none.
    #[serde(default)]
    pub inputs: Value,
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// What `github.server_url` says.
    #[serde(default)]
    pub server_url: String,
    /// Counted from 1 in the repository: all runs that one trigger begins have the same.
    #[serde(default)]
    pub pipeline: u64,
}

/// Which jobs of an ended attempt run again. The jobs that need them do too; whatever else passed is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerunScope {
    All,
    /// What failed or was cancelled; of a matrix, only those combinations.
    Failed,
    Job(JobId),
}
