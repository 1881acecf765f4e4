use serde::{Deserialize, Serialize};
use sluice_expression::Template;

/// A point where a run waits for a decision. A CircleCI `type: approval` job and a GitHub `environment:` are both this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The approval job's name, or the environment's. The server looks it up in `sluice.yaml`; what that does not
    /// name is opened by anyone who may write (an approval job) or is open at once (an environment).
    pub name: Template,
    pub kind: GateKind,
    /// GitHub's `environment.url`, decided when the job ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Template>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// CircleCI `type: approval`: always waits for a person.
    Approval,
    /// GitHub `environment:`: waits when the environment's policy says so.
    Environment,
}
