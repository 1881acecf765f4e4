use std::collections::BTreeMap;

use sluice_model::{EnvironmentName, PromotionId, ServiceName, Timestamp};
use sluice_release::{
    Promotion, PromotionKind, PromotionState, Proposer, Release, State, Wait, board, waits,
};
use sluice_wire::{
    EnvironmentStatus, ImageSummary, LiveRelease, PromotionStage, PromotionSummary, ReleaseSummary,
};

/// A release and where it is. `run`: the number of the run that made it.
pub(crate) fn release(state: &State, release: &Release, run: Option<u64>) -> ReleaseSummary {
    let image = |service: &ServiceName| {
        release.services.iter().find(|known| known.name == *service).map(|known| known.image.clone())
    };
    let images = release.images.iter().map(|(service, digest)| {
        let image = image(service).unwrap_or_default();
        (service.clone(), ImageSummary { image, digest: digest.clone() })
    });
    let environments = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    let live_in = environments
        .iter()
        .map(|environment| &environment.name)
        .filter(|name| state.live(name).is_some_and(|(_, live)| live.id == release.id));
    ReleaseSummary {
        id: release.id,
        version: release.version.clone(),
        commit: release.commit.clone(),
        description: release.subject.clone(),
        run,
        created: release.created,
        images: images.collect(),
        live_in: live_in.cloned().collect(),
    }
}

/// `addresses`: where each service of what is live answers.
pub(crate) fn environment(
    state: &State,
    name: &EnvironmentName,
    addresses: BTreeMap<ServiceName, String>,
    now: Timestamp,
) -> EnvironmentStatus {
    let row = board(state, now).environments.into_iter().find(|row| row.name == *name);
    let live = state.live(name).map(|(promotion, release)| LiveRelease {
        version: release.version.clone(),
        commit: release.commit.clone(),
        since: since(promotion),
        addresses,
    });
    let place = state.environment(name);
    let of = |id: &PromotionId| self::promotion(state, *id, now);
    let all: Vec<PromotionSummary> =
        place.map(|place| place.promotions.iter().filter_map(of).collect()).unwrap_or_default();
    let rollback_to = row.and_then(|row| row.rollback_to).and_then(|id| state.release(id));
    EnvironmentStatus {
        name: name.clone(),
        live,
        last: all.iter().rev().find(|promotion| promotion.stage.is_ended()).cloned(),
        promotions: all.into_iter().filter(|promotion| !promotion.stage.is_ended()).collect(),
        rollback_to: rollback_to.map(|release| release.version.clone()).into_iter().collect(),
    }
}

pub(crate) fn promotion(state: &State, id: PromotionId, now: Timestamp) -> Option<PromotionSummary> {
    let promotion = state.promotion(id)?;
    let release = state.release(promotion.release)?;
    let proposed_by = match &promotion.by {
        Proposer::Person(name) => name.clone(),
        Proposer::Automation | Proposer::Run(_) => release.author.clone(),
    };
    Some(PromotionSummary {
        id,
        environment: promotion.environment.clone(),
        version: release.version.clone(),
        stage: stage(&promotion.state),
        proposed_by,
        since: since(promotion),
        waits_for: waits(state, promotion, now).iter().map(clause).collect(),
        approved_by: promotion.approvals.iter().map(|approval| approval.by.clone()).collect(),
        problem: problem(state, promotion),
    })
}

/// What stands behind `waits for`.
fn clause(wait: &Wait) -> String {
    let text = wait.to_string();
    text.strip_prefix("waits for ").unwrap_or(&text).to_owned()
}

fn stage(state: &PromotionState) -> PromotionStage {
    match state {
        PromotionState::Gated { .. } | PromotionState::Ready { .. } => PromotionStage::Gated,
        PromotionState::Deploying { .. } => PromotionStage::Deploying,
        PromotionState::Verifying { .. } => PromotionStage::Verifying,
        // What was replaced had been live: whoever waited for it has what they wanted.
        PromotionState::Live { .. } | PromotionState::Replaced { .. } => PromotionStage::Live,
        PromotionState::Superseded { .. } => PromotionStage::Superseded,
        PromotionState::Rejected { .. } => PromotionStage::Rejected,
        PromotionState::Failed { .. } => PromotionStage::Failed,
        PromotionState::RolledBack { .. } => PromotionStage::RolledBack,
    }
}

/// When it came into its state.
pub(crate) fn since(promotion: &Promotion) -> Timestamp {
    match &promotion.state {
        PromotionState::Gated { since }
        | PromotionState::Ready { since }
        | PromotionState::Deploying { since }
        | PromotionState::Verifying { since }
        | PromotionState::Live { since } => *since,
        PromotionState::Replaced { at, .. }
        | PromotionState::Superseded { at, .. }
        | PromotionState::Rejected { at, .. }
        | PromotionState::Failed { at, .. }
        | PromotionState::RolledBack { at, .. } => *at,
    }
}

/// Why it did not become, or stay, live.
pub(crate) fn problem(state: &State, promotion: &Promotion) -> Option<String> {
    match &promotion.state {
        PromotionState::Rejected { by, reason: None, .. } => Some(format!("{by} rejected it")),
        PromotionState::Rejected { by, reason: Some(reason), .. } => {
            Some(format!("{by} rejected it: {reason}"))
        }
        PromotionState::Failed { reason, .. } => Some(reason.clone()),
        PromotionState::Superseded { by, .. } => {
            let newer = state.promotion(*by).and_then(|newer| state.release(newer.release));
            Some(format!("{} took its place", newer.map_or("a newer release", |release| &release.version)))
        }
        PromotionState::RolledBack { by, .. } => {
            let back = state.promotion(*by)?;
            let reason = match &back.kind {
                PromotionKind::Rollback { reason, .. } => reason.clone(),
                PromotionKind::Forward => None,
            };
            let version =
                state.release(back.release).map_or("an earlier release", |release| &release.version);
            Some(match reason {
                Some(reason) => format!("rolled back to {version}: {reason}"),
                None => format!("rolled back to {version}"),
            })
        }
        _ => None,
    }
}
