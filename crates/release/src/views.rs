use sluice_model::{EnvironmentName, PromotionId, ReleaseId, Timestamp};

use crate::rollback::target;
use crate::{Hold, PromotionState, State, Wait, waits};

/// What is where, what waits and on whom: the page of environments, in the policy's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    pub environments: Vec<EnvironmentBoard>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentBoard {
    pub name: EnvironmentName,
    pub live: Option<LiveRelease>,
    /// The promotion that is being rolled out or verified.
    pub rolling_out: Option<PromotionId>,
    /// Oldest first.
    pub waiting: Vec<WaitingPromotion>,
    /// What `sluice rollback` would go back to.
    pub rollback_to: Option<ReleaseId>,
    pub hold: Option<Hold>,
    /// Every promotion, newest first.
    pub history: Vec<PromotionId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRelease {
    pub promotion: PromotionId,
    pub release: ReleaseId,
    pub since: Timestamp,
    /// What is wrong with it; none while it is what it says.
    pub drift: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPromotion {
    pub promotion: PromotionId,
    pub release: ReleaseId,
    pub since: Timestamp,
    pub waits: Vec<Wait>,
}

/// The board as it is at `now`. Environments that the policy no longer names are left out.
pub fn board(state: &State, now: Timestamp) -> Board {
    let names = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    Board { environments: names.iter().map(|environment| row(state, &environment.name, now)).collect() }
}

fn row(state: &State, name: &EnvironmentName, now: Timestamp) -> EnvironmentBoard {
    let place = state.environment(name).cloned().unwrap_or_default();
    let live = place.live.and_then(|id| state.promotion(id)).and_then(|promotion| match promotion.state {
        PromotionState::Live { since } => Some(LiveRelease {
            promotion: promotion.id,
            release: promotion.release,
            since,
            drift: place.drift.clone(),
        }),
        _ => None,
    });
    let waiting = place.waiting.iter().filter_map(|id| state.promotion(*id)).map(|promotion| {
        let since = match promotion.state {
            PromotionState::Gated { since } | PromotionState::Ready { since } => since,
            _ => promotion.proposed,
        };
        WaitingPromotion {
            promotion: promotion.id,
            release: promotion.release,
            since,
            waits: waits(state, promotion, now),
        }
    });
    EnvironmentBoard {
        name: name.clone(),
        waiting: waiting.collect(),
        rolling_out: place.rolling_out,
        rollback_to: place.live.and_then(|live| target(state, name, live)).map(|promotion| promotion.release),
        hold: place.hold,
        history: place.promotions.iter().rev().copied().collect(),
        live,
    }
}

/// The earliest moment at which a `Tick` could change something: the end of a soak or of a freeze.
pub fn next_tick(state: &State, now: Timestamp) -> Option<Timestamp> {
    let waiting = state.promotions().filter(|promotion| promotion.state.is_waiting());
    waiting
        .flat_map(|promotion| waits(state, promotion, now))
        .filter_map(|wait| match wait {
            Wait::Soak { until, .. } | Wait::Freeze { until } => Some(until),
            Wait::Approval { .. } | Wait::Hold { .. } | Wait::Rollout { .. } | Wait::Environment => None,
        })
        .min()
}
