use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_model::{EnvironmentName, PromotionId, Timestamp, UserName};

use crate::freeze::frozen_until;
use crate::{
    Approval, ApprovalRule, Approver, Environment, Promotion, PromotionKind, PromotionState, Proposer,
    Refused, State,
};

/// What a promotion waits for, and on whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wait {
    /// People: `given` of `count`. `by` empty: anyone who may write.
    Approval {
        by: Vec<String>,
        count: u32,
        given: Vec<UserName>,
        not_author: bool,
    },
    /// The release has not been live in `environment` for long enough.
    Soak {
        environment: EnvironmentName,
        until: Timestamp,
    },
    Freeze {
        until: Timestamp,
    },
    /// Automation pauses here until somebody resumes it, or promotes by hand.
    Hold {
        by: UserName,
        reason: String,
    },
    /// Its gate is open; another rollout has the environment.
    Rollout {
        promotion: PromotionId,
    },
    /// The policy does not name the environment any more.
    Environment,
}

/// For a page: `waits for release-managers, 1 of 2`.
impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approval { by, count, given, not_author: _ } => {
                write!(f, "waits for {}, {} of {count}", who(by), given.len())
            }
            Self::Soak { environment, .. } => write!(f, "soaks in {environment}"),
            Self::Freeze { .. } => f.write_str("waits for the freeze to end"),
            Self::Hold { by, reason } => write!(f, "automation is on hold by {by}: {reason}"),
            Self::Rollout { promotion } => write!(f, "waits for promotion {promotion} to end"),
            Self::Environment => f.write_str("its environment is no longer in sluice.yaml"),
        }
    }
}

/// Everything that a promotion waits for now. Empty: nothing.
pub fn waits(state: &State, promotion: &Promotion, now: Timestamp) -> Vec<Wait> {
    match promotion.state {
        PromotionState::Gated { .. } => gate_waits(state, promotion, now),
        PromotionState::Ready { .. } => {
            let place = state.environment(&promotion.environment);
            place
                .and_then(|place| place.rolling_out)
                .map(|promotion| Wait::Rollout { promotion })
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

fn gate_waits(state: &State, promotion: &Promotion, now: Timestamp) -> Vec<Wait> {
    // A rollback has no gate.
    if promotion.kind != PromotionKind::Forward {
        return Vec::new();
    }
    let Some(environment) = state.policy().and_then(|policy| policy.environment(&promotion.environment))
    else {
        return vec![Wait::Environment];
    };
    let mut waits = Vec::new();
    if let Some(rule) = &environment.approve {
        let author = state.release(promotion.release).map(|release| &release.author);
        waits.extend(approval_wait(rule, &promotion.approvals, author));
    }
    waits.extend(soak_wait(state, environment, promotion, now));
    waits.extend(frozen_until(&environment.freeze, now).map(|until| Wait::Freeze { until }));
    let hold = state.environment(&promotion.environment).and_then(|place| place.hold.as_ref());
    if let (Some(hold), Proposer::Automation | Proposer::Run(_)) = (hold, &promotion.by) {
        waits.push(Wait::Hold { by: hold.by.clone(), reason: hold.reason.clone() });
    }
    waits
}

/// None: enough people have approved.
pub(crate) fn approval_wait(
    rule: &ApprovalRule,
    approvals: &[Approval],
    author: Option<&UserName>,
) -> Option<Wait> {
    let given = counted(rule, approvals, author);
    (given.len() < rule.count.max(1) as usize).then(|| Wait::Approval {
        by: rule.by.clone(),
        count: rule.count.max(1),
        given,
        not_author: rule.not_author,
    })
}

/// The people whose approval counts by the rule of today, each once.
pub(crate) fn counted(
    rule: &ApprovalRule,
    approvals: &[Approval],
    author: Option<&UserName>,
) -> Vec<UserName> {
    let mut people: Vec<UserName> = Vec::new();
    for Approval { by, groups, can_write, at: _ } in approvals {
        let is_excluded_author = rule.not_author && author == Some(by);
        if is_named(rule, by, groups, *can_write) && !is_excluded_author && !people.contains(by) {
            people.push(by.clone());
        }
    }
    people
}

/// Whether the rule names the person, by a group or as `@name`.
fn is_named(rule: &ApprovalRule, person: &UserName, groups: &[String], can_write: bool) -> bool {
    if rule.by.is_empty() {
        return can_write;
    }
    rule.by.iter().any(|named| match named.strip_prefix('@') {
        Some(name) => name == person.as_str(),
        None => groups.contains(named),
    })
}

/// Refuses a person who may not approve, with the words for who may.
pub(crate) fn may_approve(
    rule: &ApprovalRule,
    environment: &EnvironmentName,
    person: &Approver,
    author: Option<&UserName>,
) -> Result<(), Refused> {
    may_reject(rule, environment, person)?;
    if rule.not_author && author == Some(&person.name) {
        return Err(Refused::Author { by: person.name.clone(), environment: environment.clone() });
    }
    Ok(())
}

/// As [`may_approve`], but the author too may take their release back.
pub(crate) fn may_reject(
    rule: &ApprovalRule,
    environment: &EnvironmentName,
    person: &Approver,
) -> Result<(), Refused> {
    if is_named(rule, &person.name, &person.groups, person.can_write) {
        return Ok(());
    }
    Err(Refused::NotAllowed { by: person.name.clone(), environment: environment.clone(), who: who(&rule.by) })
}

/// Refuses who may not write to the repository.
pub(crate) fn may_write(environment: &EnvironmentName, person: &Approver) -> Result<(), Refused> {
    if person.can_write {
        return Ok(());
    }
    Err(Refused::NotAllowed { by: person.name.clone(), environment: environment.clone(), who: who(&[]) })
}

/// `release-managers or @ada`; who may write where nobody is named.
fn who(by: &[String]) -> String {
    if by.is_empty() { "anyone who may write to the repository".to_owned() } else { by.join(" or ") }
}

/// The rule for a gate that the policy says nothing of: one person who may write.
pub(crate) fn rule_of(environment: &Environment) -> ApprovalRule {
    environment.approve.clone().unwrap_or(ApprovalRule { by: Vec::new(), count: 1, not_author: false })
}

fn soak_wait(
    state: &State,
    environment: &Environment,
    promotion: &Promotion,
    now: Timestamp,
) -> Option<Wait> {
    if environment.soak_ms <= 0 {
        return None;
    }
    let before = state.policy()?.previous_environment(&environment.name)?;
    let since = state
        .environment(&before.name)?
        .history
        .iter()
        .filter_map(|id| state.promotion(*id))
        .filter(|earlier| earlier.release == promotion.release)
        .filter_map(|earlier| match earlier.state {
            PromotionState::Live { since } | PromotionState::Replaced { since, .. } => Some(since),
            _ => None,
        })
        .min()?;
    let until = since.plus_ms(environment.soak_ms);
    (until > now).then(|| Wait::Soak { environment: before.name.clone(), until })
}
