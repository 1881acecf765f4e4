use sluice_model::{Timestamp, UserName};

use crate::May;

/// A gate that holds something up: on whom it waits, since when, and what the viewer may do.
#[derive(Debug, Clone)]
pub struct GateWait {
    /// The environment's name, or the approval job's: it stands in the button, `Approve for production`.
    pub name: String,
    /// The groups and people that may open it, as `sluice.yaml` names them. Empty: anyone who may write.
    pub on: Vec<String>,
    /// How many approvals it takes.
    pub needed: u32,
    /// Who has decided so far, in order.
    pub decisions: Vec<Decision>,
    pub since: Timestamp,
    /// What else has to happen, each a clause: `frozen until Mon 08:00 Europe/London`, `soaks in uat for 12 more minutes`.
    pub also: Vec<String>,
    /// Whether the viewer may approve or reject now.
    pub may: May,
}

/// One person's word at a gate.
#[derive(Debug, Clone)]
pub struct Decision {
    pub who: UserName,
    pub verdict: Verdict,
    pub at: Timestamp,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
}
