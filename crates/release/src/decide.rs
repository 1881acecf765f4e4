use sluice_model::{EnvironmentName, PromotionId, ReleaseId, Timestamp};

use crate::draft::{Draft, find_environment, find_promotion, forward_settings, newest};
use crate::gate::{counted, may_approve, may_reject, may_write, rule_of};
use crate::{
    Approval, ApprovalSubject, Approver, Command, Event, Failure, Promotion, PromotionKind, PromotionState,
    Proposer, Refused, Release, State,
};
use crate::{record, rollback, run_gate};

/// What `command` leads to at `now`. No events: what it asks for is so already.
pub fn decide(state: &State, now: Timestamp, command: Command) -> Result<Vec<Event>, Refused> {
    match command {
        Command::ChangePolicy { config } => record::change_policy(state, now, *config),
        Command::RecordRelease(release) => record::record(state, now, *release),
        Command::Propose { release, environment, by } => propose(state, now, release, environment, by),
        Command::Approve { subject, by } => approve(state, now, subject, by),
        Command::Reject { subject, by, reason } => reject(state, now, subject, by, reason),
        Command::RolloutSucceeded { promotion } => rollout_succeeded(state, now, promotion),
        Command::RolloutFailed { promotion, reason } => rollout_failed(state, now, promotion, reason),
        Command::VerificationSucceeded { promotion } => verification_succeeded(state, now, promotion),
        Command::VerificationFailed { promotion, reason } => {
            verification_failed(state, now, promotion, reason)
        }
        Command::DriftDetected { promotion, reason } => drift_detected(state, now, promotion, reason),
        Command::Rollback { environment, to, by } => rollback::roll_back(state, now, environment, to, by),
        Command::Resume { environment, by } => resume(state, now, environment, by),
        Command::Tick => Ok(Draft::of(state, now).settle()),
    }
}

fn propose(
    state: &State,
    now: Timestamp,
    release: ReleaseId,
    environment: EnvironmentName,
    by: Proposer,
) -> Result<Vec<Event>, Refused> {
    let found = state.release(release).ok_or(Refused::UnknownRelease(release))?;
    find_environment(state, &environment)?;
    if is_there_or_on_its_way(state, found, &environment, &by) {
        return Ok(Vec::new());
    }
    has_come_through(state, release, &environment)?;
    let newest = newest(state, &environment);
    let is_overtaken = newest.is_some_and(|newest| newest.age() > found.age());
    let mut draft = Draft::of(state, now);
    match &by {
        Proposer::Automation | Proposer::Run(_) => {
            if let Some(newest) = newest.filter(|_| is_overtaken) {
                let (version, newer) = (found.version.clone(), newest.version.clone());
                return Err(Refused::Overtaken { version, newer, environment });
            }
        }
        Proposer::Person(person) => {
            let is_held = state.environment(&environment).is_some_and(|place| place.hold.is_some());
            if is_overtaken {
                let reason = format!("{} was promoted by hand, which is not the newest", found.version);
                let hold = (environment.clone(), person.clone());
                draft.push(Event::HoldPlaced { at: now, environment: hold.0, by: hold.1, reason });
            } else if is_held {
                let lifted = (environment.clone(), person.clone());
                draft.push(Event::HoldLifted { at: now, environment: lifted.0, by: lifted.1 });
            }
        }
    }
    draft.propose(release, &environment, PromotionKind::Forward, by);
    Ok(draft.settle())
}

/// A person may promote again what is live, when the environment's settings have changed since.
fn is_there_or_on_its_way(
    state: &State,
    release: &Release,
    environment: &EnvironmentName,
    by: &Proposer,
) -> bool {
    if state.promotion_of(release.id, environment).is_some_and(|newest| !newest.state.is_over()) {
        return true;
    }
    match state.live(environment) {
        Some((live, same)) if same.id == release.id => {
            let settings = forward_settings(state, release, environment).ok();
            !matches!(by, Proposer::Person(_)) || settings.is_none() || settings == live.settings
        }
        _ => false,
    }
}

/// The environments are in order: what enters one has been live in the one before, and was not taken back there.
fn has_come_through(state: &State, release: ReleaseId, environment: &EnvironmentName) -> Result<(), Refused> {
    let Some(before) = state.policy().and_then(|policy| policy.previous_environment(environment)) else {
        return Ok(());
    };
    let history = state.environment(&before.name).map(|place| place.history.as_slice()).unwrap_or_default();
    let was_live = history.iter().filter_map(|id| state.promotion(*id)).any(|promotion| {
        promotion.release == release
            && matches!(promotion.state, PromotionState::Live { .. } | PromotionState::Replaced { .. })
    });
    if was_live {
        return Ok(());
    }
    Err(Refused::NotYetThrough {
        version: state.release(release).map(|release| release.version.clone()).unwrap_or_default(),
        environment: environment.clone(),
        before: before.name.clone(),
    })
}

