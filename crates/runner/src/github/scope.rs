use sluice_expression::Value;
use sluice_model::Conclusion;
use sluice_plan::Step;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Contexts;
use super::contexts::overlay;
use super::posts::Post;

/// Where a list of steps stands: the job itself, or a composite action in it.
pub(super) struct Scope {
    /// As the steps see them, without any step's own `env`.
    pub contexts: Contexts,
    /// What every step begins with: `env` of workflow and job, or of the step that calls the action; then what steps put
    /// into GITHUB_ENV.
    pub env: Vec<(String, String)>,
    /// What steps put into GITHUB_PATH, the newest first.
    pub paths: Vec<String>,
    /// All that its steps did so far, but their outputs.
    pub did: Effects,
    /// The step that calls the action. None: the steps are the job's own.
    pub caller: Option<Caller>,
    /// What ends its steps, in place of the job's cancel: they run in the background.
    pub background: Option<CancellationToken>,
}

/// The step of a job, or of another action, that steps run within.
#[derive(Clone)]
pub(super) struct Caller {
    /// The step of the job whose log all of it goes to.
    pub log_index: u32,
    /// Tells the step from all others of the job.
    pub key: String,
    /// Cancels the steps with their caller.
    pub cancel: CancellationToken,
    /// When the caller's time is over.
    pub until: Option<Instant>,
    /// How many actions call each other, this one included.
    pub depth: usize,
    /// What `env` of the step says, and that of the steps that call it.
    pub env: Vec<(String, String)>,
}

/// What a step did to those after it.
#[derive(Default)]
pub(super) struct Effects {
    pub outputs: Vec<(String, String)>,
    /// What it put into GITHUB_ENV.
    pub env: Vec<(String, String)>,
    /// What it put into GITHUB_PATH, in its order.
    pub paths: Vec<String>,
    /// What is left to do after the job's last step.
    pub posts: Vec<Post>,
}

impl Effects {
    /// Takes what a later step did, but its outputs.
    pub fn absorb(&mut self, later: Effects) {
        overlay(&mut self.env, later.env);
        self.paths.extend(later.paths);
        self.posts.extend(later.posts);
    }
}

/// How a step ended, and what it did. Nothing of it is true for other steps before [`Scope::settle`].
pub(super) struct Finished {
    pub outcome: Conclusion,
    /// The outcome after `continue-on-error`.
    pub conclusion: Conclusion,
    pub exit_code: Option<i32>,
    pub effects: Effects,
}

impl Finished {
    pub fn of(outcome: Conclusion, effects: Effects) -> Self {
        Self { outcome, conclusion: outcome, exit_code: None, effects }
    }

    pub fn failed() -> Self {
        Self::of(Conclusion::Failure, Effects::default())
    }
}

impl Scope {
    pub fn of_job(contexts: Contexts) -> Self {
        let env = contexts.env_pairs();
        Self { contexts, env, paths: Vec::new(), did: Effects::default(), caller: None, background: None }
    }

    /// The job as it stands now, for a step that runs beside those that come.
    pub fn in_background(&self, cancel: CancellationToken) -> Self {
        let (contexts, env, paths) = (self.contexts.clone(), self.env.clone(), self.paths.clone());
        Self { contexts, env, paths, did: Effects::default(), caller: None, background: Some(cancel) }
    }

    /// Takes what a step did: its outputs, its variables, how the job or action stands now.
    pub fn settle(&mut self, step: &Step, finished: Finished) {
        let conclusion = finished.conclusion;
        self.settle_quietly(step, finished);
        self.worsen(conclusion);
    }

    /// Takes what a step did, and leaves how the job stands.
    pub fn settle_quietly(&mut self, step: &Step, mut finished: Finished) {
        let outputs = std::mem::take(&mut finished.effects.outputs);
        self.remember(step, finished.outcome, finished.conclusion, outputs);
        self.take(finished.effects);
    }

    /// Takes what a step did that nobody can ask for its outputs.
    pub fn settle_post(&mut self, finished: Finished) {
        self.take(finished.effects);
        self.worsen(finished.conclusion);
    }

    fn take(&mut self, effects: Effects) {
        overlay(&mut self.env, effects.env.iter().cloned());
        for path in &effects.paths {
            self.paths.retain(|known| known != path);
            self.paths.insert(0, path.clone());
        }
        self.did.absorb(effects);
    }

    fn worsen(&mut self, conclusion: Conclusion) {
        if matches!(conclusion, Conclusion::Failure | Conclusion::Cancelled) {
            self.contexts.worsen(conclusion);
        }
    }

    fn remember(
        &mut self,
        step: &Step,
        outcome: Conclusion,
        conclusion: Conclusion,
        outputs: Vec<(String, String)>,
    ) {
        // Ids that GitHub makes up are nobody's to ask for.
        if step.id.is_empty() || step.id.starts_with("__") {
            return;
        }
        let outputs = outputs.into_iter().map(|(name, value)| (name, value.into()));
        let value = Value::object([
            ("outputs", Value::object(outputs)),
            ("outcome", outcome.as_str().into()),
            ("conclusion", conclusion.as_str().into()),
        ]);
        self.contexts.put("steps", &step.id, value);
    }
}
