use serde::{Deserialize, Serialize};
use sluice_expression::{Expression, Template};
use sluice_model::{Conclusion, JobId};
use sluice_source::{Diagnostic, Location};

use crate::{
    Concurrency, Container, Defaults, EnvEntry, Gate, Late, Named, Permissions, Service, Step, Strategy,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Unique in the plan. Jobs of a reusable workflow are in the plan beside their caller's, as `caller/inner`.
    pub id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Template>,
    /// Where the job stands in the pipeline file.
    pub at: Location,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    pub condition: JobCondition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_on_error: Option<Late<bool>>,
    /// Minutes, fractions allowed. None: 360, as GitHub's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<Late<f64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Named<Template>>,
    pub work: Work,
}

/// A job that has to end first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    pub job: JobId,
    /// CircleCI's `requires: - build: [success, failed]`. None: GitHub's rule, where the condition decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Vec<Conclusion>>,
}

/// Whether a job runs once its needs have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobCondition {
    /// GitHub's `if:`; without a status function it means `success() && (…)`. `success()` where there is none.
    Expression(Expression),
    /// CircleCI: every need ended in a way that it accepts.
    NeedsAccepted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Boxed, for it is by far the largest.
    Steps(Box<StepsJob>),
    /// Nothing but the job's gate: CircleCI's `type: approval`.
    Approval,
    /// CircleCI's `type: no-op`.
    Nothing,
    /// GitHub's `uses:` on a job. A dialect that has the called file's text puts its jobs into the plan instead.
    Call(Call),
    /// A job that is right, and that Sluice has nothing to run with: a run with it is refused by this.
    Refused(Box<Diagnostic>),
}

/// A call of a reusable workflow that has not been resolved into jobs yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// `./.github/workflows/x.yml` or `owner/repo/path@ref`.
    pub workflow: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Named<Template>>,
    pub secrets: SecretsPassed,
    /// Why the called workflow's jobs could not take its place; none where its text was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretsPassed {
    Inherit,
    Only(Vec<Named<Template>>),
}

/// A job that runs steps in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepsJob {
    pub executor: Executor,
    /// Containers beside the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    /// CircleCI's `context`: groups of secrets that the job may see, a later one winning over an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
    #[serde(default)]
    pub defaults: Defaults,
    /// CircleCI's `parallelism`: that many instances with `CIRCLE_NODE_INDEX`. 1 elsewhere.
    pub parallelism: u32,
    pub steps: Vec<Step>,
}

/// Where a job asks to run. The runner maps it onto what there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// GitHub's `runs-on`, with the job's `container:` where it has one. Labels may be one expression that gives a list.
    Labels {
        labels: Vec<Template>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<Template>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<Container>,
    },
    /// CircleCI's `docker:`; the first image runs the steps, the others are the job's `services`.
    Docker { container: Container },
    /// CircleCI's `machine:`: a whole machine, with an engine that steps may call.
    Machine(MachineImage),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineImage {
    /// `ubuntu-2204:current`, or `default`.
    pub image: String,
}
