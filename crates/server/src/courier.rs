use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sluice_store::{Store, StoreError, StoredEffect, Write};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Performs one effect. When it gives `Ok`, the effect is done and will not come again.
pub(crate) trait Perform: Send + Sync + 'static {
    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>>;
}

/// Takes every effect to where it is performed, at least once.
///
/// Effects come by the channel as they are stored, and at start out of the store: nothing is asked for in turns.
/// Each is performed by itself, so that a slow one holds up no other.
pub(crate) struct Courier {
    store: Store,
    performer: Arc<dyn Perform>,
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
        let courier = Arc::new(Self { store, performer, tasks: TaskTracker::new(), stop });
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

    fn begin(self: Arc<Self>, effect: StoredEffect) {
        let courier = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = courier.deliver(effect) => {}
                () = courier.stop.cancelled() => {}
            }
        });
    }

    async fn deliver(&self, effect: StoredEffect) {
        let mut pause = Duration::from_millis(200);
        loop {
            match self.performer.clone().perform(effect.clone()).await {
                Ok(()) => match self.store.write(Write::Acknowledge(effect.key.clone())).await {
                    Ok(()) | Err(StoreError::Closed) => return,
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
