//! The typed workflow as a plan for `engine`.

use sluice_model::JobId;
use sluice_plan::{Call, Dialect, Job, JobCondition, Need, Plan, StepsJob, Work};
use sluice_source::Diagnostic;

use crate::workflow::{JobBody, Workflow, WorkflowJob};

impl Workflow {
    /// The plan, the same for every trigger that selects this workflow.
    pub fn plan(&self) -> Result<Plan, Vec<Diagnostic>> {
        Ok(Plan {
            dialect: Dialect::Github,
            file: self.path.clone(),
            workflow: self.name().to_owned(),
            run_name: self.run_name.clone(),
            env: self.env.clone(),
            defaults: self.defaults.clone(),
            concurrency: self.concurrency.clone(),
            permissions: self.permissions.as_ref().map(|grants| grants.to_plan()),
            jobs: self.jobs.iter().map(|job| self.lower(job)).collect(),
        })
    }

    fn lower(&self, job: &WorkflowJob) -> Job {
        let mut lowered = Job {
            id: JobId::new(job.id.as_str()),
            name: job.name.clone(),
            at: job.span.at(&self.path),
            needs: job.needs.iter().map(|need| self.need(&need.job)).collect(),
            condition: JobCondition::Expression(job.condition.clone()),
            gate: None,
            strategy: job.strategy.clone(),
            concurrency: job.concurrency.clone(),
            permissions: job.permissions.as_ref().map(|grants| grants.to_plan()),
            continue_on_error: None,
            timeout_minutes: None,
            outputs: Vec::new(),
            work: Work::Nothing,
        };
        match &job.body {
            JobBody::Steps(body) => {
                lowered.gate = body.environment.clone();
                lowered.continue_on_error = body.continue_on_error.clone();
                lowered.timeout_minutes = body.timeout_minutes.clone();
                lowered.outputs = body.outputs.clone();
                lowered.work = Work::Steps(Box::new(StepsJob {
                    executor: body.executor.clone(),
                    services: body.services.clone(),
                    env: body.env.clone(),
                    contexts: Vec::new(),
                    defaults: body.defaults.clone(),
                    parallelism: 1,
                    steps: body.steps.clone(),
                }));
            }
            JobBody::Call(body) => {
                lowered.work = Work::Call(Call {
                    workflow: body.workflow.clone(),
                    with: body.with.clone(),
                    secrets: body.secrets.clone(),
                });
            }
        }
        lowered
    }

    /// `needs` finds a job in any case; the plan has the job's own spelling.
    fn need(&self, name: &str) -> Need {
        let job = self.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(name));
        Need { job: JobId::new(job.map_or(name, |job| job.id.as_str())), accepts: None }
    }
}
