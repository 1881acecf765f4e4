//! Concurrency groups between the processes that share a state folder. Each process performs what its own runs have to
//! do about a group; what another decides about them it finds in the store.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_engine::group::{self, GroupKey, Ticket};
use sluice_engine::{self as engine};
use sluice_model::RunId;
use sluice_store::{Store, StoreError, StoredEffect, Write};

use super::process;
use crate::courier::Courier;
use crate::groups::{Groups, PREFIX};
use crate::runs::Runs;

/// How often a process looks whether another has given up a group, or wants one. There is no daemon that could tell;
/// a process whose runs are in no group never looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Turns {
    pub(super) state: PathBuf,
    pub(super) store: Store,
    pub(super) groups: Arc<Groups>,
    pub(super) courier: Arc<Courier>,
    pub(super) mine: BTreeSet<RunId>,
}

impl Turns {
    /// Takes up what others have decided about this process' runs, and gives back the places of runs that nobody drives
    /// any more: of a process that was killed, and of one that ended while its run stood at a gate.
    pub(super) async fn look(&self, runs: &[Arc<engine::State>]) -> Result<(), StoreError> {
        let effects = self.store.pending_effects_of(PREFIX).await?;
        let waited_for: BTreeSet<&GroupKey> = runs
            .iter()
            .filter_map(|state| state.run())
            .flat_map(|run| run.waiting_for_groups())
            .map(|waiting| &waiting.group.key)
            .collect();
        let mut places = Vec::new();
        for key in waited_for {
            let group = self.groups.state(key).await?;
            let tickets = group.holder().into_iter().chain(group.waiting()).map(|place| place.ticket.clone());
            places.extend(tickets.map(|ticket| (key, ticket)));
        }
        // Last of all: a process says which runs it drives before they ask for a place, so that whoever is in what was
        // read above, and not in this, has died. A folder that cannot be read tells nobody's death; the next look may.
        let Ok(driven) = process::driven(&self.state) else { return Ok(()) };
        for effect in effects {
            match ticket_of(&effect).map(|ticket| ticket.run) {
                Some(run) if self.mine.contains(&run) => self.courier.take_up(effect),
                Some(run) if driven.contains(&run) => {}
                Some(_) | None => self.store.write(Write::Acknowledge(effect.key)).await?,
            }
        }
        for (key, ticket) in places.into_iter().filter(|(_, ticket)| !driven.contains(&ticket.run)) {
            self.groups.leave(key, ticket).await?;
        }
        Ok(())
    }

    /// Gives back what a run that has ended left to a courier that is stopped: whoever asks next finds the group free.
    pub(super) async fn hand_in(&self, run: &engine::Run) -> Result<(), StoreError> {
        let plan = run.plan();
        let groups = plan.jobs.iter().map(|job| &job.concurrency);
        let groups = groups.chain(plan.calls.iter().map(|call| &call.concurrency)).chain([&plan.concurrency]);
        if groups.flatten().next().is_none() {
            return Ok(());
        }
        for effect in self.store.pending_effects_of(&Runs::stream(run.id())).await? {
            if let Ok(engine::Effect::LeaveGroup { group, ticket }) = serde_json::from_str(&effect.body) {
                self.groups.leave(&group, ticket).await?;
            }
        }
        Ok(())
    }

    /// Gives back the places of a run that has come as far as it will, though it has not ended.
    pub(super) async fn give_back(&self, run: &engine::Run) -> Result<(), StoreError> {
        for (group, ticket) in run.tickets() {
            self.groups.leave(&group, ticket).await?;
        }
        Ok(())
    }
}

/// Whom an effect of a group is about.
pub(super) fn ticket_of(effect: &StoredEffect) -> Option<Ticket> {
    serde_json::from_str::<group::Effect>(&effect.body).ok().map(|effect| effect.ticket().clone())
}
