use std::collections::BTreeMap;

use sluice_model::{EnvironmentName, RepositoryName, ServiceName, Timestamp};
use sluice_release::{
    self as release, ApprovalRule, Environment, EnvironmentBoard, PromotionKind, PromotionState, Target,
};
use sluice_view::{
    BoardPage, Change, ChangedCommit, ChangedImage, Column, Failed, Live, Next, Promotion, PromotionStage,
    Replicas, Rollback, Status,
};

use super::gate;
use crate::accounts::Actor;
use crate::app::App;
use crate::clock::now;
use crate::policy;
use crate::present::{problem, since};
use crate::refusal::Refusal;

/// How many commits of a change are listed.
const COMMITS: usize = 20;

pub(crate) async fn board(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
) -> Result<BoardPage, Refusal> {
    app.must_exist(repository).await?;
    let state = app.deliveries.state(repository).await?;
    let drawer = Drawer { app, actor, repository, state: &state, now: now() };
    let rows = release::board(&state, drawer.now);
    let mut columns = Vec::new();
    for row in rows.environments {
        if let Some(environment) = state.policy().and_then(|policy| policy.environment(&row.name)) {
            columns.push(drawer.column(environment, &row).await?);
        }
    }
    Ok(BoardPage { repository: repository.clone(), columns, problems: problems(app, repository).await? })
}

/// What is wrong with the default branch's `sluice.yaml` now: the policy of before stays in force then.
async fn problems(app: &App, repository: &RepositoryName) -> Result<Vec<String>, Refusal> {
    let Some(branch) = app.forge.default_branch(repository).await? else { return Ok(Vec::new()) };
    Ok(match policy::read(app, repository, &branch.sha).await? {
        Some(Err(problems)) => problems,
        Some(Ok(_)) | None => Vec::new(),
    })
}

struct Drawer<'a> {
    app: &'a App,
    actor: &'a Actor,
    repository: &'a RepositoryName,
    state: &'a release::State,
    now: Timestamp,
}

impl Drawer<'_> {
    async fn column(&self, environment: &Environment, row: &EnvironmentBoard) -> Result<Column, Refusal> {
        let addresses = self.app.rollouts.addresses(self.repository, &row.name).await;
        let mut arriving = Vec::new();
        for id in row.rolling_out.iter().chain(row.waiting.iter().map(|waiting| &waiting.promotion)) {
            if let Some(promotion) = self.state.promotion(*id) {
                arriving.extend(self.arriving(promotion).await?);
            }
        }
        Ok(Column {
            environment: row.name.clone(),
            target: target(self.state, environment),
            policy: environment.approve.as_ref().map(words),
            url: entrance(self.state, &row.name, &addresses),
            live: self.live(row),
            failed: if arriving.is_empty() { self.failed(row) } else { None },
            next: if arriving.is_empty() { self.next(&row.name).await? } else { None },
            rollback: self.rollback(row),
            arriving,
        })
    }

    fn live(&self, row: &EnvironmentBoard) -> Option<Live> {
        let live = row.live.as_ref()?;
        let release = self.state.release(live.release)?;
        let promotion = self.state.promotion(live.promotion)?;
        let wanted = promotion.settings.as_ref().map_or(1, |settings| settings.environment.replicas);
        let healthy = if live.drift.is_some() { 0 } else { wanted };
        let replicas =
            release.images.keys().map(|service| Replicas { service: service.clone(), healthy, wanted });
        let rolled_back_from = match promotion.kind {
            PromotionKind::Forward => None,
            PromotionKind::Rollback { .. } => self.taken_back_by(promotion.id),
        };
        Some(Live {
            version: release.version.clone(),
            sha: release.commit.clone(),
            subject: release.subject.clone(),
            author: release.author.clone(),
            since: live.since,
            replicas: replicas.collect(),
            drift: live.drift.clone().into_iter().collect(),
            rolled_back_from,
        })
    }

    fn taken_back_by(&self, rollback: sluice_model::PromotionId) -> Option<String> {
        let taken = self.state.promotions().find(
            |promotion| matches!(promotion.state, PromotionState::RolledBack { by, .. } if by == rollback),
        )?;
        Some(self.state.release(taken.release)?.version.clone())
    }

    async fn arriving(&self, promotion: &release::Promotion) -> Result<Option<Promotion>, Refusal> {
        let Some(release) = self.state.release(promotion.release) else { return Ok(None) };
        let since = since(promotion);
        let is_back = matches!(promotion.kind, PromotionKind::Rollback { .. });
        let stage = match promotion.state {
            PromotionState::Gated { .. } => {
                PromotionStage::Gated(gate::of_promotion(self.state, promotion, since, self.now, self.actor))
            }
            PromotionState::Ready { .. } => PromotionStage::Queued,
            _ if is_back => PromotionStage::RollingBack,
            PromotionState::Verifying { .. } => PromotionStage::Verifying,
            _ => PromotionStage::Deploying,
        };
        let said = self.app.deliveries.said(self.repository, promotion.id, 0);
        Ok(Some(Promotion {
            id: promotion.id,
            version: release.version.clone(),
            sha: release.commit.clone(),
            subject: release.subject.clone(),
            author: release.author.clone(),
            stage,
            since,
            progress: said.last().map(|(_, text)| text.clone()),
            change: self.change(&promotion.environment, release).await?,
        }))
    }

    /// What entering would change, against what is live there.
    async fn change(
        &self,
        environment: &EnvironmentName,
        to: &release::Release,
    ) -> Result<Option<Change>, Refusal> {
        let Some((_, from)) = self.state.live(environment) else { return Ok(None) };
        change(self.app, self.repository, from, to).await.map(Some)
    }

    /// The last promotion that did not become live, where nothing has since.
    fn failed(&self, row: &EnvironmentBoard) -> Option<Failed> {
        let last = row
            .history
            .iter()
            .find_map(|id| self.state.promotion(*id).filter(|found| found.state.is_over()))?;
        let last = match last.kind {
            PromotionKind::Forward => last,
            // What a rollback took away is the news, and the rollback its end; one that failed took nothing away.
            PromotionKind::Rollback { .. } => self
                .state
                .promotions()
                .find(|taken| matches!(taken.state, PromotionState::RolledBack { by, .. } if by == last.id))
                .unwrap_or(last),
        };
        if self.is_wanted(last) {
            return None;
        }
        let status = match last.state {
            PromotionState::Failed { .. } | PromotionState::RolledBack { .. } => Status::Failed,
            PromotionState::Rejected { .. } => Status::Cancelled,
            _ => return None,
        };
        Some(Failed {
            version: self.state.release(last.release)?.version.clone(),
            at: since(last),
            status,
            reason: problem(self.state, last).unwrap_or_default(),
            taken_back: matches!(
                last.state,
                PromotionState::RolledBack { .. } | PromotionState::Failed { .. }
            ),
        })
    }

    /// A person took it back: that is no failure, and what is live says what it came from.
    fn is_wanted(&self, promotion: &release::Promotion) -> bool {
        let PromotionState::RolledBack { by, .. } = promotion.state else { return false };
        let back = self.state.promotion(by);
        back.is_some_and(|back| matches!(back.by, release::Proposer::Person(_)))
    }

    /// What is live before this environment, and newer than what is live in it.
    async fn next(&self, name: &EnvironmentName) -> Result<Option<Next>, Refusal> {
        let before = self.state.policy().and_then(|policy| policy.previous_environment(name));
        let candidate = match before {
            Some(before) => self.state.live(&before.name).map(|(_, release)| release),
            None => self.state.releases().next_back(),
        };
        let here = self.state.live(name).map(|(_, release)| release.id);
        let Some(candidate) = candidate.filter(|candidate| here.is_none_or(|here| candidate.id > here))
        else {
            return Ok(None);
        };
        Ok(Some(Next {
            version: candidate.version.clone(),
            subject: candidate.subject.clone(),
            change: self.change(name, candidate).await?,
            may: gate::may_write(self.actor),
        }))
    }

    fn rollback(&self, row: &EnvironmentBoard) -> Option<Rollback> {
        let release = self.state.release(row.rollback_to?)?;
        Some(Rollback {
            version: release.version.clone(),
            subject: release.subject.clone(),
            may: gate::may_write(self.actor),
            is_warm: self.app.rollouts.keeps(self.repository, &row.name, &release.version),
        })
    }
}

