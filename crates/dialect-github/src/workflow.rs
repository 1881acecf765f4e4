use sluice_expression::{Expression, Template};
use sluice_plan::{
    Action, ActionReference, Concurrency, Defaults, EnvEntry, Executor, Gate, Late, Named, SecretsPassed,
    Service, Step, Strategy,
};
use sluice_source::{Location, Span};

use crate::call::{local_path, qualified};
use crate::permissions::Grants;
use crate::token::Token;
use crate::trigger::EventFilter;

/// A workflow file that GitHub would accept, typed.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) name: Option<String>,
    pub(crate) run_name: Option<Template>,
    pub(crate) events: Vec<EventFilter>,
    pub(crate) env: Vec<EnvEntry>,
    pub(crate) defaults: Defaults,
    pub(crate) permissions: Option<Grants>,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) jobs: Vec<WorkflowJob>,
    pub(crate) root: Token,
}

impl Workflow {
    /// Relative to the repository's root; `owner/repo/path@ref` for a called one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `name:`, else the path, as GitHub shows it.
    pub fn name(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.path)
    }

    /// What `on:` names, in the file's order.
    pub fn events(&self) -> &[EventFilter] {
        &self.events
    }

    pub fn event(&self, name: &str) -> Option<&EventFilter> {
        self.events.iter().find(|event| event.name == name)
    }

    pub fn jobs(&self) -> &[WorkflowJob] {
        &self.jobs
    }

    pub fn permissions(&self) -> Option<&Grants> {
        self.permissions.as_ref()
    }

    /// The actions that its steps name, and those of the workflows that it calls, as far as they were given.
    pub fn actions(&self) -> Vec<ActionReference> {
        let of_job = |job: &WorkflowJob| match &job.body {
            JobBody::Steps(body) => named_by(&body.steps),
            JobBody::Call(body) => body.called.as_ref().map(Self::actions).unwrap_or_default(),
        };
        self.jobs.iter().flat_map(of_job).collect()
    }

    /// The workflows of other repositories that it calls, and those that they call, whose texts were not given:
    /// `owner/name/path@ref`.
    pub fn missing_calls(&self) -> Vec<String> {
        let calls = self.calls_without_text().into_iter();
        calls.filter(|missing| !missing.is_local()).map(|missing| missing.file()).collect()
    }

    /// The calls of workflows of the repository itself whose texts were not given, here and in what is called. Where all
    /// files of the repository were to be had, they are not there.
    pub fn missing_files(&self) -> Vec<MissingFile> {
        let calls = self.calls_without_text().into_iter();
        let file = |missing: CallWithoutText<'_>| MissingFile {
            reference: missing.body.workflow.clone(),
            at: missing.body.span.at(&missing.caller.path),
            length: missing.body.span.length(),
        };
        calls.filter(|missing| missing.is_local()).map(file).collect()
    }

    fn calls_without_text(&self) -> Vec<CallWithoutText<'_>> {
        let mut calls = Vec::new();
        for job in &self.jobs {
            let JobBody::Call(body) = &job.body else { continue };
            match &body.called {
                Some(called) => calls.extend(called.calls_without_text()),
                None => calls.push(CallWithoutText { caller: self, body }),
            }
        }
        calls
    }

    /// The file as GitHub's schema reads it, with every place.
    pub fn root(&self) -> &Token {
        &self.root
    }
}

/// A call of a workflow of the repository itself whose text was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// As `uses` names it: `./.github/workflows/x.yml`.
    pub reference: String,
    /// Where `uses` names it.
    pub at: Location,
    /// How many characters that are.
    pub length: u32,
}

#[derive(Clone, Copy)]
struct CallWithoutText<'a> {
    caller: &'a Workflow,
    body: &'a CallBody,
}

impl CallWithoutText<'_> {
    fn file(&self) -> String {
        qualified(&self.caller.path, &self.body.workflow)
    }

    /// What a workflow of another repository calls in its own is that one's.
    fn is_local(&self) -> bool {
        local_path(&self.body.workflow).is_some_and(|local| local == self.file())
    }
}

fn named_by(steps: &[Step]) -> Vec<ActionReference> {
    let of_step = |step: &Step| match &step.action {
        Action::Uses(uses) => vec![uses.action.clone()],
        Action::Parallel { steps } => named_by(steps),
        _ => Vec::new(),
    };
    steps.iter().flat_map(of_step).collect()
}

#[derive(Debug, Clone)]
pub struct WorkflowJob {
    pub id: String,
    /// Where the id stands.
    pub span: Span,
    pub name: Option<Template>,
    pub needs: Vec<Needed>,
    /// What `if:` says, without the `success()` that GitHub puts before it; `success()` where there is none.
    pub condition: Expression,
    pub permissions: Option<Grants>,
    pub strategy: Option<Strategy>,
    pub concurrency: Option<Concurrency>,
    pub body: JobBody,
}

/// A job that has to end first.
#[derive(Debug, Clone)]
pub struct Needed {
    pub job: String,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum JobBody {
    Steps(Box<StepsBody>),
    Call(Box<CallBody>),
}

/// A job that runs steps.
#[derive(Debug, Clone)]
pub struct StepsBody {
    pub executor: Executor,
    pub services: Vec<Service>,
    pub env: Vec<EnvEntry>,
    pub defaults: Defaults,
    pub environment: Option<Gate>,
    pub outputs: Vec<Named<Template>>,
    pub continue_on_error: Option<Late<bool>>,
    pub timeout_minutes: Option<Late<f64>>,
    pub steps: Vec<Step>,
}

/// A job that calls a reusable workflow.
#[derive(Debug, Clone)]
pub struct CallBody {
    /// `./.github/workflows/x.yml` or `owner/repo/path@ref`.
    pub workflow: String,
    pub span: Span,
    pub with: Vec<Named<Template>>,
    pub secrets: SecretsPassed,
    /// The called workflow, where its text could be had.
    pub called: Option<Workflow>,
}

impl WorkflowJob {
    pub fn steps(&self) -> &[Step] {
        match &self.body {
            JobBody::Steps(body) => &body.steps,
            JobBody::Call(_) => &[],
        }
    }

    /// The condition as GitHub's service completes it: `success() && (…)` unless it asks for the status itself.
    pub fn whole_condition(&self) -> String {
        whole_condition(&self.condition)
    }
}

/// `success() && (…)`, unless the condition asks for the status itself.
pub fn whole_condition(condition: &Expression) -> String {
    if condition.uses_status_function() {
        condition.source().to_owned()
    } else {
        format!("success() && ({})", condition.source())
    }
}
