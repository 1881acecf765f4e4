use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use sluice_model::Conclusion;
use sluice_plan::{Action, Step};
use sluice_wire::{JobOrder, Level};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::contexts::{event, event_path, overlay};
use super::remote::Remote;
use super::said::JobMatchers;
use super::scope::{Caller, Effects, Finished, Scope};
use super::shell::Shell;
use super::stages::Stages;
use super::{Contexts, actions, environment, script};
use crate::exec::Limits;
use crate::job::JobRun;
use crate::place::Place;

/// How long steps that run after a cancel have; GitHub gives a job five minutes.
const AFTER_CANCEL_LIMIT: Duration = Duration::from_secs(300);

/// What all steps of a job share, those within actions included. Nothing in it changes from step to step, so that steps
/// may run beside each other: [`Steps::run_step`] only reads the scope, and [`Scope::settle`] takes what came of it.
pub(super) struct Steps<'a> {
    pub job: &'a JobRun<'a>,
    pub place: &'a Place,
    /// GitHub's own variables, the same for every step.
    defaults: Vec<(String, String)>,
    /// What runs scripts that name no shell.
    pub default_shell: Shell,
    pub matchers: JobMatchers,
    pub stages: Stages,
    pub remote: Remote<'a>,
    /// When the job's steps began.
    pub began: SystemTime,
    node: OnceCell<Option<actions::Node>>,
    next_serial: AtomicU32,
}

/// One step, its expressions evaluated.
pub(super) struct Prepared<'s> {
    /// The step of the job that the log counts it to.
    pub index: u32,
    /// Tells the files of this step from those of all others.
    pub serial: u32,
    pub step: &'s Step,
    /// Tells the step from all others of the job, in all of its stages.
    pub key: String,
    /// With the step's own `env`.
    pub contexts: Contexts,
    /// What `env` of the step says, and that of the steps that call it.
    pub own_env: Vec<(String, String)>,
    /// Everything that its process finds in its environment.
    pub env: Vec<(String, String)>,
    pub limits: Limits,
    pub until: Option<Instant>,
    /// How many actions this step is within.
    pub depth: usize,
}

impl<'a> Steps<'a> {
    pub async fn begin(job: &'a JobRun<'a>, place: &'a Place, contexts: &Contexts) -> Result<Self, String> {
        let event = event(job.order).as_bytes().to_vec();
        let written = place.write(&event_path(place), 0o644, event).await;
        written.map_err(|error| error.to_string())?;
        let defaults = environment::defaults(contexts, place, job.order);
        let default_shell =
            Shell::default_of(place, &job.work.executor).await.map_err(|error| error.to_string())?;
        Ok(Self {
            job,
            place,
            defaults,
            default_shell,
            matchers: JobMatchers::default(),
            stages: Stages::default(),
            remote: Remote::new(job, place),
            began: SystemTime::now(),
            node: OnceCell::new(),
            next_serial: AtomicU32::new(1),
        })
    }

    /// The Node.js of the job's place, asked for its version by the first who needs it.
    pub async fn node(&self) -> Result<Option<&actions::Node>, String> {
        self.node.get_or_try_init(|| actions::Node::of(self.place)).await.map(Option::as_ref)
    }

    /// The order is what built-in actions need of a job.
    pub fn order(&self) -> &JobOrder {
        self.job.order
    }

    /// Steps one after the other.
    pub async fn run_all(&self, scope: &mut Scope, steps: &[Step]) {
        for (index, step) in (1..).zip(steps) {
            self.hear_cancel(scope);
            let finished = self.run_step(scope, index, step).await;
            scope.settle(step, finished);
        }
    }

    /// The job's status becomes cancelled once it is.
    pub fn hear_cancel(&self, scope: &mut Scope) {
        if self.job.cancel.is_cancelled() {
            scope.contexts.set_status(Conclusion::Cancelled);
        }
    }

