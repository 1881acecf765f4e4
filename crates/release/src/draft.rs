use std::sync::Arc;

use sluice_model::{EnvironmentName, PromotionId, ReleaseId, Timestamp};

use crate::gate::{counted, rule_of, waits};
use crate::variables::known_problems;
use crate::{
    Event, Failure, Promotion, PromotionKind, PromotionState, Proposer, Refused, Release, Settings, State,
    Wait, fold,
};

/// A decision in the making: the state as it will be, and the events that lead there.
pub(crate) struct Draft {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    events: Vec<Event>,
}

impl Draft {
    pub(crate) fn of(state: &State, now: Timestamp) -> Self {
        Self { state: state.clone(), now, events: Vec::new() }
    }

    pub(crate) fn push(&mut self, event: Event) {
        fold(&mut self.state, &event);
        self.events.push(event);
    }

    /// Follows everything that the pushed events lead to: gates open, what is ready starts.
    pub(crate) fn settle(mut self) -> Vec<Event> {
        let places: Vec<EnvironmentName> = self.state.environments.keys().cloned().collect();
        for environment in places {
            self.open_gates(&environment);
            self.start_next(&environment);
        }
        self.events
    }

    fn waiting(&self, environment: &EnvironmentName) -> Vec<Promotion> {
        let ids =
            self.state.environment(environment).map(|place| place.waiting.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.state.promotion(*id).cloned()).collect()
    }

    fn open_gates(&mut self, environment: &EnvironmentName) {
        for promotion in self.waiting(environment) {
            if !matches!(promotion.state, PromotionState::Gated { .. }) {
                continue;
            }
            let waits = waits(&self.state, &promotion, self.now);
            if waits.contains(&Wait::Environment) {
                let reason = format!("`{environment}` is no longer in sluice.yaml");
                self.fail(promotion.id, Failure::Check, reason);
                continue;
            }
            if !waits.iter().any(|wait| matches!(wait, Wait::Approval { .. })) {
                self.open_run_gate(&promotion);
            }
            if waits.is_empty() {
                self.push(Event::GateOpened { at: self.now, promotion: promotion.id });
            }
        }
    }

    /// Enough people have said yes: the same gate in the release's run is open too.
    fn open_run_gate(&mut self, promotion: &Promotion) {
        let Some(release) = self.state.release(promotion.release) else { return };
        let (Some(run), author) = (release.run(), release.author.clone()) else { return };
        let key = (run, promotion.environment.clone());
        if self.state.run_gates.get(&key).is_some_and(|gate| gate.is_open || gate.rejected) {
            return;
        }
        let policy = self.state.policy().and_then(|policy| policy.environment(&promotion.environment));
        let by = match policy {
            Some(environment) if environment.approve.is_some() => {
                counted(&rule_of(environment), &promotion.approvals, Some(&author))
            }
            // Where the policy asks nobody, the run's own gate is its own affair.
            _ => return,
        };
        self.push(Event::RunGateOpened { at: self.now, run, environment: promotion.environment.clone(), by });
    }

    /// Starts what is ready, one at a time: a rollback first, then the newest.
    fn start_next(&mut self, environment: &EnvironmentName) {
        while self.state.environment(environment).is_some_and(|place| place.rolling_out.is_none()) {
            let ready = self
                .waiting(environment)
                .into_iter()
                .filter(|promotion| matches!(promotion.state, PromotionState::Ready { .. }))
                .max_by_key(|promotion| (promotion.kind != PromotionKind::Forward, promotion.id));
            let Some(promotion) = ready else { return };
            match self.settings(&promotion) {
                Ok(settings) => self.push(Event::RolloutStarted {
                    at: self.now,
                    promotion: promotion.id,
                    settings: Box::new(settings),
                }),
                Err(reason) => self.fail(promotion.id, Failure::Check, reason),
            }
        }
    }

    /// What the promotion is rolled out with, checked as far as it can be without the secrets.
    fn settings(&self, promotion: &Promotion) -> Result<Settings, String> {
        if let PromotionKind::Rollback { to, .. } = promotion.kind {
            let settings = self.state.promotion(to).and_then(|earlier| earlier.settings.clone());
            return settings.ok_or_else(|| format!("promotion {to} has no settings to go back to"));
        }
        let release =
            self.state.release(promotion.release).ok_or_else(|| "its release is gone".to_owned())?;
        forward_settings(&self.state, release, &promotion.environment)
    }

    pub(crate) fn fail(&mut self, promotion: PromotionId, failure: Failure, reason: String) {
        self.push(Event::PromotionFailed { at: self.now, promotion, failure, reason });
    }

