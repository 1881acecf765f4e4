use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, PromotionId, RunId, UserName};

use crate::{Event, State, fold};

/// What the world has to do about an event. Performed at least once, with the event's number as the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Start what [`crate::rollout`] says, switch, and answer `RolloutSucceeded` or `RolloutFailed`.
    StartRollout { promotion: PromotionId },
    /// Watch health and version for the environment's `verify_for`; answer `VerificationSucceeded` or `VerificationFailed`.
    StartVerification { promotion: PromotionId },
    /// The promotion is live: drain and keep old instances, and look for drift from now on (`DriftDetected`).
    KeepWatch { promotion: PromotionId, environment: EnvironmentName },
    /// The promotion failed at its rollout: remove what it started.
    CleanUp { promotion: PromotionId, environment: EnvironmentName },
    /// Open the gate of this environment in the run, if one waits there.
    OpenRunGate { run: RunId, environment: EnvironmentName, by: Vec<UserName> },
    /// Reject the gate of this environment in the run, if one waits there.
    RejectRunGate { run: RunId, environment: EnvironmentName, by: UserName, reason: Option<String> },
}

/// What follows from `event`, which `state` has folded as its last. Never asked on replay.
pub fn effects(state: &State, event: &Event) -> Vec<Effect> {
    let environment =
        |promotion: &PromotionId| state.promotion(*promotion).map(|promotion| promotion.environment.clone());
    match event {
        Event::RolloutStarted { promotion, .. } => vec![Effect::StartRollout { promotion: *promotion }],
        Event::TrafficSwitched { promotion, .. } => vec![Effect::StartVerification { promotion: *promotion }],
        Event::PromotionLive { promotion, .. } => environment(promotion)
            .map(|environment| Effect::KeepWatch { promotion: *promotion, environment })
            .into_iter()
            .collect(),
        Event::PromotionFailed { promotion, failure: crate::Failure::Rollout, .. } => environment(promotion)
            .map(|environment| Effect::CleanUp { promotion: *promotion, environment })
            .into_iter()
            .collect(),
        Event::RunGateOpened { run, environment, by, .. } => {
            vec![Effect::OpenRunGate { run: *run, environment: environment.clone(), by: by.clone() }]
        }
        Event::RunGateRejected { run, environment, by, reason, .. } => vec![Effect::RejectRunGate {
            run: *run,
            environment: environment.clone(),
            by: by.clone(),
            reason: reason.clone(),
        }],
        Event::PolicyChanged { .. }
        | Event::ReleaseRecorded { .. }
        | Event::PromotionProposed { .. }
        | Event::PromotionApproved { .. }
        | Event::PromotionRejected { .. }
        | Event::RunApproved { .. }
        | Event::PromotionSuperseded { .. }
        | Event::GateOpened { .. }
        | Event::PromotionFailed { .. }
        | Event::DriftFound { .. }
        | Event::HoldPlaced { .. }
        | Event::HoldLifted { .. } => Vec::new(),
    }
}

/// Folds a new event and gives its effects: the order that [`effects`] asks for.
pub fn apply(state: &mut State, event: &Event) -> Vec<Effect> {
    fold(state, event);
    effects(state, event)
}