/// From one release to another.
pub(crate) async fn change(
    app: &App,
    repository: &RepositoryName,
    from: &release::Release,
    to: &release::Release,
) -> Result<Change, Refusal> {
    let is_backward = to.id < from.id;
    let (older, newer) = if is_backward { (to, from) } else { (from, to) };
    let mut commits =
        app.forge.commits_between(repository, &older.commit, &newer.commit, COMMITS + 1).await?;
    let more_commits = u32::from(commits.len() > COMMITS);
    commits.truncate(COMMITS);
    let changed = to.images.iter().filter(|(service, digest)| from.images.get(*service) != Some(digest));
    let image = |(service, digest): (&ServiceName, &sluice_model::Digest)| ChangedImage {
        service: service.clone(),
        from: from.images.get(service).cloned(),
        to: digest.clone(),
    };
    let commit = |commit: sluice_forge::Commit| ChangedCommit {
        sha: commit.sha,
        subject: commit.subject,
        author: sluice_model::UserName::new(commit.author_name),
    };
    Ok(Change {
        commits: commits.into_iter().map(commit).collect(),
        more_commits,
        images: changed.map(image).collect(),
        variables: Vec::new(),
        is_backward,
    })
}

fn target(state: &release::State, environment: &Environment) -> String {
    let kind = state.policy().and_then(|policy| policy.targets.get(&environment.target));
    match kind {
        Some(Target::Docker) => "docker",
        Some(Target::Host) => "host",
        Some(Target::Auto) | None => "this machine",
    }
    .to_owned()
}

/// `2 of release-managers, not the author`
fn words(rule: &ApprovalRule) -> String {
    let who = match rule.by.as_slice() {
        [] => "anyone who may write".to_owned(),
        by => by.join(" or "),
    };
    let count = if rule.count > 1 { format!("{} of ", rule.count) } else { String::new() };
    let author = if rule.not_author { ", not the author" } else { "" };
    format!("{count}{who}{author}")
}

/// The address of the service that no other one depends on: what people open.
fn entrance(
    state: &release::State,
    environment: &EnvironmentName,
    addresses: &BTreeMap<ServiceName, String>,
) -> Option<String> {
    let (_, release) = state.live(environment)?;
    let is_needed =
        |name: &ServiceName| release.services.iter().any(|service| service.depends_on.contains(name));
    let front = release.services.iter().find(|service| !is_needed(&service.name));
    front.and_then(|service| addresses.get(&service.name)).or_else(|| addresses.values().next()).cloned()
}
