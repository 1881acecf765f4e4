use sluice_model::{Timestamp, UserName};
use sluice_release::{self as release, Approval, Promotion, RunGate, Wait, run_approvals, run_gate, waits};
use sluice_view::{Decision, GateWait, May, Verdict};

use crate::accounts::Actor;

/// A gate of a run, as the policy stands.
pub(crate) fn of_run(
    delivery: &release::State,
    run: sluice_model::RunId,
    author: &UserName,
    name: &str,
    since: Timestamp,
    actor: &Actor,
) -> GateWait {
    match run_gate(delivery, run, name, author) {
        RunGate::Waits { environment, wait: Wait::Approval { by, count, given, not_author } } => {
            let may = may_approve(actor, &by, &given, not_author.then_some(author));
            let said = run_approvals(delivery, run, &environment);
            let decisions = said.iter().filter(|word| given.contains(&word.by)).map(approved).collect();
            GateWait {
                name: environment.to_string(),
                on: by,
                needed: count,
                decisions,
                since,
                also: Vec::new(),
                may,
            }
        }
        _ => GateWait {
            name: name.to_owned(),
            on: Vec::new(),
            needed: 1,
            decisions: Vec::new(),
            since,
            also: Vec::new(),
            may: may_write(actor),
        },
    }
}

/// The gate that a promotion waits at.
pub(crate) fn of_promotion(
    delivery: &release::State,
    promotion: &Promotion,
    since: Timestamp,
    now: Timestamp,
    actor: &Actor,
) -> GateWait {
    let author = delivery.release(promotion.release).map(|release| release.author.clone());
    let mut gate = GateWait {
        name: promotion.environment.to_string(),
        on: Vec::new(),
        needed: 0,
        decisions: promotion.approvals.iter().map(approved).collect(),
        since,
        also: Vec::new(),
        may: May::No("no person has to decide now".to_owned()),
    };
    for wait in waits(delivery, promotion, now) {
        match wait {
            Wait::Approval { by, count, given, not_author } => {
                gate.may = may_approve(actor, &by, &given, author.as_ref().filter(|_| not_author));
                (gate.on, gate.needed) = (by, count);
            }
            other => gate.also.push(other.to_string()),
        }
    }
    gate
}

pub(crate) fn approved(approval: &Approval) -> Decision {
    Decision { who: approval.by.clone(), verdict: Verdict::Approved, at: approval.at, comment: None }
}

/// Shown only: whether the word counts is decided when it is given. `author`: who may not approve their own.
fn may_approve(actor: &Actor, by: &[String], given: &[UserName], author: Option<&UserName>) -> May {
    let is_named = match by {
        [] => actor.can_write(),
        by => by.iter().any(|named| match named.strip_prefix('@') {
            Some(name) => name == actor.name.as_str(),
            None => actor.groups.contains(named),
        }),
    };
    if !is_named {
        return May::No(match by {
            [] => "only who may write may approve".to_owned(),
            by => format!("only {} may approve", by.join(" or ")),
        });
    }
    if author == Some(&actor.name) {
        return May::No("you caused this release, so another person has to approve it".to_owned());
    }
    if given.contains(&actor.name) {
        return May::No("you have approved already".to_owned());
    }
    May::Yes
}

pub(crate) fn may_write(actor: &Actor) -> May {
    if actor.can_write() { May::Yes } else { May::No("you may only read here".to_owned()) }
}
