use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sluice_store::{EffectKey, Store, StoreError, StoredEffect, Write};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Performs one effect. When it gives `Ok`, the effect is done and will not come again.
pub(crate) trait Perform: Send + Sync + 'static {
    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>>;

    /// Whether the effect is for this process to perform; one that is not stays in the store for another.
    fn is_mine(&self, effect: &StoredEffect) -> bool {
        let _ = effect;
        true
    }

    /// Whether the effect is performed only when all such before it are: they are quick, and their order is one that
    /// people see.
    fn is_in_order(&self, effect: &StoredEffect) -> bool {
        let _ = effect;
        false
    }
}

/// Takes every effect to where it is performed, at least once.
///
/// Effects come by the channel as they are stored, and at start out of the store: nothing is asked for in turns.
/// Each is performed by itself, so that a slow one holds up no other; but for those that their order matters to.
pub(crate) struct Courier {
    store: Store,
    performer: Arc<dyn Perform>,
    /// Effects that are being performed.
    begun: Mutex<HashSet<EffectKey>>,
    /// Effects that are performed one after the other.
    lane: mpsc::UnboundedSender<StoredEffect>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Courier {
    pub(crate) fn start(
        store: Store,
        performer: Arc<dyn Perform>,
        pending: Vec<StoredEffect>,
        mut effects: mpsc::UnboundedReceiver<StoredEffect>,
    ) -> Arc<Self> {
        let stop = CancellationToken::new();
        let (lane, mut in_order) = mpsc::unbounded_channel();
        let (begun, tasks) = (Mutex::default(), TaskTracker::new());
        let courier = Arc::new(Self { store, performer, begun, lane, tasks, stop });
        let ordered = courier.clone();
        courier.tasks.spawn(async move {
            let perform_all = async {
                while let Some(effect) = in_order.recv().await {
                    ordered.deliver(effect).await;
                }
            };
            tokio::select! {
                () = perform_all => {}
                () = ordered.stop.cancelled() => {}
            }
        });
        for effect in pending {
            courier.clone().begin(effect);
        }
        let receiving = courier.clone();
        courier.tasks.spawn(async move {
            loop {
                tokio::select! {
                    effect = effects.recv() => match effect {
                        Some(effect) => receiving.clone().begin(effect),
                        None => return,
                    },
                    () = receiving.stop.cancelled() => return,
                }
            }
        });
        courier
    }

    /// Leaves what is not done to the next start.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Performs an effect that another process has stored, unless that goes on already.
    pub(crate) fn take_up(self: &Arc<Self>, effect: StoredEffect) {
        self.clone().begin(effect);
    }

    fn begin(self: Arc<Self>, effect: StoredEffect) {
        if !self.performer.is_mine(&effect) || !self.begun().insert(effect.key.clone()) {
            return;
        }
        if self.performer.is_in_order(&effect) {
            // The lane is closed only when the courier has stopped: the outbox still has the effect.
            let _ = self.lane.send(effect);
            return;
        }
        let courier = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = courier.deliver(effect) => {}
                () = courier.stop.cancelled() => {}
            }
        });
    }

    fn begun(&self) -> MutexGuard<'_, HashSet<EffectKey>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(&self, effect: StoredEffect) {
        let mut pause = Duration::from_millis(200);
        loop {
            match self.performer.clone().perform(effect.clone()).await {
                Ok(()) => match self.store.write(Write::Acknowledge(effect.key.clone())).await {
                    Ok(()) | Err(StoreError::Closed) => {
                        self.begun().remove(&effect.key);
                        return;
                    }
                    Err(error) => {
                        tracing::error!(%error, key = %effect.key, "an effect was not acknowledged")
                    }
                },
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), key = %effect.key, kind = effect.kind, "an effect failed, trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }
}
