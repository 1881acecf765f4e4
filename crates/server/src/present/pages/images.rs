use std::collections::BTreeSet;

use sluice_model::{Digest, RepositoryName};
use sluice_registry::{ImageRepository, MirrorUse, Pusher, TagOverview};
use sluice_release as release;
use sluice_view::{ImagePusher, ImageSection, ImagesPage, MirrorSection, TaggedImage};

use crate::app::App;
use crate::garbage::GarbageError;
use crate::images::job_of;
use crate::refusal::Refusal;

/// How many tags of an image are listed.
const TAGS: usize = 50;

/// What the repository keeps in the registry: the images that its policy names, and those under its names.
pub(crate) async fn images(app: &App, repository: &RepositoryName) -> Result<ImagesPage, Refusal> {
    app.must_exist(repository).await?;
    let state = app.deliveries.state(repository).await?;
    let host = app.url.split_once("://").map_or(app.url.as_str(), |(_, host)| host).to_owned();
    let mut images = Vec::new();
    for image in app.registry.repositories().await.map_err(GarbageError::from)? {
        // What is under a mirror's name is nobody's here.
        if app.registry.is_mirrored(&image) {
            continue;
        }
        if app.claims.owner(&image).await?.as_ref() != Some(repository) {
            continue;
        }
        let overview =
            app.registry.overview(&image, TAGS, &app.signing.public()).await.map_err(GarbageError::from)?;
        let mut tags = Vec::new();
        for tag in overview.tags {
            tags.push(tagged(app, &state, &image, tag).await?);
        }
        images.push(ImageSection {
            name: image.to_string(),
            size_bytes: overview.size_bytes,
            own_bytes: overview.own_bytes,
            tags,
            more: overview.more,
        });
    }
    let mirrors = app.registry.mirrors().await.map_err(GarbageError::from)?;
    let mirrors = mirrors.into_iter().map(mirrored).collect();
    Ok(ImagesPage { repository: repository.clone(), host, images, mirrors })
}

fn mirrored(seen: MirrorUse) -> MirrorSection {
    let MirrorUse { name, upstream, repositories, size_bytes, cached, fetched, fetched_bytes, problem } =
        seen;
    let name = name.to_string();
    MirrorSection { name, upstream, repositories, size_bytes, cached, fetched, fetched_bytes, problem }
}

async fn tagged(
    app: &App,
    state: &release::State,
    image: &ImageRepository,
    tag: TagOverview,
) -> Result<TaggedImage, Refusal> {
    Ok(TaggedImage {
        tag: tag.tag.to_string(),
        set_at: tag.set,
        by: pusher(app, &tag.by).await?,
        has_provenance: tag.has_provenance(),
        has_bill_of_materials: tag.has_bill_of_materials(),
        releases: releases(state, image, &tag.digest),
        platforms: tag.platforms,
        size_bytes: tag.size_bytes,
        layers: tag.layers.into_iter().map(|layer| (layer.digest, layer.size)).collect(),
        digest: tag.digest,
    })
}

async fn pusher(app: &App, by: &Pusher) -> Result<ImagePusher, Refusal> {
    if let Some((run, _, instance)) = job_of(by)
        && let Some(row) = app.store.run(run).await?
    {
        return Ok(ImagePusher::Job { run: row.number, instance });
    }
    Ok(ImagePusher::Person(by.as_str().strip_prefix("user ").unwrap_or(by.as_str()).to_owned()))
}

/// The releases that a digest is in, the newest first, each with the environments where it is live.
fn releases(
    state: &release::State,
    image: &ImageRepository,
    digest: &Digest,
) -> Vec<(String, Vec<sluice_model::EnvironmentName>)> {
    let policy = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
    let holds = |found: &&release::Release| {
        let services: BTreeSet<_> = found
            .services
            .iter()
            .filter(|service| service.image == image.as_str())
            .map(|service| &service.name)
            .collect();
        found.images.iter().any(|(service, held)| held == digest && services.contains(service))
    };
    let live_in = |found: &release::Release| {
        let is_live = |name: &_| state.live(name).is_some_and(|(_, live)| live.id == found.id);
        policy.iter().map(|environment| environment.name.clone()).filter(is_live).collect()
    };
    state.releases().rev().filter(holds).map(|found| (found.version.clone(), live_in(found))).collect()
}
