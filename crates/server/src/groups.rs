use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sluice_engine::group::{self, Group, GroupKey, Policy, Ticket};
use sluice_engine::{self as engine, Command, Refused};
use sluice_model::Timestamp;
use sluice_store::{Store, StoreError, StoredEffect};
use sluice_wire::{GroupHolder, QueuedFor};
use tokio::sync::mpsc;

use crate::change::{Change, Changes};
use crate::clock::now;
use crate::runs::{RunError, Runs};
use crate::stream::{CommandError, Machine, Streams};

pub(crate) struct GroupMachine;

impl Machine for GroupMachine {
    type State = Group;
    type Command = group::Command;
    type Event = group::Event;
    type Effect = group::Effect;
    type Refused = Infallible;

    fn decide(
        state: &Group,
        now: Timestamp,
        command: group::Command,
    ) -> Result<Vec<group::Event>, Infallible> {
        group::decide(state, now, command)
    }
    fn fold(state: &mut Group, event: &group::Event) {
        group::fold(state, event);
    }
    fn effects(state: &Group, event: &group::Event) -> Vec<group::Effect> {
        group::effects(state, event)
    }
}

/// What the streams of groups begin with.
pub(crate) const PREFIX: &str = "group/";

/// Whether a run asks for a place or gives one back: who asked first is first.
pub(crate) fn is_of_a_place(effect: &StoredEffect) -> bool {
    matches!(effect.kind.as_str(), "join_group" | "leave_group")
}

/// Every concurrency group of the data folder, between the runs that share them.
pub(crate) struct Groups {
    streams: Streams<GroupMachine>,
    runs: Arc<Runs>,
    changes: Changes,
}

impl Groups {
    pub(crate) fn new(
        store: Store,
        effects: mpsc::UnboundedSender<StoredEffect>,
        runs: Arc<Runs>,
        changes: Changes,
    ) -> Self {
        Self { streams: Streams::new(store, effects), runs, changes }
    }

    /// The group that a stream's name tells; none where it is another kind of stream.
    pub(crate) fn of_stream(stream: &str) -> Option<GroupKey> {
        stream.strip_prefix(PREFIX).map(GroupKey::from)
    }

    pub(crate) async fn state(&self, group: &GroupKey) -> Result<Arc<Group>, StoreError> {
        self.streams.state(&format!("{PREFIX}{group}")).await
    }

    /// Asks for a place. A run that has ended since it asked gets none, and one that ends while this goes on gives it
    /// back: its own leaving may have come before.
    pub(crate) async fn join(
        &self,
        group: &GroupKey,
        ticket: Ticket,
        policy: Policy,
    ) -> Result<(), StoreError> {
        if !self.wants(&ticket).await? {
            return Ok(());
        }
        self.command(group, group::Command::Join { ticket: ticket.clone(), policy }).await?;
        if self.wants(&ticket).await? {
            return Ok(());
        }
        self.leave(group, ticket).await
    }

    pub(crate) async fn leave(&self, group: &GroupKey, ticket: Ticket) -> Result<(), StoreError> {
        self.command(group, group::Command::Leave { ticket }).await
    }

    /// Tells the ticket's run what the group has decided. A ticket that the run does not know any more goes back.
    pub(crate) async fn perform(&self, group: &GroupKey, effect: group::Effect) -> Result<(), StoreError> {
        let ticket = effect.ticket().clone();
        let (instance, number) = (ticket.instance.clone(), ticket.number);
        let is_known = match effect {
            group::Effect::Admit { .. } => {
                self.tell(&ticket, Command::Admit { instance, ticket: number }).await?
            }
            group::Effect::TurnAway { why, .. } => {
                self.tell(&ticket, Command::TurnAway { instance, ticket: number, why }).await?;
                true
            }
            group::Effect::Stop { by, .. } => {
                self.tell(&ticket, Command::Supersede { instance, ticket: number, by }).await?
            }
            group::Effect::ExpireAt { at, .. } => return self.expire(group, ticket, at).await,
        };
        if is_known { Ok(()) } else { self.leave(group, ticket).await }
    }

    /// Whether the run took it, rather than refusing it for an old ticket.
    async fn tell(&self, ticket: &Ticket, command: Command) -> Result<bool, StoreError> {
        match self.runs.command(ticket.run, command).await {
            Ok(_) => Ok(true),
            Err(RunError::Refused(Refused::StaleTicket { .. } | Refused::NoRun)) => Ok(false),
            Err(RunError::Refused(refused)) => {
                tracing::warn!(run = %ticket.run, %refused, "a concurrency group's word was refused");
                Ok(false)
            }
            Err(RunError::Store(error)) => Err(error),
        }
    }

    /// Sleeps for as long as the ticket may wait, or until it waits no longer.
    async fn expire(&self, group: &GroupKey, ticket: Ticket, at: Timestamp) -> Result<(), StoreError> {
        let mut listener = self.changes.listen();
        while self.state(group).await?.waiting().any(|place| place.ticket == ticket) {
            let left = u64::try_from(at.since_ms(now())).unwrap_or(0);
            if left == 0 {
                return self.command(group, group::Command::Expire { ticket }).await;
            }
            let concerns = |change: &Change| matches!(change, Change::Run { run, .. } if *run == ticket.run);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
                _ = listener.wait_for(concerns) => {}
            }
        }
        Ok(())
    }

    async fn wants(&self, ticket: &Ticket) -> Result<bool, StoreError> {
        Ok(self.runs.state(ticket.run).await?.run().is_some_and(|run| run.wants(ticket)))
    }

    async fn command(&self, group: &GroupKey, command: group::Command) -> Result<(), StoreError> {
        let stream = format!("{PREFIX}{group}");
        let (state, has_changed) = match self.streams.command(&stream, command, |_| Vec::new()).await {
            Ok(done) => done,
            Err(CommandError::Store(error)) => return Err(error),
        };
        if has_changed {
            // Whoever waits shows who holds the group now.
            for place in state.holder().into_iter().chain(state.waiting()) {
                let (run, repository) = (place.ticket.run, place.ticket.repository.clone());
                self.changes.tell(Change::Run { run, repository });
            }
        }
        Ok(())
    }

    /// The groups that a run, or jobs of it, wait for now, each with who has it.
    pub(crate) async fn queued(&self, run: &engine::Run) -> Result<Vec<QueuedFor>, StoreError> {
        let mut queued = Vec::new();
        for waiting in run.waiting_for_groups() {
            let state = self.state(&waiting.group.key).await?;
            // The group has not been asked yet, or the run has not heard its answer.
            if !state.waiting().any(|place| place.ticket == waiting.ticket) {
                continue;
            }
            let holder = state.holder().map(|place| &place.ticket).map(|ticket| GroupHolder {
                repository: ticket.repository.clone(),
                run: ticket.run_number,
                job: ticket.instance.clone(),
            });
            let (job, since) = (waiting.ticket.instance, waiting.since);
            queued.push(QueuedFor { job, group: waiting.group.name.clone(), since, holder });
        }
        Ok(queued)
    }
}
