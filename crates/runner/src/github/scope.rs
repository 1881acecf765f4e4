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
    /// What was done, to be undone or completed after the job's last step.
    pub posts: Vec<Post>,
    /// The step that calls the action. None: the steps are the job's own.
    pub caller: Option<Caller>,
}

/// The step of a job, or of another action, that steps run within.
#[derive(Clone)]
pub(super) struct Caller {
    /// The step of the job whose log all of it goes to.
    pub log_index: u32,
    /// Cancels the steps with their caller.
    pub cancel: CancellationToken,
    /// When the caller's time is over.
    pub until: Option<Instant>,
    /// How many actions call each other, this one included.
    pub depth: usize,
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
}

impl Scope {
    pub fn of_job(contexts: Contexts) -> Self {
        let env = contexts.env_pairs();
        Self { contexts, env, paths: Vec::new(), posts: Vec::new(), caller: None }
    }

    /// Takes what a step did: its outputs, its variables, how the job or action stands now.
    pub fn settle(&mut self, step: &Step, finished: Finished) {
        let Finished { outcome, conclusion, effects, .. } = finished;
        let Effects { outputs, env, paths, posts } = effects;
        self.remember(step, outcome, conclusion, outputs);
        overlay(&mut self.env, env);
        self.add_paths(paths);
        self.posts.extend(posts);
        if matches!(conclusion, Conclusion::Failure | Conclusion::Cancelled) {
            self.contexts.worsen(conclusion);
        }
    }

    pub fn add_paths(&mut self, paths: Vec<String>) {
        for path in paths {
            self.paths.retain(|known| *known != path);
            self.paths.insert(0, path);
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
