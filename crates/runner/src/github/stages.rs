use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contexts::overlay;
use super::process::State;

/// What the stages of each action (pre, main, post) hand on to each other, by the step's key.
#[derive(Default)]
pub(super) struct Stages(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    states: HashMap<String, State>,
    with_post: HashSet<String>,
}

impl Stages {
    /// Keeps what a stage saved, over what earlier ones did.
    pub fn save(&self, key: &str, state: State) {
        overlay(self.kept().states.entry(key.to_owned()).or_default(), state);
    }

    /// `STATE_*`, as a stage's process finds what earlier ones saved.
    pub fn variables(&self, key: &str) -> Vec<(String, String)> {
        let kept = self.kept();
        let state = kept.states.get(key).into_iter().flatten();
        state.map(|(name, value)| (format!("STATE_{name}"), value.clone())).collect()
    }

    /// Whether this is the first to leave something for after the job's last step.
    pub fn leave(&self, key: &str) -> bool {
        self.kept().with_post.insert(key.to_owned())
    }

    /// Nothing that holds the lock can panic, so a poisoned one is as good as any.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
