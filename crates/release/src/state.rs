use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_model::{EnvironmentName, PromotionId, ReleaseId, RunId, Timestamp, UserName};

use crate::{Approval, Config, Promotion, Release};

/// The fold of one repository's log of releases.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub(crate) sequence: u64,
    pub(crate) policy: Option<Arc<Config>>,
    /// `ReleaseId(n)` is at `n - 1`.
    pub(crate) releases: Vec<Arc<Release>>,
    /// `PromotionId(n)` is at `n - 1`.
    pub(crate) promotions: Vec<Arc<Promotion>>,
    pub(crate) environments: BTreeMap<EnvironmentName, EnvironmentState>,
    /// Given in a run, for a promotion that is not there yet.
    pub(crate) run_gates: BTreeMap<(RunId, EnvironmentName), RunGateState>,
}

/// What is where.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnvironmentState {
    /// The promotion that was verified and has the traffic.
    pub live: Option<PromotionId>,
    /// The one promotion that is being rolled out or verified.
    pub rolling_out: Option<PromotionId>,
    /// Promotions that wait, oldest first.
    pub waiting: Vec<PromotionId>,
    /// Every promotion that became live, oldest first.
    pub history: Vec<PromotionId>,
    /// Every promotion, oldest first.
    pub promotions: Vec<PromotionId>,
    pub hold: Option<Hold>,
    /// What is wrong with the live release, since its last check that said so.
    pub drift: Option<String>,
}

/// Why automation pauses in an environment: nothing is proposed, and no gate opens without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub by: UserName,
    pub reason: String,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RunGateState {
    pub(crate) approvals: Vec<Approval>,
    pub(crate) is_open: bool,
    pub(crate) rejected: bool,
}

impl State {
    /// How many events were folded: the number of the last one in the repository's log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    /// `sluice.yaml` of the default branch.
    pub fn policy(&self) -> Option<&Config> {
        self.policy.as_deref()
    }
    pub fn release(&self, id: ReleaseId) -> Option<&Release> {
        self.releases.get(usize::try_from(id.0.checked_sub(1)?).ok()?).map(Arc::as_ref)
    }
    /// Oldest first.
    pub fn releases(&self) -> impl DoubleEndedIterator<Item = &Release> {
        self.releases.iter().map(Arc::as_ref)
    }
    pub fn release_by_version(&self, version: &str) -> Option<&Release> {
        self.releases().find(|release| release.version == version)
    }
    /// What the run made; none where it made nothing yet.
    pub fn release_of_run(&self, run: RunId) -> Option<&Release> {
        self.releases().rev().find(|release| release.run() == Some(run))
    }
    pub fn promotion(&self, id: PromotionId) -> Option<&Promotion> {
        self.promotions.get(usize::try_from(id.0.checked_sub(1)?).ok()?).map(Arc::as_ref)
    }
    /// Oldest first.
    pub fn promotions(&self) -> impl DoubleEndedIterator<Item = &Promotion> {
        self.promotions.iter().map(Arc::as_ref)
    }
    /// The newest promotion of a release into an environment: the one that `sluice deploy` waits for.
    pub fn promotion_of(&self, release: ReleaseId, environment: &EnvironmentName) -> Option<&Promotion> {
        let place = self.environments.get(environment)?;
        let newest_first = place.promotions.iter().rev().filter_map(|id| self.promotion(*id));
        newest_first.into_iter().find(|promotion| promotion.release == release)
    }
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentState> {
        self.environments.get(name)
    }
    /// What is live, and its release.
    pub fn live(&self, name: &EnvironmentName) -> Option<(&Promotion, &Release)> {
        let promotion = self.promotion(self.environments.get(name)?.live?)?;
        Some((promotion, self.release(promotion.release)?))
    }
}
