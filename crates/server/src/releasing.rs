//! What a run pushed becomes a release, and what a person's own pipeline pushed.

use std::collections::BTreeMap;

use sluice_engine as engine;
use sluice_model::{CommitSha, ReleaseId, RepositoryName, ServiceName};
use sluice_registry::{ImageRepository, Platform, Reference};
use sluice_release::{self as release, Config, PushedImage, RecordRelease};

use crate::accounts::Actor;
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
        run: Some(run.id()),
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

/// The release of what a person's own pipeline pushed with a tag; made now where it is not there.
///
/// Of which commit the images are, they say themselves: their label `org.opencontainers.image.revision`. It has to be on
/// a branch or a tag of the repository here that makes releases.
pub(crate) async fn record_elsewhere(
    app: &App,
    person: &Actor,
    repository: &RepositoryName,
    tag: &str,
) -> Result<ReleaseId, Refusal> {
    app.must_exist(repository).await?;
    let state = app.deliveries.state(repository).await?;
    let Some(policy) = state.policy() else {
        return Err(Refusal::not_found(release::Refused::NoPolicy.to_string()));
    };
    let commit = commit_of(app, repository, policy, tag).await?;
    let services = config_at(app, repository, &commit).await?.services;
    let mut images = BTreeMap::new();
    for service in &services {
        let (image, _) = tagged(app, repository, &service.image, tag).await?;
        images.insert(service.name.clone(), image);
    }
    let git_ref = release_ref(app, repository, policy, &commit, &images).await?;
    let digests: BTreeMap<_, _> =
        images.iter().map(|(service, image)| (service.clone(), image.digest.clone())).collect();
    let command = release::Command::RecordRelease(Box::new(RecordRelease {
        run: None,
        git_ref,
        subject: app.forge.commit(repository, &commit).await?.subject,
        author: person.name.clone(),
        commit: commit.clone(),
        images,
        services,
    }));
    let state = app.deliveries.command(repository, command).await?;
    let made = state.releases().rev().find(|known| known.commit == commit && known.images == digests);
    made.map(|release| release.id).ok_or_else(|| Refusal::conflict("these images made no release"))
}

/// The commit that all images of the policy name.
async fn commit_of(
    app: &App,
    repository: &RepositoryName,
    policy: &Config,
    tag: &str,
) -> Result<CommitSha, Refusal> {
    let mut found: Option<(&str, CommitSha)> = None;
    for service in &policy.services {
        let (_, commit) = tagged(app, repository, &service.image, tag).await?;
        match &found {
            Some((other, known)) if *known != commit => {
                return Err(Refusal::conflict(format!(
                    "`{other}:{tag}` is of commit {}, and `{}:{tag}` of {}: a release is of one commit",
                    known.short(),
                    service.image,
                    commit.short()
                )));
            }
            _ => found = Some((&service.image, commit)),
        }
    }
    found.map(|(_, commit)| commit).ok_or_else(|| Refusal::not_found("`sluice.yaml` names no services"))
}

/// The image that a tag names now, and its commit.
async fn tagged(
    app: &App,
    repository: &RepositoryName,
    image: &str,
    tag: &str,
) -> Result<(PushedImage, CommitSha), Refusal> {
    let name: ImageRepository = image.parse().map_err(|error| Refusal::conflict(format!("{error}")))?;
    if let Some(reason) = app.claims.refusal(repository, &name).await? {
        return Err(Refusal::forbidden(reason));
    }
    let unknown =
        || Refusal::not_found(format!("there is no image `{image}:{tag}` in the registry: push it first"));
    let reference = Reference::Tag(tag.parse().map_err(|_| unknown())?);
    let digest = app.registry.manifest(&name, &reference).await.map_err(|_| unknown())?.digest;
    let image_of = app.registry.image(&name, &Reference::Digest(digest.clone()), &Platform::host()).await;
    let labels =
        image_of.map_err(|error| Refusal::conflict(format!("`{image}:{tag}`: {error}")))?.config.config;
    let commit = labels.revision().and_then(|revision| revision.parse().ok()).ok_or_else(|| {
        let label = "org.opencontainers.image.revision";
        Refusal::conflict(format!(
            "`{image}:{tag}` does not say its commit: build it with the label `{label}`"
        ))
    })?;
    let version_label = labels.version().map(str::to_owned);
    Ok((PushedImage { digest, tag: Some(tag.to_owned()), version_label }, commit))
}

/// The tag of the commit that the images are labelled with, else a branch that has the commit; one that makes releases.
async fn release_ref(
    app: &App,
    repository: &RepositoryName,
    policy: &Config,
    commit: &CommitSha,
    images: &BTreeMap<ServiceName, PushedImage>,
) -> Result<String, Refusal> {
    let refs = app.forge.refs(repository).await?;
    let releasing: Vec<_> = refs.iter().filter(|known| policy.is_release_ref(&known.name)).collect();
    let version = images.values().next().and_then(|image| image.version_label.as_deref()).unwrap_or_default();
    let tag = format!("refs/tags/{version}");
    if releasing.iter().any(|known| known.name == tag && known.sha == *commit) {
        return Ok(tag);
    }
    for branch in releasing.iter().filter(|known| known.name.starts_with("refs/heads/")) {
        if branch.sha == *commit || app.forge.is_ancestor(repository, commit, &branch.sha).await? {
            return Ok(branch.name.clone());
        }
    }
    Err(Refusal::conflict(format!(
        "commit {} is on no branch of {repository} that makes releases, nor tagged `{version}`: push it here first",
        commit.short()
    )))
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