fn approve(
    state: &State,
    now: Timestamp,
    subject: ApprovalSubject,
    by: Approver,
) -> Result<Vec<Event>, Refused> {
    match subject {
        ApprovalSubject::Promotion(promotion) => approve_promotion(state, now, promotion, by),
        ApprovalSubject::Run { run, environment, author } => {
            match run_gate::gated_promotion(state, run, &environment).map(|promotion| promotion.id) {
                Some(promotion) if asks_people(state, &environment) => {
                    approve_promotion(state, now, promotion, by)
                }
                _ => run_gate::approve(state, now, run, environment, &author, by),
            }
        }
    }
}

fn asks_people(state: &State, environment: &EnvironmentName) -> bool {
    find_environment(state, environment).is_ok_and(|environment| environment.approve.is_some())
}

fn approve_promotion(
    state: &State,
    now: Timestamp,
    id: PromotionId,
    by: Approver,
) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    let not_waiting = || Refused::NotWaiting { promotion: id, state: promotion.state.word() };
    let environment = find_environment(state, &promotion.environment)?;
    let rule = environment.approve.as_ref().ok_or_else(not_waiting)?;
    let author = state.release(promotion.release).map(|release| &release.author);
    may_approve(rule, &promotion.environment, &by, author)?;
    if counted(rule, &promotion.approvals, author).contains(&by.name) {
        return Ok(Vec::new());
    }
    if !matches!(promotion.state, PromotionState::Gated { .. }) {
        return Err(not_waiting());
    }
    let mut draft = Draft::of(state, now);
    let approval = Approval { by: by.name, groups: by.groups, can_write: by.can_write, at: now };
    draft.push(Event::PromotionApproved { at: now, promotion: id, approval });
    Ok(draft.settle())
}

fn reject(
    state: &State,
    now: Timestamp,
    subject: ApprovalSubject,
    by: Approver,
    reason: Option<String>,
) -> Result<Vec<Event>, Refused> {
    let id = match subject {
        ApprovalSubject::Promotion(promotion) => promotion,
        ApprovalSubject::Run { run, environment, author: _ } => {
            match run_gate::gated_promotion(state, run, &environment) {
                Some(promotion) => promotion.id,
                None => return run_gate::reject(state, now, run, environment, by, reason),
            }
        }
    };
    let promotion = find_promotion(state, id)?;
    may_reject(&rule_of(find_environment(state, &promotion.environment)?), &promotion.environment, &by)?;
    match promotion.state {
        PromotionState::Gated { .. } | PromotionState::Ready { .. } => {}
        PromotionState::Rejected { .. } => return Ok(Vec::new()),
        _ => return Err(Refused::NotWaiting { promotion: id, state: promotion.state.word() }),
    }
    let mut draft = Draft::of(state, now);
    let (by, environment) = (by.name, promotion.environment.clone());
    let rejected =
        Event::PromotionRejected { at: now, promotion: id, by: by.clone(), reason: reason.clone() };
    draft.push(rejected);
    if let Some(run) = state
        .release(promotion.release)
        .filter(|_| promotion.kind == PromotionKind::Forward)
        .and_then(Release::run)
    {
        let gate = state.run_gates.get(&(run, environment.clone()));
        if !gate.is_some_and(|gate| gate.is_open || gate.rejected) {
            draft.push(Event::RunGateRejected { at: now, run, environment, by, reason });
        }
    }
    Ok(draft.settle())
}

fn rollout_succeeded(state: &State, now: Timestamp, id: PromotionId) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    match promotion.state {
        PromotionState::Deploying { .. } => {
            let mut draft = Draft::of(state, now);
            draft.push(Event::TrafficSwitched { at: now, promotion: id });
            Ok(draft.settle())
        }
        PromotionState::Verifying { .. }
        | PromotionState::Live { .. }
        | PromotionState::Replaced { .. }
        | PromotionState::RolledBack { .. }
        | PromotionState::Failed { failure: Failure::Verification, .. } => Ok(Vec::new()),
        _ => Err(not_in_stage(promotion)),
    }
}

