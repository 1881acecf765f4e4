use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_model::Timestamp;
use sluice_store::{Append, NewEffect, NewEvent, Store, StoreError, StoredEffect, Write};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::clock::now;

/// What `engine` and `release` have in common, for the one piece of code that stores their logs.
pub(crate) trait Machine: 'static {
    type State: Clone + Default + Send + Sync + 'static;
    type Command: Clone + Send + Sync;
    type Event: Serialize + DeserializeOwned + Send + Sync;
    type Effect: Serialize;
    type Refused: std::error::Error;

    fn decide(
        state: &Self::State,
        now: Timestamp,
        command: Self::Command,
    ) -> Result<Vec<Self::Event>, Self::Refused>;
    fn fold(state: &mut Self::State, event: &Self::Event);
    /// Of an event that `state` has folded as its last.
    fn effects(state: &Self::State, event: &Self::Event) -> Vec<Self::Effect>;
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError<R: std::error::Error> {
    #[error(transparent)]
    Refused(R),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The streams of one machine: their states in memory, their events in the store.
pub(crate) struct Streams<M: Machine> {
    store: Store,
    effects: mpsc::UnboundedSender<StoredEffect>,
    entries: Mutex<HashMap<String, Arc<AsyncMutex<Entry<M>>>>>,
}

/// How many states are kept in memory before those that nobody uses are let go.
const KEPT: usize = 256;

struct Entry<M: Machine> {
    state: Arc<M::State>,
    sequence: u64,
}

impl<M: Machine> Streams<M> {
    pub(crate) fn new(store: Store, effects: mpsc::UnboundedSender<StoredEffect>) -> Self {
        Self { store, effects, entries: Mutex::new(HashMap::new()) }
    }

    /// The state of a stream as it is now; the empty one where there is no such stream.
    pub(crate) async fn state(&self, stream: &str) -> Result<Arc<M::State>, StoreError> {
        let entry = self.entry(stream);
        let mut entry = entry.lock().await;
        self.catch_up(stream, &mut entry).await?;
        Ok(entry.state.clone())
    }

    /// The state of a stream as this process has left it: what others have appended since may be missing.
    pub(crate) async fn known(&self, stream: &str) -> Result<Arc<M::State>, StoreError> {
        let entry = self.entry(stream);
        let mut entry = entry.lock().await;
        if entry.sequence == 0 {
            self.catch_up(stream, &mut entry).await?;
        }
        Ok(entry.state.clone())
    }

    /// Decides, stores and folds. `beside` gives what is written in the same transaction, out of the new state.
    ///
    /// Gives the new state, and whether the command changed anything.
    pub(crate) async fn command(
        &self,
        stream: &str,
        command: M::Command,
        beside: impl Fn(&M::State) -> Vec<Write>,
    ) -> Result<(Arc<M::State>, bool), CommandError<M::Refused>> {
        let entry = self.entry(stream);
        let mut entry = entry.lock().await;
        // What this process knows is mostly all there is. Where it is not, the append says so; and before a command is
        // refused, or found to change nothing, the store is looked at.
        let mut is_current = entry.sequence == 0;
        if is_current {
            self.catch_up(stream, &mut entry).await?;
        }
        loop {
            let at = now();
            let events = match M::decide(&entry.state, at, command.clone()) {
                Ok(events) if !events.is_empty() => events,
                _ if !is_current => {
                    self.catch_up(stream, &mut entry).await?;
                    is_current = true;
                    continue;
                }
                Ok(_) => return Ok((entry.state.clone(), false)),
                Err(refused) => return Err(CommandError::Refused(refused)),
            };
            let mut state = (*entry.state).clone();
            let append = draft::<M>(stream, entry.sequence, at, &mut state, &events)?;
            match self.store.append(append, beside(&state)).await {
                Ok((sequence, effects)) => {
                    *entry = Entry { state: Arc::new(state), sequence };
                    for effect in effects {
                        // The courier has gone only when the server ends; the outbox still has the effect.
                        let _ = self.effects.send(effect);
                    }
                    return Ok((entry.state.clone(), true));
                }
                // Somebody wrote to the stream by another way: look, and decide again.
                Err(StoreError::Conflict { .. }) => {
                    self.catch_up(stream, &mut entry).await?;
                    is_current = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn entry(&self, stream: &str) -> Arc<AsyncMutex<Entry<M>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(stream) {
            return entry.clone();
        }
        if entries.len() >= KEPT {
            entries.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        let entry = Entry { state: Arc::new(M::State::default()), sequence: 0 };
        let entry = Arc::new(AsyncMutex::new(entry));
        entries.insert(stream.to_owned(), entry.clone());
        entry
    }

    /// Folds what is stored and not yet folded. Cheap when there is nothing.
    async fn catch_up(&self, stream: &str, entry: &mut Entry<M>) -> Result<(), StoreError> {
        let events = self.store.events(stream, entry.sequence).await?;
        let Some(last) = events.last().map(|event| event.sequence) else { return Ok(()) };
        let mut state = (*entry.state).clone();
        for stored in &events {
            let event: M::Event =
                serde_json::from_str(&stored.body).map_err(|error| StoreError::Corrupt {
                    what: "event",
                    reason: format!("{stream}#{}: {error}", stored.sequence),
                })?;
            M::fold(&mut state, &event);
        }
        *entry = Entry { state: Arc::new(state), sequence: last };
        Ok(())
    }
}

/// Folds new events one by one, so that each one's effects see the state right after it.
fn draft<M: Machine>(
    stream: &str,
    expected: u64,
    at: Timestamp,
    state: &mut M::State,
    events: &[M::Event],
) -> Result<Append, StoreError> {
    let mut append =
        Append { stream: stream.to_owned(), expected, at, events: Vec::new(), effects: Vec::new() };
    for (index, event) in events.iter().enumerate() {
        M::fold(state, event);
        let (kind, body) = spell(event)?;
        append.events.push(NewEvent { kind, body });
        for effect in M::effects(state, event) {
            let (kind, body) = spell(&effect)?;
            append.effects.push(NewEffect { event: index, kind, body });
        }
    }
    Ok(append)
}

/// JSON text, and the `kind` in it.
pub(crate) fn spell(value: &impl Serialize) -> Result<(String, String), StoreError> {
    let json = serde_json::to_value(value)
        .map_err(|error| StoreError::Corrupt { what: "event", reason: error.to_string() })?;
    let kind = json.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
    Ok((kind, json.to_string()))
}
