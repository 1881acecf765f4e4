use sluice_model::{EnvironmentName, PromotionId, ReleaseId, Timestamp};

use crate::draft::Draft;
use crate::gate::may_write;
use crate::{Approver, Event, Promotion, PromotionKind, PromotionState, Proposer, Refused, State};

/// What a rollback of the environment would go back to, leaving `from`: the last promotion that was live there with
/// another release or other settings, and was not itself taken back.
pub(crate) fn target<'a>(
    state: &'a State,
    environment: &EnvironmentName,
    from: PromotionId,
) -> Option<&'a Promotion> {
    let left = state.promotion(from)?;
    let history = state.environment(environment)?.history.iter().rev();
    history.filter_map(|id| state.promotion(*id)).find(|earlier| {
        earlier.id != from
            && (earlier.release != left.release || earlier.settings != left.settings)
            && matches!(earlier.state, PromotionState::Live { .. } | PromotionState::Replaced { .. })
    })
}

/// Nobody has to approve, but not everybody may ask.
pub(crate) fn roll_back(
    state: &State,
    now: Timestamp,
    environment: EnvironmentName,
    to: Option<ReleaseId>,
    by: Approver,
) -> Result<Vec<Event>, Refused> {
    may_write(&environment, &by)?;
    let no_earlier = || Refused::NoEarlierRelease { environment: environment.clone() };
    let place = state.environment(&environment).ok_or_else(no_earlier)?;
    let from = place.live.and_then(|live| state.promotion(live)).ok_or_else(no_earlier)?;
    let earlier = match to {
        None => target(state, &environment, from.id).ok_or_else(no_earlier)?,
        Some(release) => {
            let version = state.release(release).ok_or(Refused::UnknownRelease(release))?.version.clone();
            if from.release == release && place.rolling_out.is_none() {
                return Err(Refused::AlreadyLive { version, environment });
            }
            let history = place.history.iter().rev().filter_map(|id| state.promotion(*id));
            let never = Refused::NeverLive { version, environment: environment.clone() };
            history.into_iter().find(|earlier| earlier.release == release).ok_or(never)?
        }
    };
    if is_on_its_way(state, &environment, earlier.release) {
        return Ok(Vec::new());
    }
    let version = state.release(earlier.release).map(|release| release.version.clone()).unwrap_or_default();
    let how = PromotionKind::Rollback { to: earlier.id, from: from.id, reason: None };
    let mut draft = Draft::of(state, now);
    draft.push(Event::HoldPlaced {
        at: now,
        environment: environment.clone(),
        by: by.name.clone(),
        reason: format!("rolled back to {version}"),
    });
    draft.propose(earlier.release, &environment, how, Proposer::Person(by.name));
    Ok(draft.settle())
}

/// The way back after a failure, where there is one, and no other is under way.
pub(crate) fn roll_back_by_itself(draft: &mut Draft, failed: &Promotion, reason: &str) {
    // A rollback is never rolled back by itself: it would go to and fro.
    if failed.kind != PromotionKind::Forward {
        return;
    }
    let is_asked_for = draft.state.environment(&failed.environment).is_some_and(|place| {
        let on_the_way = place.waiting.iter().chain(&place.rolling_out);
        on_the_way
            .filter_map(|id| draft.state.promotion(*id))
            .any(|promotion| promotion.kind != PromotionKind::Forward)
    });
    if is_asked_for {
        return;
    }
    let Some(earlier) = target(&draft.state, &failed.environment, failed.id) else { return };
    let (release, to) = (earlier.release, earlier.id);
    let how = PromotionKind::Rollback { to, from: failed.id, reason: Some(reason.to_owned()) };
    draft.propose(release, &failed.environment, how, Proposer::Automation);
}

fn is_on_its_way(state: &State, environment: &EnvironmentName, release: ReleaseId) -> bool {
    state.environment(environment).is_some_and(|place| {
        place
            .waiting
            .iter()
            .chain(&place.rolling_out)
            .filter_map(|id| state.promotion(*id))
            .any(|promotion| promotion.release == release && promotion.kind != PromotionKind::Forward)
    })
}