fn rollout_failed(
    state: &State,
    now: Timestamp,
    id: PromotionId,
    reason: String,
) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    match promotion.state {
        PromotionState::Deploying { .. } => {
            let mut draft = Draft::of(state, now);
            draft.fail(id, Failure::Rollout, reason);
            Ok(draft.settle())
        }
        PromotionState::Failed { failure: Failure::Rollout, .. } => Ok(Vec::new()),
        _ => Err(not_in_stage(promotion)),
    }
}

fn verification_succeeded(state: &State, now: Timestamp, id: PromotionId) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    match promotion.state {
        PromotionState::Verifying { .. } => {}
        PromotionState::Live { .. } | PromotionState::Replaced { .. } | PromotionState::RolledBack { .. } => {
            return Ok(Vec::new());
        }
        _ => return Err(not_in_stage(promotion)),
    }
    let mut draft = Draft::of(state, now);
    draft.push(Event::PromotionLive { at: now, promotion: id });
    match promotion.kind {
        PromotionKind::Forward => {
            let next = state.policy().and_then(|policy| policy.next_environment(&promotion.environment));
            if let Some(next) = next.map(|environment| environment.name.clone()) {
                draft.propose_by_itself(promotion.release, &next);
            }
        }
        PromotionKind::Rollback { from, .. } => withdraw_further(&mut draft, from, id),
    }
    Ok(draft.settle())
}

/// What was taken back here does not go on into the next environment.
fn withdraw_further(draft: &mut Draft, left: PromotionId, rollback: PromotionId) {
    let Some(left) = draft.state.promotion(left) else { return };
    let Some(next) = draft.state.policy().and_then(|policy| policy.next_environment(&left.environment))
    else {
        return;
    };
    let further = draft.state.promotion_of(left.release, &next.name);
    if let Some(further) = further.filter(|further| further.state.is_waiting()).map(|further| further.id) {
        draft.push(Event::PromotionSuperseded { at: draft.now, promotion: further, by: rollback });
    }
}

fn verification_failed(
    state: &State,
    now: Timestamp,
    id: PromotionId,
    reason: String,
) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    match promotion.state {
        PromotionState::Verifying { .. } => {
            let mut draft = Draft::of(state, now);
            draft.fail(id, Failure::Verification, reason.clone());
            rollback::roll_back_by_itself(&mut draft, promotion, &reason);
            Ok(draft.settle())
        }
        PromotionState::Failed { failure: Failure::Verification, .. } | PromotionState::RolledBack { .. } => {
            Ok(Vec::new())
        }
        _ => Err(not_in_stage(promotion)),
    }
}

fn drift_detected(
    state: &State,
    now: Timestamp,
    id: PromotionId,
    reason: String,
) -> Result<Vec<Event>, Refused> {
    let promotion = find_promotion(state, id)?;
    if !matches!(promotion.state, PromotionState::Live { .. }) {
        return Err(not_in_stage(promotion));
    }
    let place = state.environment(&promotion.environment);
    if place.is_some_and(|place| place.drift.is_some()) {
        return Ok(Vec::new());
    }
    let mut draft = Draft::of(state, now);
    draft.push(Event::DriftFound { at: now, promotion: id, reason: reason.clone() });
    // What is being rolled out takes its place anyway.
    if place.is_some_and(|place| place.rolling_out.is_none()) {
        rollback::roll_back_by_itself(&mut draft, promotion, &reason);
    }
    Ok(draft.settle())
}

fn resume(
    state: &State,
    now: Timestamp,
    environment: EnvironmentName,
    by: Approver,
) -> Result<Vec<Event>, Refused> {
    find_environment(state, &environment)?;
    may_write(&environment, &by)?;
    if state.environment(&environment).is_none_or(|place| place.hold.is_none()) {
        return Ok(Vec::new());
    }
    let upstream = match state.policy().and_then(|policy| policy.previous_environment(&environment)) {
        Some(before) => state.live(&before.name).map(|(_, release)| release.id),
        None => state.releases().max_by_key(|release| release.age()).map(|release| release.id),
    };
    let mut draft = Draft::of(state, now);
    draft.push(Event::HoldLifted { at: now, environment: environment.clone(), by: by.name });
    if let Some(release) = upstream {
        draft.propose_by_itself(release, &environment);
    }
    Ok(draft.settle())
}

fn not_in_stage(promotion: &Promotion) -> Refused {
    Refused::NotInStage { promotion: promotion.id, state: promotion.state.word() }
}
