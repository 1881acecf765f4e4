//! What a run pushed becomes a release.

use std::collections::BTreeMap;

use sluice_engine as engine;
use sluice_model::{CommitSha, ReleaseId, RepositoryName, ServiceName};
use sluice_registry::{ImageRepository, Platform, Reference};
use sluice_release::{self as release, Config, PushedImage, RecordRelease};

use crate::app::App;
use crate::refusal::Refusal;

/// The release of what a run has pushed so far; made now where it is not there. `tag`: only what was pushed with it.
pub(crate) async fn record(app: &App, run: &engine::Run, tag: Option<&str>) -> Result<ReleaseId, Refusal> {
    let trigger = run.trigger();
    let repository = &trigger.repository;
    let state = app.deliveries.state(repository).await?;
    if let Some(release) = state.release_of_run(run.id()) {
        return Ok(release.id);
    }
    if state.policy().is_none() {
        return Err(Refusal::not_found(release::Refused::NoPolicy.to_string()));
    }
    let config = config_at(app, repository, &trigger.sha).await?;
    let images = pushed(app, run, &config, tag).await?;
    let command = release::Command::RecordRelease(Box::new(RecordRelease {
        run: run.id(),
        commit: trigger.sha.clone(),
        git_ref: trigger.git_ref.clone(),
        subject: trigger.subject.clone(),
        author: trigger.actor.clone(),
        images,
        services: config.services,
    }));
    let state = app.deliveries.command(repository, command).await?;
    let made = state.release_of_run(run.id()).map(|release| release.id);
    made.ok_or_else(|| Refusal::conflict("the run made no release"))
}

/// Whether a green run of this ref is to become a release, and has an image for any service.
pub(crate) async fn is_due(app: &App, run: &engine::Run) -> Result<bool, Refusal> {
    let trigger = run.trigger();
    let state = app.deliveries.state(&trigger.repository).await?;
    let Some(policy) = state.policy() else { return Ok(false) };
    if !policy.is_release_ref(&trigger.git_ref) {
        return Ok(false);
    }
    let pushed = app.store.pushed_images(run.id()).await?;
    Ok(pushed.iter().any(|image| policy.service_of_image(&image.image).is_some()))
}

/// `sluice.yaml` as a commit has it.
async fn config_at(app: &App, repository: &RepositoryName, sha: &CommitSha) -> Result<Config, Refusal> {
    match crate::policy::read(app, repository, sha).await? {
        Some(Ok(config)) => Ok(config),
        Some(Err(problems)) => Err(Refusal::conflict(problems.join("\n"))),
        None => Err(Refusal::not_found(format!("commit {} has no `sluice.yaml`", sha.short()))),
    }
}

/// The last image that the run pushed for each service.
async fn pushed(
    app: &App,
    run: &engine::Run,
    config: &Config,
    tag: Option<&str>,
) -> Result<BTreeMap<ServiceName, PushedImage>, Refusal> {
    let mut images = BTreeMap::new();
    for push in app.store.pushed_images(run.id()).await? {
        let Some(service) = config.service_of_image(&push.image) else { continue };
        let is_digest = push.reference == push.digest.as_str();
        if tag.is_some_and(|tag| tag != push.reference) {
            continue;
        }
        let version_label = label(app, &push).await;
        let image =
            PushedImage { digest: push.digest, tag: (!is_digest).then_some(push.reference), version_label };
        images.insert(service.name.clone(), image);
    }
    Ok(images)
}

/// The label `org.opencontainers.image.version`; none where the image has none or is for another kind of machine.
async fn label(app: &App, push: &sluice_store::PushedImage) -> Option<String> {
    let repository: ImageRepository = push.image.parse().ok()?;
    let reference = Reference::Digest(push.digest.clone());
    let image = app.registry.image(&repository, &reference, &Platform::host()).await.ok()?;
    image.config.config.version().map(str::to_owned)
}
