//! What the registry keeps for releases and runs, for how long it keeps the rest, and the rounds that remove what goes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sluice_model::RunId;
use sluice_registry::garbage::{Garbage, Keeping, RetentionRule};
use sluice_registry::{ImageRepository, RegistryError};
use sluice_store::{RunFilter, StoreError};
use sluice_wire::{GarbageReport, GoneItem, GoneKind, RepositoryGarbage};

use crate::app::App;
use crate::runs::Runs;

const EVERY: Duration = Duration::from_secs(3600);
/// Bytes that are younger may belong to a push under way, whose manifest comes last.
const YOUNG: Duration = Duration::from_secs(3600);
/// An upload that nobody went on with for so long is thrown away.
const UPLOAD_IDLE: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Debug, thiserror::Error)]
pub(crate) enum GarbageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Removes what goes: now, and then every hour.
pub(crate) async fn rounds(app: Arc<App>) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.stopping.cancelled() => return,
        }
        match collect(&app, false).await {
            Ok(report) => tracing::info!(
                repositories = report.repositories.len(),
                blobs = report.blobs,
                bytes = report.freed_bytes,
                uploads = report.uploads,
                "removed what nothing refers to from the registry"
            ),
            Err(error) => tracing::error!(%error, "the registry's garbage could not be collected"),
        }
    }
}

/// Removes what nothing refers to, repository by repository, then the bytes that none of them holds. `dry_run`: only
/// says what would go.
pub(crate) async fn collect(app: &App, dry_run: bool) -> Result<GarbageReport, GarbageError> {
    let mut keepings = keepings(app).await?;
    let mut report = GarbageReport { dry_run, ..GarbageReport::default() };
    let mut garbage = Vec::new();
    for repository in app.registry.known_repositories().await? {
        let mut keeping = keepings.remove(&repository).unwrap_or_default();
        keeping.retention = retention(app, &repository).await?;
        let gone = match dry_run {
            true => app.registry.garbage(&repository, &keeping).await?,
            false => app.registry.collect(&repository, &keeping).await?,
        };
        if !gone.is_empty() {
            report.repositories.push(told(&repository, &gone));
            garbage.push(gone);
        }
    }
    let swept = match dry_run {
        true => app.registry.would_free(YOUNG, &garbage).await?,
        false => {
            report.uploads = app.registry.sweep_uploads(UPLOAD_IDLE).await? as u64;
            app.registry.sweep(YOUNG).await?
        }
    };
    (report.blobs, report.freed_bytes) = (swept.blobs, swept.bytes);
    Ok(report)
}

fn told(repository: &ImageRepository, garbage: &Garbage) -> RepositoryGarbage {
    let item = |kind, name: String, size_bytes, why: String| GoneItem { kind, name, size_bytes, why };
    let tags =
        garbage.tags.iter().map(|gone| item(GoneKind::Tag, gone.what.to_string(), 0, gone.why.to_string()));
    let digests = |kind, list| {
        let list: &Vec<sluice_registry::garbage::Gone<sluice_model::Digest>> = list;
        list.iter()
            .map(|gone| item(kind, gone.what.to_string(), gone.size_bytes, gone.why.to_string()))
            .collect::<Vec<_>>()
    };
    let manifests = digests(GoneKind::Manifest, &garbage.manifests);
    let blobs = digests(GoneKind::Blob, &garbage.blobs);
    RepositoryGarbage {
        repository: repository.to_string(),
        size_bytes: garbage.size_bytes(),
        gone: tags.chain(manifests).chain(blobs).collect(),
    }
}

/// What releases and runs that are not over need: a run's images have no release before it is green.
async fn keepings(app: &App) -> Result<HashMap<ImageRepository, Keeping>, StoreError> {
    let mut kept: HashMap<ImageRepository, Keeping> = HashMap::new();
    let mut keep = |image: &str, digest, whom: String| {
        // Every name was checked when it was pushed or declared; one that is none has no image either.
        if let Ok(repository) = image.parse() {
            kept.entry(repository).or_default().manifests.insert(digest, whom);
        }
    };
    // Runs first: one that ends meanwhile has its images here already, before they are a release's.
    for run in unsettled(app).await? {
        for image in app.store.pushed_images(run).await? {
            keep(&image.image, image.digest, format!("run {run}, which has not ended"));
        }
    }
    for name in app.store.repositories().await? {
        for release in app.deliveries.state(&name).await?.releases() {
            let images: BTreeMap<_, _> =
                release.services.iter().map(|service| (&service.name, service.image.as_str())).collect();
            for (service, digest) in &release.images {
                if let Some(image) = images.get(service) {
                    keep(image, digest.clone(), format!("release {} of {name}", release.version));
                }
            }
        }
    }
    Ok(kept)
}

/// The runs that have not ended, or whose end is not dealt with.
async fn unsettled(app: &App) -> Result<Vec<RunId>, StoreError> {
    let open = RunFilter { ended: Some(false), limit: u32::MAX, ..RunFilter::default() };
    let mut runs: Vec<RunId> = app.store.runs(open).await?.into_iter().map(|row| row.id).collect();
    let pending = app.store.pending_effects().await?;
    runs.extend(pending.iter().filter_map(|effect| Runs::of_stream(&effect.key.stream)));
    Ok(runs)
}

/// The rules of the repository whose image it is.
async fn retention(app: &App, image: &ImageRepository) -> Result<Vec<RetentionRule>, StoreError> {
    let Some(owner) = app.claims.owner(image).await? else { return Ok(Vec::new()) };
    let state = app.deliveries.state(&owner).await?;
    let rules = state.policy().map(|policy| policy.retention.as_slice()).unwrap_or_default();
    let rule = |rule: &sluice_release::RetentionRule| {
        // The file's reader takes the same patterns.
        let tags = rule.tags.parse().ok()?;
        Some(RetentionRule { tags, keep: rule.keep, days: rule.days })
    };
    Ok(rules.iter().filter_map(rule).collect())
}
