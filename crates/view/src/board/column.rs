use maud::{Markup, html};
use sluice_model::{EnvironmentName, RepositoryName};

use super::{Column, Failed, Live, Next, Promotion, PromotionStage, Replicas, Rollback};
use crate::parts::commit;
use crate::time::{so_far, when};
use crate::{Frame, May, Status, paths};

impl Column {
    /// What is live, then what wants in, then the way back: always in this order, so that the eye knows where to look.
    pub(super) fn render(&self, repository: &RepositoryName, frame: &Frame) -> Markup {
        let key = format!("env-{}", paths::segment(self.environment.as_str()));
        html! {
            article.column id=(key) aria-labelledby={ (key) "-name" } data-row {
                header {
                    h2 id={ (key) "-name" } { (self.environment) }
                    @if let Some(url) = &self.url && let Some(address) = web_address(url) {
                        a.url href=(url) rel="noreferrer" { (address) }
                    }
                    p.dim { (self.target) " · " @match &self.policy { Some(policy) => { "opened by " (policy) }, None => "opens by itself" } }
                }
                @match &self.live {
                    Some(live) => (live.render(repository, frame)),
                    None => div.card.nothing { p { "Nothing delivered yet." } },
                }
                @for promotion in &self.arriving { (promotion.render(repository, frame)) }
                @if let Some(failed) = &self.failed { (failed.render(repository, frame)) }
                @if let Some(next) = &self.next { (next.render(repository, &self.environment, frame)) }
                @if let Some(rollback) = &self.rollback { (rollback.render(repository, &self.environment, frame)) }
            }
        }
    }
}

/// A web address without its scheme; none for any other scheme, which is not linked.
fn web_address(url: &str) -> Option<&str> {
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))
}

fn version(repository: &RepositoryName, version: &str) -> Markup {
    html! { a.version href=(paths::release(repository, version)) { bdi { (version) } } }
}

impl Live {
    fn status(&self) -> (Status, &'static str) {
        let is_healthy = self.replicas.iter().all(|replicas| replicas.healthy >= replicas.wanted);
        match (is_healthy, self.drift.is_empty()) {
            (false, _) => (Status::Failed, "unhealthy"),
            (true, false) => (Status::Failed, "drifted"),
            (true, true) => (Status::Passed, "healthy"),
        }
    }

    fn render(&self, repository: &RepositoryName, frame: &Frame) -> Markup {
        let (status, word) = self.status();
        html! {
            div.card.live {
                p.label { "Live" span class={ "badge is-" (status.word()) } { (status.icon()) (word) } }
                p.release { (version(repository, &self.version)) " " (commit(&self.sha)) }
                p.subject { (self.subject) }
                p.dim {
                    "by " (self.author) ", live since " (when(frame.now, self.since))
                    @if let Some(from) = &self.rolled_back_from { ", rolled back from " (from) }
                }
                @if !self.replicas.is_empty() { ul.replicas { @for replicas in &self.replicas { (replicas.render()) } } }
                @for drift in &self.drift { p.drift { (Status::Failed.icon()) (drift) } }
            }
        }
    }
}

impl Replicas {
    fn render(&self) -> Markup {
        let status = if self.healthy >= self.wanted { Status::Passed } else { Status::Failed };
        html! { li { (status.sign()) span { (self.service) } span.dim { (self.healthy) " of " (self.wanted) " healthy" } } }
    }
}

impl Promotion {
    fn render(&self, repository: &RepositoryName, frame: &Frame) -> Markup {
        let action = paths::promotion_gate(repository, self.id);
        let (status, word) = match &self.stage {
            PromotionStage::Gated(_) => (Status::Waiting, "waiting"),
            PromotionStage::Queued => (Status::Queued, "queued"),
            PromotionStage::Deploying => (Status::Running, "deploying"),
            PromotionStage::Verifying => (Status::Running, "verifying"),
            PromotionStage::RollingBack => (Status::Running, "rolling back"),
        };
        html! {
            div.card.arriving {
                p.label { "Arriving" span class={ "badge is-" (status.word()) } { (status.icon()) (word) } }
                p.release { (version(repository, &self.version)) " " (commit(&self.sha)) }
                p.subject { (self.subject) }
                p.dim { "by " (self.author) ", for " (so_far(frame.now, self.since)) }
                @if let Some(progress) = &self.progress { p.progress { (progress) } }
                @if let Some(change) = &self.change { (change.render()) }
                @if let PromotionStage::Gated(gate) = &self.stage { (gate.panel(frame, &action, Some("board"))) }
            }
        }
    }
}

impl Failed {
    fn render(&self, repository: &RepositoryName, frame: &Frame) -> Markup {
        let word = if self.status == Status::Failed { "failed" } else { "rejected" };
        html! {
            div.card.failed {
                p.label { "Did not arrive" span class={ "badge is-" (self.status.word()) } { (self.status.icon()) (word) } }
                p.release { (version(repository, &self.version)) " " span.dim { (when(frame.now, self.at)) } }
                p.reason { (self.reason) }
                @if self.taken_back { p.dim { "It was taken back; what is live stayed live." } }
            }
        }
    }
}

impl Next {
    fn render(&self, repository: &RepositoryName, environment: &EnvironmentName, frame: &Frame) -> Markup {
        let action = paths::promote(repository, environment);
        let label = format!("Promote {} to {environment}", self.version);
        html! {
            div.card.next {
                p.label { "Next" }
                p.release { (version(repository, &self.version)) }
                p.subject { (self.subject) }
                @if let Some(change) = &self.change { (change.render()) }
                (self.may.or_why(frame.button(&action, &[("version", &self.version)], "", &label)))
            }
        }
    }
}

impl Rollback {
    /// Two presses, the target in sight at both: a thumb that slips must not take production back.
    fn render(&self, repository: &RepositoryName, environment: &EnvironmentName, frame: &Frame) -> Markup {
        let action = paths::roll_back(repository, environment);
        html! {
            div.way-back {
                @match &self.may {
                    May::Yes => details {
                        summary.button { "Roll back to " (self.version) }
                        p { "Brings back " b { (self.version) } ", “" (self.subject) "”, " @if self.is_warm { "from instances that were kept. " } @else { "with its images and configuration. " } "No approval is needed." }
                        (frame.button(&action, &[("version", &self.version)], "danger", &format!("Roll {environment} back now")))
                    },
                    May::No(reason) => p.dim { "Way back: " (version(repository, &self.version)) " (" (reason) ")" },
                }
            }
        }
    }
}
