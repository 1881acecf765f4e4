use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// One at a time for each name, so that many clients that want the same have it fetched once.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

/// Past so many names, those that nobody waits for are forgotten.
const KEPT: usize = 1024;

impl Turns {
    /// Waits until nobody else has this name.
    pub async fn take(&self, name: String) -> OwnedMutexGuard<()> {
        let turn = self.turn(name);
        turn.lock_owned().await
    }

    fn turn(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        // The map is whole at every moment, whoever panicked while holding it.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= KEPT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let known = turns.get(&name).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let new = Arc::default();
            turns.insert(name, Arc::downgrade(&new));
            new
        })
    }
}
