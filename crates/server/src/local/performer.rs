use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sluice_engine::{self as engine, Command, GateOpener};
use sluice_model::{InstanceId, RunId};
use sluice_plan::GateKind;
use sluice_store::StoredEffect;

use super::teller::Teller;
use super::{Approvals, GateAnswer, GateQuestion, person, turns};
use crate::agent::Agent;
use crate::change::{Change, Changes};
use crate::courier::Perform;
use crate::groups::{self, Groups};
use crate::runs::{RunError, Runs};

/// Performs what the runs of this process decide.
pub(super) struct LocalPerformer {
    pub(super) runs: Arc<Runs>,
    pub(super) groups: Arc<Groups>,
    pub(super) agent: Agent,
    pub(super) approvals: Approvals,
    pub(super) index: BTreeMap<RunId, usize>,
    pub(super) left: Arc<std::sync::Mutex<Vec<RunId>>>,
    pub(super) changes: Changes,
    pub(super) teller: Teller,
}

impl Perform for LocalPerformer {
    fn is_mine(&self, effect: &StoredEffect) -> bool {
        let run = match Groups::of_stream(&effect.key.stream) {
            Some(_) => turns::ticket_of(effect).map(|ticket| ticket.run),
            None => Runs::of_stream(&effect.key.stream),
        };
        run.is_some_and(|run| self.index.contains_key(&run))
    }

    fn is_in_order(&self, effect: &StoredEffect) -> bool {
        groups::is_of_a_place(effect)
    }

    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            if let Some(group) = Groups::of_stream(&effect.key.stream) {
                return Ok(self.groups.perform(&group, serde_json::from_str(&effect.body)?).await?);
            }
            let Some(run) = Runs::of_stream(&effect.key.stream) else { return Ok(()) };
            match serde_json::from_str(&effect.body)? {
                engine::Effect::OfferJob { instance, fencing_token, .. } => {
                    self.agent.take(run, instance, fencing_token).await?;
                }
                engine::Effect::CancelJob { instance, fencing_token, .. } => {
                    self.agent.cancel(run, &instance, fencing_token);
                }
                engine::Effect::AskGate { instance, name, gate } => {
                    self.ask(run, instance, name, gate).await?;
                }
                engine::Effect::JoinGroup { group, ticket, policy } => {
                    self.groups.join(&group, ticket, policy).await?;
                }
                engine::Effect::LeaveGroup { group, ticket } => self.groups.leave(&group, ticket).await?,
                engine::Effect::RerunRun { attempt } => {
                    // How the jobs ended is told before they begin again.
                    if let Some(index) = self.index.get(&run) {
                        self.teller.tell(*index, run).await?;
                    }
                    self.runs.command(run, Command::RerunByItself { attempt }).await?;
                }
                engine::Effect::ConcludeRun { .. } => {}
            }
            Ok(())
        })
    }
}

impl LocalPerformer {
    async fn ask(
        &self,
        run: RunId,
        instance: InstanceId,
        name: String,
        kind: GateKind,
    ) -> anyhow::Result<()> {
        let Some(index) = self.index.get(&run).copied() else { return Ok(()) };
        let question = GateQuestion { index, instance: instance.clone(), name, kind };
        let command = match (self.approvals)(question).await {
            GateAnswer::Approve => Command::OpenGate { instance, by: GateOpener::Person(person()) },
            GateAnswer::Reject => Command::RejectGate { instance, by: person(), reason: None },
            GateAnswer::Leave => {
                self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(run);
                if let Some(record) = self.runs.state(run).await?.run() {
                    let repository = record.trigger().repository.clone();
                    self.changes.tell(Change::Run { run, repository });
                }
                return Ok(());
            }
        };
        match self.runs.command(run, command).await {
            // Refused: the run was cancelled while the person thought.
            Ok(_) | Err(RunError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
