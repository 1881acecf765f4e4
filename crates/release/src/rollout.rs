use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{CommitSha, Digest, EnvironmentName, PromotionId, ServiceName};

use crate::{Service, Settings, State};

/// All that a target needs to roll a promotion out, but the secrets: see [`crate::resolve_variables`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    pub promotion: PromotionId,
    pub environment: EnvironmentName,
    pub version: String,
    pub commit: CommitSha,
    pub images: BTreeMap<ServiceName, Digest>,
    pub settings: Settings,
    /// The promotion that has the traffic until the switch.
    pub replaces: Option<PromotionId>,
    /// For a rollback: whose instances may have been kept.
    pub returns_to: Option<PromotionId>,
}

/// None before the promotion's rollout has started.
pub fn rollout(state: &State, promotion: PromotionId) -> Option<Rollout> {
    let promotion = state.promotion(promotion)?;
    let release = state.release(promotion.release)?;
    Some(Rollout {
        promotion: promotion.id,
        environment: promotion.environment.clone(),
        version: release.version.clone(),
        commit: release.commit.clone(),
        images: release.images.clone(),
        settings: promotion.settings.clone()?,
        replaces: state.environment(&promotion.environment)?.live,
        returns_to: match promotion.kind {
            crate::PromotionKind::Forward => None,
            crate::PromotionKind::Rollback { to, .. } => Some(to),
        },
    })
}

/// The services in the order in which they start: each after all that it depends on.
pub(crate) fn start_order(services: &[Service]) -> Result<Vec<ServiceName>, Vec<ServiceName>> {
    let mut left: Vec<&Service> = services.iter().collect();
    let mut order: Vec<ServiceName> = Vec::new();
    while !left.is_empty() {
        let is_ready = |service: &Service| {
            service.depends_on.iter().all(|needed| {
                order.contains(needed) || !services.iter().any(|service| service.name == *needed)
            })
        };
        let (ready, rest): (Vec<&Service>, Vec<&Service>) =
            left.iter().partition(|service| is_ready(service));
        if ready.is_empty() {
            return Err(rest.into_iter().map(|service| service.name.clone()).collect());
        }
        order.extend(ready.into_iter().map(|service| service.name.clone()));
        left = rest;
    }
    Ok(order)
}

impl Settings {
    /// The services in the order in which they start: each after all that it depends on.
    pub fn start_order(&self) -> Vec<&Service> {
        let order = start_order(&self.services)
            .unwrap_or_else(|_| self.services.iter().map(|service| service.name.clone()).collect());
        order.iter().filter_map(|name| self.services.iter().find(|service| service.name == *name)).collect()
    }
}
