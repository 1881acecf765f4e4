use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, RunId, Timestamp, UserName};

use crate::draft::{Draft, find_environment};
use crate::gate::{approval_wait, counted, may_approve, may_reject, rule_of};
use crate::{Approval, Approver, Event, PromotionState, Refused, State, Wait};

/// How a run's gate stands with the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunGate {
    /// No environment has this gate: an approval job is opened by anyone who may write, an environment is open at once.
    Unknown,
    /// The environment asks nobody: an approval job is opened by anyone who may write, an environment is open at once.
    Free {
        environment: EnvironmentName,
    },
    /// Enough people have approved.
    Open {
        environment: EnvironmentName,
        by: Vec<UserName>,
    },
    Rejected {
        environment: EnvironmentName,
    },
    /// Waits for people: always a [`Wait::Approval`].
    Waits {
        environment: EnvironmentName,
        wait: Wait,
    },
}

/// How the gate `name` of a run stands: an approval job's name, or an environment's. `author` caused the run.
pub fn run_gate(state: &State, run: RunId, name: &str, author: &UserName) -> RunGate {
    let by_name = EnvironmentName::new(name);
    let Some(environment) = state
        .policy()
        .and_then(|policy| policy.environment_of_gate(name).or_else(|| policy.environment(&by_name)))
    else {
        return RunGate::Unknown;
    };
    let name = environment.name.clone();
    let gate = state.run_gates.get(&(run, name.clone()));
    if gate.is_some_and(|gate| gate.rejected) {
        return RunGate::Rejected { environment: name };
    }
    let Some(rule) = &environment.approve else { return RunGate::Free { environment: name } };
    let approvals = run_approvals(state, run, &name);
    match approval_wait(rule, &approvals, Some(author)) {
        Some(wait) if !gate.is_some_and(|gate| gate.is_open) => RunGate::Waits { environment: name, wait },
        _ => RunGate::Open { environment: name, by: counted(rule, &approvals, Some(author)) },
    }
}

/// Who approved in the run, and when, wherever it is kept by now. Not all of them need count by the rule.
pub fn run_approvals(state: &State, run: RunId, environment: &EnvironmentName) -> Vec<Approval> {
    let in_run = state.run_gates.get(&(run, environment.clone())).map(|gate| gate.approvals.clone());
    let promoted = state
        .release_of_run(run)
        .and_then(|release| state.promotion_of(release.id, environment))
        .map(|promotion| promotion.approvals.clone());
    in_run.into_iter().chain(promoted).flatten().collect()
}

pub(crate) fn approve(
    state: &State,
    now: Timestamp,
    run: RunId,
    environment: EnvironmentName,
    author: &UserName,
    by: Approver,
) -> Result<Vec<Event>, Refused> {
    let rule = rule_of(find_environment(state, &environment)?);
    may_approve(&rule, &environment, &by, Some(author))?;
    let gate = state.run_gates.get(&(run, environment.clone()));
    if gate.is_some_and(|gate| gate.rejected) {
        return Err(Refused::GateDecided { environment });
    }
    let has_approved =
        counted(&rule, &run_approvals(state, run, &environment), Some(author)).contains(&by.name);
    if has_approved || gate.is_some_and(|gate| gate.is_open) {
        return Ok(Vec::new());
    }
    let mut draft = Draft::of(state, now);
    let approval = Approval { by: by.name, groups: by.groups, can_write: by.can_write, at: now };
    draft.push(Event::RunApproved { at: now, run, environment: environment.clone(), approval });
    let approvals = run_approvals(&draft.state, run, &environment);
    if approval_wait(&rule, &approvals, Some(author)).is_none() {
        let by = counted(&rule, &approvals, Some(author));
        draft.push(Event::RunGateOpened { at: now, run, environment, by });
    }
    Ok(draft.settle())
}

pub(crate) fn reject(
    state: &State,
    now: Timestamp,
    run: RunId,
    environment: EnvironmentName,
    by: Approver,
    reason: Option<String>,
) -> Result<Vec<Event>, Refused> {
    let rule = rule_of(find_environment(state, &environment)?);
    may_reject(&rule, &environment, &by)?;
    match state.run_gates.get(&(run, environment.clone())) {
        Some(gate) if gate.rejected => return Ok(Vec::new()),
        Some(gate) if gate.is_open => return Err(Refused::GateDecided { environment }),
        Some(_) | None => {}
    }
    let mut draft = Draft::of(state, now);
    draft.push(Event::RunGateRejected { at: now, run, environment, by: by.name, reason });
    Ok(draft.settle())
}

/// The promotion of the run's release that waits at this environment's gate.
pub(crate) fn gated_promotion<'a>(
    state: &'a State,
    run: RunId,
    environment: &EnvironmentName,
) -> Option<&'a crate::Promotion> {
    let release = state.release_of_run(run)?;
    state
        .promotion_of(release.id, environment)
        .filter(|promotion| matches!(promotion.state, PromotionState::Gated { .. }))
}
