use tokio::sync::{Mutex, watch};

use crate::failure::{LedgerError, RolloutFailed};
use crate::ledger::Ledger;
use crate::record::EnvironmentRecord;
use crate::spec::RolloutKey;

/// One environment in this process: its record, and the order of its rollouts.
#[derive(Debug)]
pub struct Environment {
    record: Mutex<EnvironmentRecord>,
    /// Held by the rollout that works.
    pub working: Mutex<()>,
    /// The newest rollout's place in the order, and its key: an older one that is still at work gives way.
    newest: watch::Sender<(u64, Option<RolloutKey>)>,
}

impl Environment {
    pub fn new(record: EnvironmentRecord) -> Self {
        let newest = (record.sequence, record.newest().map(|rollout| rollout.key.clone()));
        Self { record: Mutex::new(record), working: Mutex::new(()), newest: watch::Sender::new(newest) }
    }

    pub async fn record(&self) -> EnvironmentRecord {
        self.record.lock().await.clone()
    }

    /// Changes the record, durably; it stays as it was when that fails.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn change(
        &self,
        ledger: &Ledger,
        change: impl FnOnce(&mut EnvironmentRecord),
    ) -> Result<(), LedgerError> {
        let mut record = self.record.lock().await;
        let mut changed = record.clone();
        change(&mut changed);
        ledger.save_environment(&changed).await?;
        *record = changed;
        Ok(())
    }

    /// See [`EnvironmentRecord::begin`]. `at_least` is what the proxy has seen of this environment.
    ///
    /// # Errors
    /// When the rollout may not go on, or that could not be written down.
    pub async fn begin(
        &self,
        ledger: &Ledger,
        key: &RolloutKey,
        at_least: u64,
    ) -> Result<u64, RolloutFailed> {
        let mut record = self.record.lock().await;
        let mut changed = record.clone();
        changed.sequence = changed.sequence.max(at_least);
        let sequence = changed.begin(key)?;
        ledger.save_environment(&changed).await?;
        *record = changed;
        let newest = (record.sequence, record.newest().map(|rollout| rollout.key.clone()));
        self.newest.send_replace(newest);
        Ok(sequence)
    }

    /// Returns the key of a rollout that came after this place in the order, once there is one.
    pub async fn superseded(&self, sequence: u64) -> RolloutKey {
        let mut newest = self.newest.subscribe();
        loop {
            let (latest, key) = newest.borrow_and_update().clone();
            if let Some(key) = key.filter(|_| latest > sequence) {
                return key;
            }
            if newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
