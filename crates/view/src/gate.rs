use maud::{Markup, html};
use sluice_model::{Timestamp, UserName};

use crate::status::Status;
use crate::time::{so_far, when};
use crate::{Frame, May};

/// A gate that holds something up: on whom it waits, since when, and what the viewer may do.
#[derive(Debug, Clone)]
pub struct GateWait {
    /// The environment's name, or the approval job's: it stands in the button, `Approve for production`.
    pub name: String,
    /// The groups and people that may open it, as `sluice.yaml` names them. Empty: anyone who may write.
    pub on: Vec<String>,
    /// How many approvals it takes.
    pub needed: u32,
    /// Who has decided so far, in order.
    pub decisions: Vec<Decision>,
    pub since: Timestamp,
    /// What else has to happen, each a clause: `frozen until Mon 08:00 Europe/London`, `soaks in uat for 12 more minutes`.
    pub also: Vec<String>,
    /// Whether the viewer may approve or reject now.
    pub may: May,
}

/// One person's word at a gate.
#[derive(Debug, Clone)]
pub struct Decision {
    pub who: UserName,
    pub verdict: Verdict,
    pub at: Timestamp,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Rejected,
}

impl GateWait {
    fn approvals(&self) -> u64 {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Approved).count() as u64
    }

    /// `waits for release-managers, 1 of 2, 14 min`
    pub(crate) fn line(&self, now: Timestamp) -> Markup {
        html! {
            span.waits {
                (Status::Waiting.icon())
                span { b { (self.name) } " waits for " (self.whom())
                @if self.needed > 1 { ", " (self.approvals()) " of " (self.needed) }
                ", " (so_far(now, self.since)) }
            }
        }
    }

    fn whom(&self) -> String {
        match self.on.as_slice() {
            [] => "anyone who may write".to_owned(),
            [one] => one.clone(),
            [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
        }
    }

    /// Who must act, since when, and the buttons or the reason why there are none. `action` takes the decision;
    /// `back` is sent along, to return to the page that the button stands on.
    pub(crate) fn panel(&self, frame: &Frame, action: &str, back: Option<&str>) -> Markup {
        html! {
            div.gate {
                p { (self.line(frame.now)) }
                (decisions(&self.decisions, frame.now))
                @for clause in &self.also { p.also { (Status::Queued.icon()) (clause) } }
                @match &self.may {
                    May::Yes => (self.buttons(frame, action, back)),
                    May::No(reason) => p.why-not { "No button for you here: " (reason) "." },
                }
            }
        }
    }

    fn buttons(&self, frame: &Frame, action: &str, back: Option<&str>) -> Markup {
        let fields: Vec<(&str, &str)> =
            [("decision", "approve")].into_iter().chain(back.map(|back| ("back", back))).collect();
        html! {
            div.decide {
                (frame.button(action, &fields, "primary", &format!("Approve for {}", self.name)))
                details.reject {
                    summary.button { "Reject or comment" }
                    // A form of its own, with the rejection first: who writes why not and presses enter must not have approved.
                    form method="post" action=(action) {
                        (frame.token())
                        @if let Some(back) = back { input type="hidden" name="back" value=(back); }
                        label { "Comment" input type="text" name="comment" maxlength="500" autocomplete="off"; }
                        div.act {
                            button.danger type="submit" name="decision" value="reject" { "Reject for " (self.name) }
                            button type="submit" name="decision" value="approve" { "Approve with this comment" }
                        }
                    }
                }
            }
        }
    }
}

/// Who has decided what, and when.
pub(crate) fn decisions(decisions: &[Decision], now: Timestamp) -> Markup {
    html! {
        @if !decisions.is_empty() {
            ul.decisions {
                @for decision in decisions {
                    li {
                        @match decision.verdict {
                            Verdict::Approved => { (Status::Passed.icon()) b { (decision.who) } " approved " },
                            Verdict::Rejected => { (Status::Failed.icon()) b { (decision.who) } " rejected " },
                        }
                        (when(now, decision.at))
                        @if let Some(comment) = &decision.comment { q { (comment) } }
                    }
                }
            }
        }
    }
}
