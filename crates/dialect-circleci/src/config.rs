use sluice_model::Conclusion;
use sluice_source::{Diagnostic, Location, Node, Span};

use crate::filter::Filters;
use crate::workflow::{AutoReruns, DraftSchedule};

/// A CircleCI config, read for one set of pipeline values and found good.
pub struct Config {
    pub(crate) files: Vec<String>,
    /// `setup: true`: its workflows make the config that goes on.
    pub(crate) is_setup: bool,
    pub(crate) workflows: Vec<Workflow>,
}

/// A workflow of a config.
pub struct Workflow {
    pub(crate) name: String,
    pub(crate) at: Location,
    pub(crate) off: Option<String>,
    pub(crate) triggers: Option<Node>,
    pub(crate) schedules: Vec<DraftSchedule>,
    pub(crate) max_auto_reruns: Option<AutoReruns>,
    pub(crate) jobs: Vec<WorkflowJob>,
}

/// `triggers: - schedule:` of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub workflow: String,
    /// Five fields, in UTC.
    pub cron: String,
    pub at: Location,
}

pub(crate) struct WorkflowJob {
    /// Unique over all workflows, unless it is the very same job.
    pub(crate) name: String,
    pub(crate) at: Location,
    pub(crate) place: Span,
    pub(crate) work: Work,
    pub(crate) requires: Vec<Requirement>,
    pub(crate) filters: Filters,
    pub(crate) filters_node: Option<Node>,
    pub(crate) contexts: Vec<String>,
    pub(crate) contexts_node: Option<Node>,
    pub(crate) serial_group: Option<Node>,
}

pub(crate) enum Work {
    /// As compiled.
    Job(Node),
    Approval(Node),
    /// It needs what is not here.
    Refused(Box<Diagnostic>),
    /// Only in a config with errors.
    Unknown,
}

/// Jobs that have to end in one of these ways. Several, when a matrix is required.
pub(crate) struct Requirement {
    pub(crate) jobs: Vec<String>,
    pub(crate) accepts: Vec<Conclusion>,
    pub(crate) statuses_node: Option<Node>,
}

impl Config {
    /// In the file's order.
    pub fn workflows(&self) -> &[Workflow] {
        &self.workflows
    }

    /// Whether this is a setup config (`setup: true`), whose jobs continue the pipeline with another one.
    pub fn is_setup(&self) -> bool {
        self.is_setup
    }

    /// Workflows that run by the clock.
    pub fn schedules(&self) -> Vec<Schedule> {
        let schedules = self.workflows.iter().flat_map(|workflow| {
            workflow.schedules.iter().map(|schedule| Schedule {
                workflow: workflow.name.clone(),
                cron: schedule.cron.clone(),
                at: schedule.place.at(self.path(schedule.place.file)),
            })
        });
        schedules.collect()
    }

    pub(crate) fn path(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", String::as_str)
    }

    pub(crate) fn location(&self, span: Span) -> Location {
        span.at(self.path(span.file))
    }
}

impl WorkflowJob {
    pub(crate) fn required_names(&self) -> impl Iterator<Item = &str> {
        self.requires.iter().flat_map(|requirement| &requirement.jobs).map(String::as_str)
    }
}

impl Workflow {
    /// The key under `workflows:`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn at(&self) -> &Location {
        &self.at
    }

    /// Why `when` or `unless` keeps it from running with these pipeline values.
    pub fn off_reason(&self) -> Option<&str> {
        self.off.as_deref()
    }

    /// The names of its jobs, matrices expanded, in the file's order; none of a workflow that is off.
    pub fn job_names(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| job.name.as_str())
    }
}