    /// One step, whatever comes of it. `index` counts the steps of the scope from 1.
    pub async fn run_step(&self, scope: &Scope, index: u32, step: &Step) -> Finished {
        let log = &self.job.log;
        let is_own = scope.caller.is_none();
        let position = index;
        let index = scope.caller.as_ref().map_or(index, |caller| caller.log_index);
        let contexts = contexts_for(scope, step);
        let name = name_of(&contexts, step);
        let (prepared, began) = match self.prepare(scope, contexts.clone(), index, position, step) {
            Ok(None) => {
                if is_own {
                    log.step_started(index, &name).await;
                    log.step_finished(index, Conclusion::Skipped, Conclusion::Skipped, None).await;
                }
                return Finished::of(Conclusion::Skipped, Effects::default());
            }
            // Named again with the step's own `env` in place.
            Ok(Some(prepared)) => {
                let name = name_of(&prepared.contexts, step);
                (Ok(prepared), name)
            }
            Err(problem) => (Err(problem), name),
        };
        self.place.session.take_launched();
        if is_own {
            log.step_started(index, &began).await;
        }
        let (ended, contexts) = match &prepared {
            Ok(prepared) => (Box::pin(self.act(scope, prepared)).await, &prepared.contexts),
            Err(problem) => (Err(problem.clone()), &contexts),
        };
        let mut finished = match ended {
            Ok(finished) => finished,
            Err(problem) => {
                self.fail(index, &problem).await;
                Finished::of(Conclusion::Failure, Effects::default())
            }
        };
        let goes_on = contexts.late_bool(step.continue_on_error.as_ref()).unwrap_or(false);
        finished.conclusion = match finished.outcome {
            Conclusion::Failure if goes_on => Conclusion::Success,
            outcome => outcome,
        };
        let is_first = scope.contexts.status == Conclusion::Success;
        if is_own && is_first && finished.conclusion == Conclusion::Failure {
            let env = prepared.as_ref().map_or(&self.defaults, |prepared| &prepared.env);
            self.job.step_failed(self.place, &began, env).await;
        }
        if is_own {
            log.step_finished(index, finished.outcome, finished.conclusion, finished.exit_code).await;
        }
        finished
    }

    /// Says why a step fails, in its log and as an annotation.
    pub async fn fail(&self, index: u32, problem: &str) {
        self.job.log.say(index, format!("##[error]{problem}")).await;
        self.job.log.annotation(index, Level::Error, problem, None, None).await;
    }

    /// Warns in a step's log and by an annotation.
    pub async fn warn(&self, index: u32, warning: &str) {
        self.job.log.say(index, format!("##[warning]{warning}")).await;
        self.job.log.annotation(index, Level::Warning, warning, None, None).await;
    }

