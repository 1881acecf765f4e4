use sluice_model::{Digest, InstanceId, RepositoryName};
use sluice_registry::{ImageRepository, Manifest, Reference};
use sluice_release::{self as release, PromotionKind, PromotionState, Proposer};
use sluice_view::{
    ImageRow, Origin, PromotionRow, ReleasePage, ReleaseRow, ReleasesPage, Station, StationState,
};

use super::runs::short_ref;
use super::{board, gate};
use crate::accounts::Actor;
use crate::app::App;
use crate::clock::now;
use crate::present::{problem, since};
use crate::refusal::Refusal;

/// How many releases a page lists.
const PAGE: usize = 30;

pub(crate) async fn releases(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    before: Option<u64>,
) -> Result<ReleasesPage, Refusal> {
    app.must_exist(repository).await?;
    let state = app.deliveries.state(repository).await?;
    let wanted = state.releases().rev().filter(|release| before.is_none_or(|before| release.id.0 < before));
    let mut found: Vec<&release::Release> = wanted.take(PAGE + 1).collect();
    let older = found.get(PAGE - 1).filter(|_| found.len() > PAGE).map(|release| release.id.0);
    found.truncate(PAGE);
    let row = |release: &release::Release| ReleaseRow {
        version: release.version.clone(),
        sha: release.commit.clone(),
        subject: release.subject.clone(),
        author: release.author.clone(),
        created_at: release.created,
        way: way(&state, release, actor),
    };
    let releases = found.into_iter().map(row).collect();
    Ok(ReleasesPage { repository: repository.clone(), releases, older, rule: state.policy().map(rule) })
}

