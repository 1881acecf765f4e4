use std::collections::BTreeMap;

use sluice_model::{Digest, ReleaseId, RunId, ServiceName, Timestamp};

use crate::draft::Draft;
use crate::{Config, Event, Origin, RecordRelease, Refused, Release, State, version_of};

pub(crate) fn change_policy(state: &State, now: Timestamp, config: Config) -> Result<Vec<Event>, Refused> {
    if state.policy() == Some(&config) {
        return Ok(Vec::new());
    }
    let mut draft = Draft::of(state, now);
    draft.push(Event::PolicyChanged { at: now, config: Box::new(config) });
    Ok(draft.settle())
}

pub(crate) fn record(state: &State, now: Timestamp, record: RecordRelease) -> Result<Vec<Event>, Refused> {
    let policy = state.policy().ok_or(Refused::NoPolicy)?;
    if !policy.is_release_ref(&record.git_ref) {
        return Err(Refused::NotAReleaseRef { git_ref: record.git_ref });
    }
    check_images(&record)?;
    let version = version_of(&record.git_ref, &record.commit, record.images.values());
    let images: BTreeMap<ServiceName, Digest> =
        record.images.into_iter().map(|(service, image)| (service, image.digest)).collect();
    let is_same = |release: &Release| match record.run {
        Some(run) => release.run() == Some(run) && release.images == images,
        None => release.commit == record.commit && release.images == images,
    };
    if state.releases().any(is_same) {
        return Ok(Vec::new());
    }
    if let Some(same) = state.release_by_version(&version) {
        if same.images == images {
            return Ok(Vec::new());
        }
        return Err(Refused::VersionTaken { version, release: same.id });
    }
    let id = ReleaseId(state.releases.len() as u64 + 1);
    let newest = || state.releases().map(|release| release.age().0).max().unwrap_or(RunId(0));
    let origin = record.run.map_or_else(|| Origin::Elsewhere { after: newest() }, |run| Origin::Run { run });
    let release = Release {
        id,
        version,
        commit: record.commit,
        git_ref: record.git_ref,
        subject: record.subject,
        author: record.author,
        origin,
        created: now,
        images,
        services: record.services,
    };
    let first = policy.environments.first().map(|environment| environment.name.clone());
    let mut draft = Draft::of(state, now);
    draft.push(Event::ReleaseRecorded { at: now, release: Box::new(release) });
    if let Some(first) = first {
        draft.propose_by_itself(id, &first);
    }
    Ok(draft.settle())
}

/// Exactly one image a service: a release with a hole could not be rolled out.
fn check_images(record: &RecordRelease) -> Result<(), Refused> {
    if record.services.is_empty() {
        return Err(Refused::NoServices);
    }
    for service in &record.services {
        if !record.images.contains_key(&service.name) {
            return Err(Refused::MissingImage {
                service: service.name.clone(),
                image: service.image.clone(),
            });
        }
    }
    match record.images.keys().find(|name| !record.services.iter().any(|service| service.name == **name)) {
        Some(unknown) => Err(Refused::UnknownService { service: unknown.clone() }),
        None => Ok(()),
    }
}
