use std::sync::Arc;

use sluice_model::{PromotionId, Timestamp};

use crate::{
    EnvironmentState, Event, Failure, Hold, Promotion, PromotionKind, PromotionState, Settings, State,
};

/// Takes one stored event into the state. Total: an event that fits nothing (an older or damaged log) changes nothing
/// but the count.
pub fn fold(state: &mut State, event: &Event) {
    state.sequence += 1;
    match event {
        Event::PolicyChanged { at: _, config } => state.policy = Some(Arc::new((**config).clone())),
        Event::ReleaseRecorded { at: _, release } => state.releases.push(Arc::new((**release).clone())),
        Event::PromotionProposed { at, promotion, release, environment, how, by } => {
            let waiting = match how {
                PromotionKind::Forward => PromotionState::Gated { since: *at },
                PromotionKind::Rollback { .. } => PromotionState::Ready { since: *at },
            };
            // What people said in the run is for its release's first promotion into the environment.
            let approvals = match (how, state.release(*release).and_then(crate::Release::run)) {
                (PromotionKind::Forward, Some(run)) => state
                    .run_gates
                    .get_mut(&(run, environment.clone()))
                    .map(|gate| std::mem::take(&mut gate.approvals))
                    .unwrap_or_default(),
                _ => Vec::new(),
            };
            state.promotions.push(Arc::new(Promotion {
                id: *promotion,
                release: *release,
                environment: environment.clone(),
                kind: how.clone(),
                by: by.clone(),
                proposed: *at,
                approvals,
                state: waiting,
                settings: None,
            }));
            let place = state.environments.entry(environment.clone()).or_default();
            place.promotions.push(*promotion);
            place.waiting.push(*promotion);
        }
        Event::PromotionApproved { at: _, promotion, approval } => {
            if let Some(found) = state.promotion_mut(*promotion) {
                found.approvals.push(approval.clone());
            }
        }
        Event::PromotionRejected { at, promotion, by, reason } => {
            let rejected = PromotionState::Rejected { by: by.clone(), reason: reason.clone(), at: *at };
            state.leave_queue(*promotion, rejected);
        }
        Event::RunApproved { at: _, run, environment, approval } => {
            let gate = state.run_gates.entry((*run, environment.clone())).or_default();
            gate.approvals.push(approval.clone());
        }
        Event::RunGateOpened { at: _, run, environment, by: _ } => {
            state.run_gates.entry((*run, environment.clone())).or_default().is_open = true;
        }
        Event::RunGateRejected { at: _, run, environment, by: _, reason: _ } => {
            state.run_gates.entry((*run, environment.clone())).or_default().rejected = true;
        }
        Event::PromotionSuperseded { at, promotion, by } => {
            state.leave_queue(*promotion, PromotionState::Superseded { by: *by, at: *at });
        }
        Event::GateOpened { at, promotion } => {
            if let Some(found) = state.promotion_mut(*promotion) {
                found.state = PromotionState::Ready { since: *at };
            }
        }
        Event::RolloutStarted { at, promotion, settings } => {
            state.start(*promotion, settings, *at);
        }
        Event::TrafficSwitched { at, promotion } => {
            if let Some(found) = state.promotion_mut(*promotion) {
                found.state = PromotionState::Verifying { since: *at };
            }
        }
        Event::PromotionLive { at, promotion } => state.becomes_live(*promotion, *at),
        Event::PromotionFailed { at, promotion, failure, reason } => {
            let failed = PromotionState::Failed { failure: *failure, reason: reason.clone(), at: *at };
            if let Some(place) = state.leave_queue(*promotion, failed) {
                if place.rolling_out == Some(*promotion) {
                    place.rolling_out = None;
                }
                if *failure == Failure::Verification {
                    place.drift = Some(reason.clone());
                }
            }
        }
        Event::DriftFound { at: _, promotion, reason } => {
            if let Some(place) = state.place_mut(*promotion) {
                place.drift = Some(reason.clone());
            }
        }
        Event::HoldPlaced { at, environment, by, reason } => {
            let hold = Hold { by: by.clone(), reason: reason.clone(), since: *at };
            state.environments.entry(environment.clone()).or_default().hold = Some(hold);
        }
        Event::HoldLifted { at: _, environment, by: _ } => {
            if let Some(place) = state.environments.get_mut(environment) {
                place.hold = None;
            }
        }
    }
}

impl State {
    fn promotion_mut(&mut self, id: PromotionId) -> Option<&mut Promotion> {
        let index = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.promotions.get_mut(index).map(Arc::make_mut)
    }

    fn place_mut(&mut self, promotion: PromotionId) -> Option<&mut EnvironmentState> {
        let environment = self.promotion(promotion)?.environment.clone();
        self.environments.get_mut(&environment)
    }

    /// The promotion waits no more, and stands as `now` says.
    fn leave_queue(&mut self, id: PromotionId, now: PromotionState) -> Option<&mut EnvironmentState> {
        self.promotion_mut(id)?.state = now;
        let place = self.place_mut(id)?;
        place.waiting.retain(|waiting| *waiting != id);
        Some(place)
    }

    fn start(&mut self, id: PromotionId, settings: &Settings, at: Timestamp) {
        if let Some(place) = self.leave_queue(id, PromotionState::Deploying { since: at }) {
            place.rolling_out = Some(id);
        }
        if let Some(promotion) = self.promotion_mut(id) {
            promotion.settings = Some(settings.clone());
        }
    }

    fn becomes_live(&mut self, id: PromotionId, at: Timestamp) {
        let Some(promotion) = self.promotion_mut(id) else { return };
        promotion.state = PromotionState::Live { since: at };
        let left = match promotion.kind {
            PromotionKind::Forward => None,
            PromotionKind::Rollback { from, .. } => Some(from),
        };
        let Some(place) = self.place_mut(id) else { return };
        let before = place.live.replace(id);
        place.rolling_out = place.rolling_out.filter(|rolling| *rolling != id);
        place.history.push(id);
        place.drift = None;
        if let Some(left) = left.and_then(|left| self.promotion_mut(left)) {
            left.state = PromotionState::RolledBack { by: id, at };
        }
        if let Some(before) = before.and_then(|before| self.promotion_mut(before))
            && let PromotionState::Live { since } = before.state
        {
            before.state = PromotionState::Replaced { since, by: id, at };
        }
    }
}
