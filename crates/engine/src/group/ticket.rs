use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::{InstanceId, RepositoryName, RunId};

/// One asking for a place. A rerun asks anew, with a new ticket; what comes for an old one is refused by its number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    pub run: RunId,
    /// The sequence of the event in the run's log that asked.
    pub number: u64,
    /// The job, or the call of a reusable workflow by its id; none where the whole run asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    pub repository: RepositoryName,
    /// What people call the run, within its repository.
    pub run_number: u64,
}

/// `run 12`, `deploy of run 12`.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Some(instance) => write!(f, "{} of run {}", instance.title(), self.run_number),
            None => write!(f, "run {}", self.run_number),
        }
    }
}