    /// [`Self::prepare`] for a stage of the step at a position of its scope that is no step of the job itself.
    pub fn prepare_at<'s>(
        &self,
        scope: &Scope,
        index: u32,
        position: u32,
        step: &'s Step,
    ) -> Result<Option<Prepared<'s>>, String> {
        self.prepare(scope, contexts_for(scope, step), index, position, step)
    }

    /// Evaluates what a step needs. None: its condition does not hold.
    fn prepare<'s>(
        &self,
        scope: &Scope,
        mut contexts: Contexts,
        index: u32,
        position: u32,
        step: &'s Step,
    ) -> Result<Option<Prepared<'s>>, String> {
        let own = contexts.env(&step.env).map_err(|error| format!("`env`: {error}"))?;
        let mut with_own = scope.env.clone();
        overlay(&mut with_own, own.iter().cloned());
        contexts.set_env(&with_own);
        let caller = scope.caller.as_ref();
        let key = key_of(caller, position);
        let mut own_env = caller.map(|caller| caller.env.clone()).unwrap_or_default();
        overlay(&mut own_env, own);
        let prepared = self.prepare_post(scope, contexts, index, step, key)?;
        Ok(prepared.map(|prepared| Prepared { own_env, ..prepared }))
    }

    /// [`Self::prepare`], once `contexts` have the step's `env`.
    pub fn prepare_post<'s>(
        &self,
        scope: &Scope,
        contexts: Contexts,
        index: u32,
        step: &'s Step,
        key: String,
    ) -> Result<Option<Prepared<'s>>, String> {
        let holds = contexts.holds(&step.condition).map_err(|error| format!("`if`: {error}"))?;
        if !holds {
            return Ok(None);
        }
        let timeout = contexts.late_minutes(step.timeout_minutes.as_ref())?;
        let (limits, until) = self.limits(scope, &contexts, step, timeout);
        let env = self.environment(&contexts, contexts.env_pairs(), &scope.paths);
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let depth = scope.caller.as_ref().map_or(0, |caller| caller.depth);
        let own_env = Vec::new();
        Ok(Some(Prepared { index, serial, step, key, contexts, own_env, env, limits, until, depth }))
    }

    /// All that a process of a step finds: GitHub's own variables, and over those that may be set the `env` context.
    pub fn environment(
        &self,
        contexts: &Contexts,
        env: Vec<(String, String)>,
        paths: &[String],
    ) -> Vec<(String, String)> {
        let mut all = self.defaults.clone();
        overlay(&mut all, environment::of_action(contexts));
        overlay(&mut all, env.into_iter().filter(|(name, _)| !environment::is_fixed(name)));
        if !paths.is_empty()
            && let Some((_, path)) = all.iter_mut().find(|(name, _)| name == "PATH")
        {
            *path = format!("{}:{path}", paths.join(":"));
        }
        all
    }

    /// When a step is stopped: by a cancel that it does not outlive, by its own time, by its caller's.
    fn limits(
        &self,
        scope: &Scope,
        contexts: &Contexts,
        step: &Step,
        timeout: Option<Duration>,
    ) -> (Limits, Option<Instant>) {
        let now = Instant::now();
        let until = timeout.and_then(|timeout| now.checked_add(timeout));
        let (cancel, until) = match &scope.caller {
            Some(caller) => (caller.cancel.clone(), until.into_iter().chain(caller.until).min()),
            None => {
                let after_cancel = contexts.status == Conclusion::Cancelled;
                let last = after_cancel.then(|| now + AFTER_CANCEL_LIMIT);
                let cancel = scope.background.clone();
                let cancel = cancel.unwrap_or_else(|| self.cancel_of(contexts, step));
                (cancel, until.into_iter().chain(last).min())
            }
        };
        let timeout = until.map(|until| until.saturating_duration_since(now));
        (Limits { timeout, no_output_timeout: None, cancel, grace: self.job.grace }, until)
    }

    /// A step that would run after a cancel is not stopped by one.
    fn cancel_of(&self, contexts: &Contexts, step: &Step) -> CancellationToken {
        let mut cancelled = contexts.clone();
        cancelled.set_status(Conclusion::Cancelled);
        match cancelled.holds(&step.condition).unwrap_or(false) {
            true => CancellationToken::new(),
            false => self.job.cancel.clone(),
        }
    }

    async fn act(&self, scope: &Scope, prepared: &Prepared<'_>) -> Result<Finished, String> {
        match &prepared.step.action {
            Action::Run(run) => script::run(self, scope, prepared, run).await,
            Action::Uses(uses) => actions::act(self, scope, prepared, uses).await,
            _ => {
                Err("a composite action cannot do this kind of step, and a GitHub job has no others"
                    .to_owned())
            }
        }
    }
}

/// Tells a step from all others of the job: the position among its scope's steps, after those of the steps that call it.
pub(super) fn key_of(caller: Option<&Caller>, position: u32) -> String {
    match caller {
        Some(caller) => format!("{}/{position}", caller.key),
        None => position.to_string(),
    }
}

/// What a step's expressions see, without its own `env`.
fn contexts_for(scope: &Scope, step: &Step) -> Contexts {
    let mut contexts = scope.contexts.clone();
    contexts.set_env(&scope.env);
    environment::set_action(&mut contexts, step, scope.caller.is_none());
    contexts
}

/// As GitHub names a step: its name, else what it does.
pub(super) fn name_of(contexts: &Contexts, step: &Step) -> String {
    if let Some(name) = &step.name {
        return contexts.text(name).unwrap_or_else(|_| name.source().to_owned());
    }
    match &step.action {
        Action::Run(script) => {
            let text = contexts.text(&script.script).unwrap_or_else(|_| script.script.source().to_owned());
            format!("Run {}", text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
        }
        Action::Uses(uses) => format!("Run {}", uses.action),
        Action::Wait { steps } => format!("Wait for {}", steps.join(", ")),
        Action::WaitAll => "Wait for all background steps".to_owned(),
        Action::Cancel { steps } => format!("Cancel {}", steps.join(", ")),
        Action::Parallel { .. } => "Wait for the parallel steps".to_owned(),
        _ => "Run".to_owned(),
    }
}
