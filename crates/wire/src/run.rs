use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, Conclusion, Event, InstanceId, JobId, RepositoryName, Timestamp, UserName};
use sluice_source::Diagnostic;

/// How a run stands, as the command line and the API say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// For its concurrency group, or all that is left to do are jobs that do.
    Queued,
    Running,
    /// Nothing runs, and a person or another check has to decide.
    Waiting,
    Cancelling,
    Success,
    Failure,
    Cancelled,
    /// Of a run on this machine: the process that ran it was killed.
    Interrupted,
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Cancelling => "cancelling",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Cancelled | Self::Interrupted)
    }
}

/// One run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub repository: RepositoryName,
    /// Counted from 1 in its repository: what every address and command names it by.
    pub number: u64,
    pub workflow: String,
    /// The pipeline file, relative to the repository's root.
    pub file: String,
    pub title: String,
    pub event: Event,
    /// The whole ref.
    pub git_ref: String,
    pub sha: CommitSha,
    pub actor: UserName,
    pub state: RunState,
    pub attempt: u32,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The gates that wait now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingOn>,
    /// The concurrency groups that it, or jobs of it, wait for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<QueuedFor>,
    /// What went wrong, in brief.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A gate of a run that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingOn {
    pub job: JobId,
    /// The gate's name, as the pipeline file has it.
    pub gate: String,
    pub since: Timestamp,
    /// The environment whose policy decides it; none where whoever may write decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// A run, a call of a reusable workflow, or a job that waits for its concurrency group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedFor {
    /// None: the whole run. A call by the id of the job that calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<InstanceId>,
    /// As the pipeline file spells it, with its expressions decided.
    pub group: String,
    pub since: Timestamp,
    /// None where the group has just become free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<GroupHolder>,
}

/// Who has a concurrency group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHolder {
    pub repository: RepositoryName,
    /// The run's number in it.
    pub run: u64,
    /// None: the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<InstanceId>,
}

/// ``waits for the group `deploy`, which run 12 holds``.
impl fmt::Display for QueuedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waits for the group `{}`", self.group)?;
        let Some(holder) = &self.holder else { return Ok(()) };
        match &holder.job {
            Some(job) => write!(f, ", which `{}` of run {} holds", job.title(), holder.run),
            None => write!(f, ", which run {} holds", holder.run),
        }
    }
}

/// A run with its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: RunSummary,
    pub jobs: Vec<JobSummary>,
    /// Why no job runs, where the pipeline file has errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// One instance of a job; a job that has not started counts as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    pub instance: InstanceId,
    pub name: String,
    pub state: JobState,
    pub attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<JobId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// For other jobs.
    Waiting,
    /// For a decision.
    Gated,
    /// For an agent, or for its concurrency group.
    Queued,
    Running,
    Success,
    Failure,
    Cancelled,
    Skipped,
}

impl From<Conclusion> for JobState {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success => Self::Success,
            Conclusion::Failure => Self::Failure,
            Conclusion::Cancelled => Self::Cancelled,
            Conclusion::Skipped => Self::Skipped,
        }
    }
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Gated => "gated",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Cancelled | Self::Skipped)
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunQuery {
    /// A branch's or a tag's short name, or a whole ref.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A whole commit id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// At most so many; the server's own limit is 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelRequest {
    /// Jobs that would go on because of `always()` are cancelled too.
    pub force: bool,
}

/// Which jobs run again; neither field: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RerunRequest {
    pub failed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}
