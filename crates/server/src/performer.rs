use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use sluice_engine::{self as engine, GateOpener};
use sluice_model::{Conclusion, RepositoryName, RunId};
use sluice_plan::GateKind;
use sluice_release as release;
use sluice_store::StoredEffect;

use crate::app::{App, Counters};
use crate::courier::Perform;
use crate::groups::Groups;
use crate::refusal::Refusal;
use crate::repository::RepositoryEffect;
use crate::runs::{RunError, Runs};
use crate::{gates, groups, planning, provenance, releasing};

/// Performs the effects of all streams. The app is put in once it is there.
#[derive(Default)]
pub(crate) struct Performer {
    app: OnceLock<Arc<App>>,
}

impl Performer {
    pub(crate) fn set(&self, app: Arc<App>) {
        // Called once, by whoever made both.
        let _ = self.app.set(app);
    }
}

impl Perform for Performer {
    fn is_in_order(&self, effect: &StoredEffect) -> bool {
        groups::is_of_a_place(effect)
    }

    fn perform(self: Arc<Self>, effect: StoredEffect) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move {
            let app = self.app.get().context("the server is not ready")?;
            let stream = effect.key.stream.as_str();
            let body = effect.body.as_str();
            if let Some(run) = Runs::of_stream(stream) {
                return of_run(app, run, serde_json::from_str(body)?).await;
            }
            if let Some(group) = Groups::of_stream(stream) {
                return Ok(app.groups.perform(&group, serde_json::from_str(body)?).await?);
            }
            let (kind, name) = stream.split_once('/').context("a stream without a kind")?;
            let repository: RepositoryName = name.parse()?;
            match kind {
                "repository" => {
                    let RepositoryEffect::Plan { trigger } = serde_json::from_str(body)?;
                    let words = planning::plan(app, &effect.key.to_string(), &trigger).await?;
                    app.repositories.planned(&effect.key.to_string(), words);
                    Ok(())
                }
                "delivery" => of_delivery(app, &repository, serde_json::from_str(body)?).await,
                other => anyhow::bail!("nobody performs effects of `{other}`"),
            }
        })
    }
}

async fn of_run(app: &Arc<App>, run: RunId, effect: engine::Effect) -> anyhow::Result<()> {
    match effect {
        engine::Effect::OfferJob { instance, fencing_token, .. } => {
            app.agent.take(run, instance, fencing_token).await?;
        }
        engine::Effect::CancelJob { instance, fencing_token, .. } => {
            app.agent.cancel(run, &instance, fencing_token);
        }
        engine::Effect::AskGate { instance, name, gate: GateKind::Approval | GateKind::Environment } => {
            gates::settle_gate(app, run, instance, &name).await?;
        }
        engine::Effect::JoinGroup { group, ticket, policy } => {
            app.groups.join(&group, ticket, policy).await?
        }
        engine::Effect::LeaveGroup { group, ticket } => app.groups.leave(&group, ticket).await?,
        engine::Effect::RerunRun { attempt } => {
            app.runs.command(run, engine::Command::RerunByItself { attempt }).await?;
        }
        engine::Effect::ConcludeRun { conclusion, .. } => {
            Counters::add(&app.counters.runs_ended);
            if conclusion == Conclusion::Success {
                make_release(app, run).await?;
                attest(app, run).await?;
            }
        }
    }
    Ok(())
}

/// A green run on a release ref becomes a release. One that lacks a service's image does not, and that is no failure.
async fn make_release(app: &Arc<App>, run: RunId) -> anyhow::Result<()> {
    let state = app.runs.state(run).await?;
    let Some(record) = state.run() else { return Ok(()) };
    if !releasing::is_due(app, record).await? {
        return Ok(());
    }
    match releasing::record(app, record, None).await {
        Ok(release) => tracing::info!(%run, %release, "a green run became a release"),
        Err(Refusal { status, message }) if status.is_client_error() => {
            tracing::warn!(%run, %message, "a green run made no release");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// What the run pushed is signed once it is green; the release does not wait for it.
async fn attest(app: &Arc<App>, run: RunId) -> anyhow::Result<()> {
    let state = app.runs.state(run).await?;
    match state.run() {
        Some(record) => provenance::attest(app, record).await,
        None => Ok(()),
    }
}

async fn of_delivery(
    app: &Arc<App>,
    repository: &RepositoryName,
    effect: release::Effect,
) -> anyhow::Result<()> {
    match effect {
        release::Effect::StartRollout { promotion } => {
            app.rollouts.roll_out(app, repository, promotion).await?;
        }
        release::Effect::StartVerification { promotion } => {
            app.rollouts.verify(app, repository, promotion).await?;
        }
        release::Effect::KeepWatch { promotion, environment } => {
            app.rollouts.keep_watch(app, repository, promotion, &environment).await?;
        }
        release::Effect::CleanUp { promotion, environment } => {
            app.rollouts.clean_up(app, repository, promotion, &environment).await?;
        }
        release::Effect::OpenRunGate { run, environment, by } => {
            let by = by.last().cloned().context("a gate that nobody opened")?;
            gates::decide_run_gates(app, run, &environment, |instance| engine::Command::OpenGate {
                instance,
                by: GateOpener::Person(by.clone()),
            })
            .await?;
        }
        release::Effect::RejectRunGate { run, environment, by, reason } => {
            gates::decide_run_gates(app, run, &environment, |instance| engine::Command::RejectGate {
                instance,
                by: by.clone(),
                reason: reason.clone(),
            })
            .await?;
        }
    }
    Ok(())
}

/// Whether the run was there already: a plan that is made a second time begins it only once.
pub(crate) fn is_repeat(error: &RunError) -> bool {
    matches!(error, RunError::Store(sluice_store::StoreError::Exists { .. }))
}