    /// Puts a promotion in the queue. What waited there gives way to it, as its kind asks.
    pub(crate) fn propose(
        &mut self,
        release: ReleaseId,
        environment: &EnvironmentName,
        how: PromotionKind,
        by: Proposer,
    ) -> PromotionId {
        let promotion = PromotionId(self.state.promotions.len() as u64 + 1);
        let waiting = self.waiting(environment);
        self.push(Event::PromotionProposed {
            at: self.now,
            promotion,
            release,
            environment: environment.clone(),
            how: how.clone(),
            by,
        });
        for older in waiting {
            let gives_way = match (&how, &older.kind, &older.state) {
                // A rollback that somebody asked for goes first.
                (PromotionKind::Forward, PromotionKind::Rollback { .. }, _) => false,
                (PromotionKind::Forward, PromotionKind::Forward, _) => true,
                // What went wrong by itself does not take back what people have approved since.
                (PromotionKind::Rollback { reason: Some(_), .. }, _, _) => false,
                // What still waits for people stays: they decide.
                (PromotionKind::Rollback { .. }, PromotionKind::Forward, PromotionState::Gated { .. }) => {
                    false
                }
                (PromotionKind::Rollback { .. }, _, _) => true,
            };
            if gives_way {
                self.push(Event::PromotionSuperseded { at: self.now, promotion: older.id, by: promotion });
            }
        }
        if how == PromotionKind::Forward {
            self.check_early(promotion);
        }
        promotion
    }

    /// A promotion that cannot be rolled out fails before anybody is asked to approve it.
    fn check_early(&mut self, id: PromotionId) {
        let reason = self.state.promotion(id).and_then(|promotion| self.settings(promotion).err());
        if let Some(reason) = reason {
            self.fail(id, Failure::Check, reason);
        }
    }

    /// Proposes without anybody's asking: never what is older than what came before it, never where automation pauses.
    pub(crate) fn propose_by_itself(&mut self, release: ReleaseId, environment: &EnvironmentName) {
        let Some(found) = self.state.release(release) else { return };
        let gate = found.run().and_then(|run| self.state.run_gates.get(&(run, environment.clone())));
        let is_rejected = gate.is_some_and(|gate| gate.rejected);
        let is_known = self.state.policy().is_some_and(|policy| policy.environment(environment).is_some());
        let is_held = self.state.environment(environment).is_some_and(|place| place.hold.is_some());
        let was_there = self.state.promotion_of(release, environment).is_some();
        let is_overtaken = newest(&self.state, environment).is_some_and(|newest| newest.age() >= found.age());
        if is_known && !is_held && !is_rejected && !was_there && !is_overtaken {
            self.propose(release, environment, PromotionKind::Forward, Proposer::Automation);
        }
    }
}

/// What the release would be rolled out with into the environment, by the policy of now.
pub(crate) fn forward_settings(
    state: &State,
    release: &Release,
    environment: &EnvironmentName,
) -> Result<Settings, String> {
    let gone = || format!("`{environment}` is no longer in sluice.yaml");
    let policy = state.policy.as_ref().ok_or_else(gone)?;
    let environment = policy.environment(environment).ok_or_else(gone)?.clone();
    let target = policy.targets.get(&environment.target).copied().ok_or_else(|| {
        format!("the target `{}` of `{}` is not in sluice.yaml", environment.target, environment.name)
    })?;
    check_variables(release, &environment)?;
    Ok(Settings { services: release.services.clone(), environment, target })
}

fn check_variables(release: &Release, environment: &crate::Environment) -> Result<(), String> {
    let problems = known_problems(&release.services, environment);
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The newest release that is or was live in the environment, or is on its way into it.
pub(crate) fn newest<'a>(state: &'a State, environment: &EnvironmentName) -> Option<&'a Release> {
    let place = state.environment(environment)?;
    let counts = |promotion: &&Promotion| {
        promotion.state.is_waiting()
            || promotion.state.is_rolling_out()
            || matches!(promotion.state, PromotionState::Live { .. } | PromotionState::Replaced { .. })
    };
    place
        .promotions
        .iter()
        .filter_map(|id| state.promotion(*id))
        .filter(counts)
        .filter_map(|promotion| state.release(promotion.release))
        .max_by_key(|release| release.age())
}

pub(crate) fn find_promotion(state: &State, id: PromotionId) -> Result<&Promotion, Refused> {
    state.promotion(id).ok_or(Refused::UnknownPromotion(id))
}

pub(crate) fn find_environment<'a>(
    state: &'a State,
    name: &EnvironmentName,
) -> Result<&'a crate::Environment, Refused> {
    let policy = state.policy.as_ref().map(Arc::as_ref).ok_or(Refused::NoPolicy)?;
    policy.environment(name).ok_or_else(|| Refused::UnknownEnvironment {
        environment: name.clone(),
        known: policy.environments.iter().map(|environment| environment.name.clone()).collect(),
    })
}
