//! One gate, wherever it is shown: a run's approval job and the environment that it stands for are decided together.

use sluice_engine::{self as engine, GateOpener};
use sluice_model::{EnvironmentName, InstanceId, JobId, PromotionId, RepositoryName, RunId};
use sluice_plan::GateKind;
use sluice_release::{self as release, ApprovalSubject, PromotionState, RunGate, run_gate};
use sluice_wire::Decision;

use crate::accounts::Actor;
use crate::app::App;
use crate::refusal::Refusal;
use crate::runs::RunError;

/// A word at the gate of one job of a run.
pub(crate) async fn decide_job(
    app: &App,
    actor: &Actor,
    run: RunId,
    job: &JobId,
    decision: &Decision,
) -> Result<(), Refusal> {
    let state = app.runs.state(run).await?;
    let record = state.run().ok_or_else(|| Refusal::not_found("there is no such run"))?;
    let waiting: Vec<(InstanceId, String)> = record
        .waiting_gates()
        .filter(|gate| gate.instance.job == *job)
        .map(|gate| (gate.instance, gate.name.to_owned()))
        .collect();
    if waiting.is_empty() {
        let number = record.number();
        return Err(Refusal::conflict(format!("`{job}` of run {number} waits for no decision now")));
    }
    must_be_a_person(actor)?;
    for (instance, name) in waiting {
        decide_instance(app, actor, record, instance, &name, decision).await?;
    }
    Ok(())
}

async fn decide_instance(
    app: &App,
    actor: &Actor,
    run: &engine::Run,
    instance: InstanceId,
    name: &str,
    decision: &Decision,
) -> Result<(), Refusal> {
    let repository = &run.trigger().repository;
    let author = run.trigger().actor.clone();
    let delivery = app.deliveries.state(repository).await?;
    let environment = match run_gate(&delivery, run.id(), name, &author) {
        RunGate::Unknown | RunGate::Free { .. } => {
            return decide_free(app, actor, run.id(), instance, decision).await;
        }
        RunGate::Open { environment, .. }
        | RunGate::Rejected { environment }
        | RunGate::Waits { environment, .. } => environment,
    };
    let subject = ApprovalSubject::Run { run: run.id(), environment, author: author.clone() };
    let state = app.deliveries.command(repository, word(actor, subject, decision)).await?;
    // The effect does the same by itself; done here too, the answer shows the gate as it is now.
    settle(app, run, instance, name, &state).await
}

/// Nobody in particular has to decide: whoever may write does.
async fn decide_free(
    app: &App,
    actor: &Actor,
    run: RunId,
    instance: InstanceId,
    decision: &Decision,
) -> Result<(), Refusal> {
    if !actor.can_write() {
        let message =
            format!("{} may only read here: an account with write access has to decide", actor.name);
        return Err(Refusal::forbidden(message));
    }
    let command = match decision.approve {
        true => engine::Command::OpenGate { instance, by: GateOpener::Person(actor.name.clone()) },
        false => {
            engine::Command::RejectGate { instance, by: actor.name.clone(), reason: decision.comment.clone() }
        }
    };
    app.runs.command(run, command).await?;
    Ok(())
}

/// A word at one promotion.
pub(crate) async fn decide_promotion(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    promotion: PromotionId,
    decision: &Decision,
) -> Result<(), Refusal> {
    must_be_a_person(actor)?;
    let subject = ApprovalSubject::Promotion(promotion);
    app.deliveries.command(repository, word(actor, subject, decision)).await?;
    Ok(())
}

/// A word at whatever waits before an environment: its promotion, else the gate that stands for it in a run.
pub(crate) async fn decide_environment(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    environment: &EnvironmentName,
    decision: &Decision,
) -> Result<(), Refusal> {
    let state = app.deliveries.state(repository).await?;
    known(&state, environment)?;
    let gated = |id: &&PromotionId| {
        let promotion = state.promotion(**id);
        promotion.is_some_and(|promotion| matches!(promotion.state, PromotionState::Gated { .. }))
    };
    let place = state.environment(environment);
    if let Some(promotion) = place.and_then(|place| place.waiting.iter().find(gated)) {
        return decide_promotion(app, actor, repository, *promotion, decision).await;
    }
    let waiting = app.waiting_for(repository, environment).await?;
    match waiting.as_slice() {
        [] => Err(Refusal::conflict(format!("nothing waits before `{environment}` now"))),
        [(run, _, job)] => decide_job(app, actor, *run, job, decision).await,
        several => {
            let numbers: Vec<String> = several.iter().map(|(_, number, _)| number.to_string()).collect();
            let job = &several[0].2;
            Err(Refusal::conflict(format!(
                "runs {} all wait before `{environment}`: name one, as in `sluice approve {job} --run {}`",
                numbers.join(", "),
                numbers[0],
            )))
        }
    }
}

