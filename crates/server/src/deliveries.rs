use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::{PromotionId, RepositoryName, Timestamp};
use sluice_release::{self as release, next_tick};
use sluice_store::{Store, StoreError, StoredEffect};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::change::{Change, Changes};
use crate::clock::now;
use crate::stream::{CommandError, Machine, Streams};

pub(crate) struct ReleaseMachine;

impl Machine for ReleaseMachine {
    type State = release::State;
    type Command = release::Command;
    type Event = release::Event;
    type Effect = release::Effect;
    type Refused = release::Refused;

    fn decide(
        state: &release::State,
        now: Timestamp,
        command: release::Command,
    ) -> Result<Vec<release::Event>, release::Refused> {
        release::decide(state, now, command)
    }
    fn fold(state: &mut release::State, event: &release::Event) {
        release::fold(state, event);
    }
    fn effects(state: &release::State, event: &release::Event) -> Vec<release::Effect> {
        release::effects(state, event)
    }
}

pub(crate) type DeliveryError = CommandError<release::Refused>;

/// The releases, environments and promotions of every repository.
pub(crate) struct Deliveries {
    streams: Streams<ReleaseMachine>,
    changes: Changes,
    /// What rollouts said, for whoever follows them.
    lines: Mutex<BTreeMap<(RepositoryName, PromotionId), Lines>>,
    /// The next moment of each repository at which a soak or a freeze ends.
    alarms: Mutex<HashMap<RepositoryName, AbortHandle>>,
}

/// What a rollout said, and when.
type Lines = Vec<(Timestamp, String)>;

/// So many promotions keep their lines in memory; those of older ones are in the server's log.
const KEPT_LINES: usize = 200;

impl Deliveries {
    pub(crate) fn new(
        store: Store,
        effects: mpsc::UnboundedSender<StoredEffect>,
        changes: Changes,
    ) -> Arc<Self> {
        let streams = Streams::new(store, effects);
        Arc::new(Self { streams, changes, lines: Mutex::default(), alarms: Mutex::default() })
    }

    pub(crate) fn stream(repository: &RepositoryName) -> String {
        format!("delivery/{repository}")
    }

    pub(crate) async fn state(&self, repository: &RepositoryName) -> Result<Arc<release::State>, StoreError> {
        self.streams.state(&Self::stream(repository)).await
    }

    pub(crate) async fn command(
        self: &Arc<Self>,
        repository: &RepositoryName,
        command: release::Command,
    ) -> Result<Arc<release::State>, DeliveryError> {
        let (state, has_changed) =
            self.streams.command(&Self::stream(repository), command, |_| Vec::new()).await?;
        if has_changed {
            self.changes.tell(Change::Delivery { repository: repository.clone() });
            self.set_alarm(repository, &state);
        }
        Ok(state)
    }

    /// At start: time went by while nobody looked.
    pub(crate) async fn wake(self: &Arc<Self>, repository: &RepositoryName) -> Result<(), StoreError> {
        match self.command(repository, release::Command::Tick).await {
            Ok(state) => {
                self.set_alarm(repository, &state);
                Ok(())
            }
            Err(DeliveryError::Refused(_)) => Ok(()),
            Err(DeliveryError::Store(error)) => Err(error),
        }
    }

    /// One more line of a promotion's rollout.
    pub(crate) fn say(&self, repository: &RepositoryName, promotion: PromotionId, text: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= KEPT_LINES && !lines.contains_key(&(repository.clone(), promotion)) {
            lines.pop_first();
        }
        lines.entry((repository.clone(), promotion)).or_default().push((now(), text));
        drop(lines);
        self.changes.tell(Change::Delivery { repository: repository.clone() });
    }

    /// The lines of a promotion's rollout from a position on.
    pub(crate) fn said(
        &self,
        repository: &RepositoryName,
        promotion: PromotionId,
        from: usize,
    ) -> Vec<(Timestamp, String)> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let said = lines.get(&(repository.clone(), promotion));
        said.and_then(|lines| lines.get(from..)).unwrap_or_default().to_vec()
    }

    /// Wakes the machine when the next soak or freeze ends; instead of what was set before.
    fn set_alarm(self: &Arc<Self>, repository: &RepositoryName, state: &release::State) {
        let alarm = next_tick(state, now()).map(|at| {
            let (deliveries, repository) = (self.clone(), repository.clone());
            let pause = u64::try_from(at.since_ms(now())).unwrap_or(0);
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                // Boxed, for waking sets the next alarm, whose task is of this same type.
                let woken: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
                    Box::pin(async move { deliveries.wake(&repository).await });
                if let Err(error) = woken.await {
                    tracing::error!(%error, "the end of a soak or a freeze was missed until the next start");
                }
            })
            .abort_handle()
        });
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match alarm {
            Some(alarm) => alarms.insert(repository.clone(), alarm),
            None => alarms.remove(repository),
        };
        // An alarm that rings stops itself here, when all that it had to do is done.
        if let Some(before) = before {
            before.abort();
        }
    }
}