/// `branch master, tags version*`
fn rule(policy: &release::Config) -> String {
    let part = |one: &str, several: &str, patterns: &[String]| match patterns {
        [] => None,
        [only] => Some(format!("{one} {only}")),
        all => Some(format!("{several} {}", all.join(", "))),
    };
    let branches = part("branch", "branches", &policy.release.branches);
    let tags = part("tag", "tags", &policy.release.tags);
    branches.into_iter().chain(tags).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn release(
    app: &App,
    actor: &Actor,
    repository: &RepositoryName,
    version: &str,
) -> Result<ReleasePage, Refusal> {
    app.must_exist(repository).await?;
    let state = app.deliveries.state(repository).await?;
    let found = state.release_by_version(version).ok_or_else(|| {
        let shown: String = version.chars().take(100).collect();
        Refusal::not_found(format!("there is no release `{shown}` in {repository}"))
    })?;
    let row = match found.run() {
        Some(run) => app.store.run(run).await?,
        None => None,
    };
    let run = match &row {
        Some(row) => Some((row.number, app.record(row).await?.summary.workflow)),
        None => None,
    };
    let previous = state.releases().rev().find(|other| other.id < found.id);
    let change = match previous {
        Some(previous) => Some(board::change(app, repository, previous, found).await?),
        None => None,
    };
    let history = state.promotions().rev().filter(|promotion| promotion.release == found.id);
    Ok(ReleasePage {
        repository: repository.clone(),
        version: found.version.clone(),
        sha: found.commit.clone(),
        subject: found.subject.clone(),
        description: String::new(),
        author: found.author.clone(),
        created_at: found.created,
        origin: Origin { run, ref_name: short_ref(&found.git_ref).to_owned(), actor: found.author.clone() },
        images: images(app, found).await?,
        way: way(&state, found, actor),
        history: history.map(|promotion| promotion_row(&state, promotion, found, actor)).collect(),
        change,
        previous_version: previous.map(|previous| previous.version.clone()),
    })
}

async fn images(app: &App, found: &release::Release) -> Result<Vec<ImageRow>, Refusal> {
    let pushed = match found.run() {
        Some(run) => app.store.pushed_images(run).await?,
        None => Vec::new(),
    };
    let host = app.url.split_once("://").map_or(app.url.as_str(), |(_, host)| host);
    let mut images = Vec::new();
    for (service, digest) in &found.images {
        let image =
            found.services.iter().find(|known| known.name == *service).map(|known| known.image.clone());
        let image = image.unwrap_or_default();
        let by = pushed.iter().rev().find(|push| push.image == image && push.digest == *digest);
        images.push(ImageRow {
            service: service.clone(),
            name: format!("{host}/{image}"),
            digest: digest.clone(),
            size_bytes: size(app, &image, digest).await,
            pushed_by: by.map(|push| push.instance.clone()) as Option<InstanceId>,
        });
    }
    Ok(images)
}

/// The bytes of an image's configuration and layers; 0 where the manifest is not to be had any more.
async fn size(app: &App, image: &str, digest: &Digest) -> u64 {
    let Ok(repository) = image.parse::<ImageRepository>() else { return 0 };
    let Ok(stored) = app.registry.manifest(&repository, &Reference::Digest(digest.clone())).await else {
        return 0;
    };
    match Manifest::parse(&stored.bytes, Some(&stored.media_type)) {
        Ok((Manifest::Image(manifest), _)) => {
            manifest.config.size + manifest.layers.iter().map(|layer| layer.size).sum::<u64>()
        }
        Ok((Manifest::Index(index), _)) => index.manifests.iter().map(|inner| inner.size).sum(),
        Err(_) => 0,
    }
}

/// One station an environment, in the policy's order.
fn way(state: &release::State, found: &release::Release, actor: &Actor) -> Vec<Station> {
    let policy = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    let station = |environment: &release::Environment| {
        let promotion = state.promotion_of(found.id, &environment.name);
        let station =
            promotion.map_or(StationState::Ahead, |promotion| station_state(state, promotion, actor));
        let can_start = matches!(
            station,
            StationState::Ahead
                | StationState::Past
                | StationState::Rejected
                | StationState::Failed(_)
                | StationState::RolledBack
        );
        Station {
            environment: environment.name.clone(),
            at: promotion.map(since),
            decisions: promotion
                .map(|promotion| promotion.approvals.iter().map(gate::approved).collect())
                .unwrap_or_default(),
            promote: (can_start && has_come_through(state, found, environment))
                .then(|| gate::may_write(actor)),
            state: station,
        }
    };
    policy.iter().map(station).collect()
}

/// The release is, or was, live in the environment before.
fn has_come_through(
    state: &release::State,
    found: &release::Release,
    environment: &release::Environment,
) -> bool {
    let before = state.policy().and_then(|policy| policy.previous_environment(&environment.name));
    before.is_none_or(|before| {
        state.promotion_of(found.id, &before.name).is_some_and(|promotion| {
            matches!(promotion.state, PromotionState::Live { .. } | PromotionState::Replaced { .. })
        })
    })
}

fn station_state(state: &release::State, promotion: &release::Promotion, actor: &Actor) -> StationState {
    match &promotion.state {
        PromotionState::Gated { since } => StationState::Waiting {
            promotion: promotion.id,
            gate: gate::of_promotion(state, promotion, *since, now(), actor),
        },
        PromotionState::Ready { .. } => StationState::Queued,
        PromotionState::Deploying { .. } => StationState::Deploying,
        PromotionState::Verifying { .. } => StationState::Verifying,
        PromotionState::Live { .. } => StationState::Live,
        PromotionState::Replaced { .. } => StationState::Past,
        PromotionState::Superseded { .. } => StationState::Ahead,
        PromotionState::Rejected { .. } => StationState::Rejected,
        PromotionState::Failed { .. } => StationState::Failed(problem(state, promotion).unwrap_or_default()),
        PromotionState::RolledBack { .. } => StationState::RolledBack,
    }
}

fn promotion_row(
    state: &release::State,
    promotion: &release::Promotion,
    found: &release::Release,
    actor: &Actor,
) -> PromotionRow {
    PromotionRow {
        id: promotion.id,
        environment: promotion.environment.clone(),
        state: station_state(state, promotion, actor),
        started_by: match &promotion.by {
            Proposer::Person(name) => name.clone(),
            Proposer::Automation | Proposer::Run(_) => found.author.clone(),
        },
        started_at: promotion.proposed,
        finished_at: promotion.state.is_over().then(|| since(promotion)),
        decisions: promotion.approvals.iter().map(gate::approved).collect(),
        is_rollback: matches!(promotion.kind, PromotionKind::Rollback { .. }),
    }
}