/// What the policy says of a gate that a run has just come to, or that was decided elsewhere.
pub(crate) async fn settle_gate(
    app: &App,
    run: RunId,
    instance: InstanceId,
    name: &str,
) -> Result<(), Refusal> {
    let state = app.runs.state(run).await?;
    let Some(record) = state.run() else { return Ok(()) };
    let delivery = app.deliveries.state(&record.trigger().repository).await?;
    settle(app, record, instance, name, &delivery).await
}

async fn settle(
    app: &App,
    run: &engine::Run,
    instance: InstanceId,
    name: &str,
    delivery: &release::State,
) -> Result<(), Refusal> {
    let kind = run.waiting_gates().find(|gate| gate.instance == instance).map(|gate| gate.kind);
    let command = match run_gate(delivery, run.id(), name, &run.trigger().actor) {
        RunGate::Open { by, .. } => {
            let by = by.last().cloned().unwrap_or_else(|| run.trigger().actor.clone());
            engine::Command::OpenGate { instance, by: GateOpener::Person(by) }
        }
        RunGate::Unknown if kind == Some(GateKind::Environment) => {
            let why = format!("sluice.yaml has no environment `{name}`, so nobody has to approve");
            engine::Command::OpenGate { instance, by: GateOpener::Policy(why) }
        }
        RunGate::Free { environment } if kind == Some(GateKind::Environment) => {
            let why = format!("environment `{environment}` asks for no approval");
            engine::Command::OpenGate { instance, by: GateOpener::Policy(why) }
        }
        // The effect of the rejection carries who and why.
        RunGate::Unknown | RunGate::Free { .. } | RunGate::Rejected { .. } | RunGate::Waits { .. } => {
            return Ok(());
        }
    };
    allow_repeat(app.runs.command(run.id(), command).await)
}

/// Opens or rejects every gate of a run that stands for an environment: the effect of a decision on the board.
pub(crate) async fn decide_run_gates(
    app: &App,
    run: RunId,
    environment: &EnvironmentName,
    command: impl Fn(InstanceId) -> engine::Command,
) -> Result<(), Refusal> {
    let state = app.runs.state(run).await?;
    let Some(record) = state.run() else { return Ok(()) };
    let delivery = app.deliveries.state(&record.trigger().repository).await?;
    for gate in record.waiting_gates() {
        if environment_of(&delivery, gate.name).as_ref() == Some(environment) {
            allow_repeat(app.runs.command(run, command(gate.instance)).await)?;
        }
    }
    Ok(())
}

/// The environment that a run's gate stands for.
pub(crate) fn environment_of(delivery: &release::State, gate: &str) -> Option<EnvironmentName> {
    let policy = delivery.policy()?;
    let by_name = EnvironmentName::new(gate);
    let found = policy.environment_of_gate(gate).or_else(|| policy.environment(&by_name))?;
    Some(found.name.clone())
}

pub(crate) fn known(state: &release::State, environment: &EnvironmentName) -> Result<(), Refusal> {
    let Some(policy) = state.policy() else {
        return Err(Refusal::not_found(
            "the default branch has no `sluice.yaml`, so there are no environments",
        ));
    };
    if policy.environment(environment).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = policy.environments.iter().map(|known| known.name.as_str()).collect();
    Err(Refusal::not_found(format!(
        "there is no environment `{environment}`; sluice.yaml has: {}",
        names.join(", ")
    )))
}

fn word(actor: &Actor, subject: ApprovalSubject, decision: &Decision) -> release::Command {
    let by = actor.as_approver();
    match decision.approve {
        true => release::Command::Approve { subject, by },
        false => release::Command::Reject { subject, by, reason: decision.comment.clone() },
    }
}

/// A step of a job acts for whoever caused the run, and must not be able to say their yes.
fn must_be_a_person(actor: &Actor) -> Result<(), Refusal> {
    match actor.job {
        None => Ok(()),
        Some(_) => Err(Refusal::forbidden("a job cannot decide at a gate: a person has to")),
    }
}

/// Somebody decided first: nothing is left to do.
fn allow_repeat<T>(result: Result<T, RunError>) -> Result<(), Refusal> {
    match result {
        Ok(_) | Err(RunError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
