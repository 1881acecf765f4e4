use std::sync::Arc;

use sluice_engine::{self as engine, Create};
use sluice_model::{RunId, Timestamp};
use sluice_store::{RunRow, Store, StoreError, StoredEffect, Write};
use tokio::sync::mpsc;

use crate::change::{Change, Changes};
use crate::present;
use crate::stream::{CommandError, Machine, Streams};

pub(crate) struct RunMachine;

impl Machine for RunMachine {
    type State = engine::State;
    type Command = engine::Command;
    type Event = engine::Event;
    type Effect = engine::Effect;
    type Refused = engine::Refused;

    fn decide(
        state: &engine::State,
        now: Timestamp,
        command: engine::Command,
    ) -> Result<Vec<engine::Event>, engine::Refused> {
        engine::decide(state, now, command)
    }
    fn fold(state: &mut engine::State, event: &engine::Event) {
        engine::fold(state, event);
    }
    fn effects(state: &engine::State, event: &engine::Event) -> Vec<engine::Effect> {
        engine::effects(state, event)
    }
}

pub(crate) type RunError = CommandError<engine::Refused>;

/// Every run of the data folder.
pub(crate) struct Runs {
    streams: Streams<RunMachine>,
    changes: Changes,
}

impl Runs {
    pub(crate) fn new(store: Store, effects: mpsc::UnboundedSender<StoredEffect>, changes: Changes) -> Self {
        Self { streams: Streams::new(store, effects), changes }
    }

    pub(crate) fn stream(run: RunId) -> String {
        format!("run/{run}")
    }

    /// The run that a stream's name tells; none where it is another kind of stream.
    pub(crate) fn of_stream(stream: &str) -> Option<RunId> {
        stream.strip_prefix("run/")?.parse().ok()
    }

    pub(crate) async fn state(&self, run: RunId) -> Result<Arc<engine::State>, StoreError> {
        self.streams.state(&Self::stream(run)).await
    }

    /// The run as this process has left it: what other processes have done since may be missing.
    pub(crate) async fn known(&self, run: RunId) -> Result<Arc<engine::State>, StoreError> {
        self.streams.known(&Self::stream(run)).await
    }

    /// Begins a run. The same `cause` a second time changes nothing.
    pub(crate) async fn create(&self, cause: &str, create: Create) -> Result<(), RunError> {
        let run = create.run;
        let repository = create.trigger.repository.clone();
        let cause = cause.to_owned();
        let command = engine::Command::Create(Box::new(create));
        let row = |state: &engine::State| {
            let Some(run) = state.run() else { return Vec::new() };
            vec![Write::AddRun(RunRow {
                id: run.id(),
                repository: run.trigger().repository.clone(),
                number: run.number(),
                cause: cause.clone(),
                ended: run.conclusion().is_some(),
                git_ref: run.trigger().git_ref.clone(),
                sha: run.trigger().sha.to_string(),
                created: run.created(),
                summary: present::summary_json(run),
            })]
        };
        self.streams.command(&Self::stream(run), command, row).await?;
        self.changes.tell(Change::Run { run, repository });
        Ok(())
    }

    pub(crate) async fn command(
        &self,
        run: RunId,
        command: engine::Command,
    ) -> Result<Arc<engine::State>, RunError> {
        let update = |state: &engine::State| match state.run() {
            Some(run) => vec![Write::UpdateRun {
                id: run.id(),
                ended: run.conclusion().is_some(),
                summary: present::summary_json(run),
            }],
            None => Vec::new(),
        };
        let (state, has_changed) = self.streams.command(&Self::stream(run), command, update).await?;
        if has_changed && let Some(record) = state.run() {
            let repository = record.trigger().repository.clone();
            self.changes.tell(Change::Run { run, repository });
        }
        Ok(state)
    }
}
