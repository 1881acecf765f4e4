use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_engine as engine;
use sluice_model::RunId;
use sluice_store::StoreError;
use tokio::sync::{Mutex, mpsc};

use super::LocalEvent;
use crate::runs::Runs;

/// Tells how the runs stand, each change once and in its order, whoever notices it first.
#[derive(Clone)]
pub(super) struct Teller {
    runs: Arc<Runs>,
    events: mpsc::Sender<LocalEvent>,
    /// The last event that was told of each run. Held while it is told, so that no older state comes after a newer one.
    told: Arc<Mutex<BTreeMap<RunId, u64>>>,
}

impl Teller {
    pub(super) fn new(runs: Arc<Runs>, events: mpsc::Sender<LocalEvent>) -> Self {
        Self { runs, events, told: Arc::default() }
    }

    /// Tells how the run stands now, where that is not known yet, and gives it. `index` is its place in the list.
    pub(super) async fn tell(&self, index: usize, run: RunId) -> Result<Arc<engine::State>, StoreError> {
        let mut told = self.told.lock().await;
        let state = self.runs.state(run).await?;
        self.tell_new(&mut told, index, run, &state).await;
        Ok(state)
    }

    /// Tells what this process itself has changed, where that is not told yet.
    pub(super) async fn tell_own(&self, index: usize, run: RunId) -> Result<(), StoreError> {
        let mut told = self.told.lock().await;
        let state = self.runs.known(run).await?;
        self.tell_new(&mut told, index, run, &state).await;
        Ok(())
    }

    async fn tell_new(
        &self,
        told: &mut BTreeMap<RunId, u64>,
        index: usize,
        run: RunId,
        state: &Arc<engine::State>,
    ) {
        let before = told.entry(run).or_default();
        if state.sequence() > *before {
            *before = state.sequence();
            // Whoever listened may have gone.
            let _ = self.events.send(LocalEvent::Changed { index, state: state.clone() }).await;
        }
    }
}
