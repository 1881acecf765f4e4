//! Which images are a repository's: a job pushes to these and to no others.

use std::sync::Arc;

use sluice_model::{Event, RepositoryName, Trigger};
use sluice_registry::ImageRepository;
use sluice_release::Config;
use sluice_store::{Store, StoreError, Write};

use crate::deliveries::Deliveries;

/// Whose image is whose. The first repository whose `sluice.yaml` names an image has it; beside these each has the
/// names under its own.
#[derive(Clone)]
pub(crate) struct ImageClaims {
    pub(crate) store: Store,
    pub(crate) deliveries: Arc<Deliveries>,
}

impl ImageClaims {
    /// Claims what a policy names, and lets go of what it does not name any more. Gives what belongs to others.
    pub(crate) async fn claim(
        &self,
        repository: &RepositoryName,
        policy: &Config,
    ) -> Result<Vec<String>, StoreError> {
        let (mut images, mut problems) = (Vec::new(), Vec::new());
        for service in &policy.services {
            if service.image.parse().is_ok_and(|image| is_of_pull_requests(&image)) {
                problems
                    .push(format!("the image `{}` is under `pr/`, where pull requests push", service.image));
                continue;
            }
            match self.neighbour(repository, &service.image).await? {
                Some(other) => problems.push(taken(&service.image, &other)),
                None => images.push(service.image.clone()),
            }
        }
        let write = Write::ClaimImages { repository: repository.clone(), images: images.clone() };
        self.store.write(write).await?;
        for image in images {
            if let Some(owner) = self.store.image_owner(&image).await?
                && owner != *repository
            {
                problems.push(taken(&image, &owner));
            }
        }
        Ok(problems)
    }

    /// Why a job of a run with this trigger may not push to an image; none where it may.
    pub(crate) async fn refusal_of_job(
        &self,
        trigger: &Trigger,
        image: &ImageRepository,
    ) -> Result<Option<String>, StoreError> {
        let repository = &trigger.repository;
        let (full, short) = (lower(repository.as_str()), lower(repository.name()));
        if is_of_pull_requests(image) {
            let is_own =
                [&full, &short].iter().any(|name| image.is_under(&format!("{PULL_REQUESTS}/{name}")));
            let elsewhere = || {
                format!(
                    "a job of {repository} may push under `pr/{short}/` or `pr/{full}/`, and not to `{image}`"
                )
            };
            return Ok((!is_own).then(elsewhere));
        }
        if is_untrusted(trigger) {
            return Ok(Some(format!(
                "what a pull request from another repository runs may push under `pr/{short}/` and `pr/{full}/` only, \
                 and `{image}` is neither: push it as `pr/{short}/…`, or push from a branch of {repository}"
            )));
        }
        self.refusal(repository, image).await
    }

    /// Why an image is not one of the repository's; none where it is.
    pub(crate) async fn refusal(
        &self,
        repository: &RepositoryName,
        image: &ImageRepository,
    ) -> Result<Option<String>, StoreError> {
        match self.store.image_owner(image.as_str()).await? {
            Some(owner) if owner == *repository => return Ok(None),
            Some(owner) => return Ok(Some(taken(image.as_str(), &owner))),
            None => {}
        }
        if let Some(other) = self.neighbour(repository, image.as_str()).await? {
            return Ok(Some(taken(image.as_str(), &other)));
        }
        let state = self.deliveries.state(repository).await?;
        let policy = state.policy();
        let is_named = policy.is_some_and(|policy| policy.service_of_image(image.as_str()).is_some());
        let (full, short) = (lower(repository.as_str()), lower(repository.name()));
        if is_named || image.is_under(&full) || image.is_under(&short) {
            return Ok(None);
        }
        let named: Vec<&str> =
            policy.iter().flat_map(|policy| &policy.services).map(|service| service.image.as_str()).collect();
        let named = if named.is_empty() { "none yet".to_owned() } else { named.join(", ") };
        Ok(Some(format!(
            "a job of {repository} may push the images that sluice.yaml of its default branch names ({named}) and those \
             under `{short}/` or `{full}/`, and `{image}` is neither; name it as a service's `image` there"
        )))
    }

    /// The repository whose image it is: the one that claimed it, or the only one under whose name it is.
    pub(crate) async fn owner(&self, image: &ImageRepository) -> Result<Option<RepositoryName>, StoreError> {
        if let Some(owner) = self.store.image_owner(image.as_str()).await? {
            return Ok(Some(owner));
        }
        let image = &within_pull_requests(image);
        let all = self.store.repositories().await?;
        if let Some(full) = all.iter().find(|name| image.is_under(&lower(name.as_str()))) {
            return Ok(Some(full.clone()));
        }
        let mut short = all.into_iter().filter(|name| image.is_under(&lower(name.name())));
        Ok(short.next().filter(|_| short.next().is_none()))
    }

    /// Another repository under whose full name the image is.
    async fn neighbour(
        &self,
        repository: &RepositoryName,
        image: &str,
    ) -> Result<Option<RepositoryName>, StoreError> {
        let Ok(image) = image.parse::<ImageRepository>() else { return Ok(None) };
        let others = self.store.repositories().await?;
        Ok(others.into_iter().find(|other| other != repository && image.is_under(&lower(other.as_str()))))
    }
}

/// Names under which what has not been merged is pushed.
const PULL_REQUESTS: &str = "pr";

pub(crate) fn is_of_pull_requests(image: &ImageRepository) -> bool {
    image.is_under(PULL_REQUESTS)
}

/// `storefront/api` for `pr/storefront/api`, and each other name as it is.
fn within_pull_requests(image: &ImageRepository) -> ImageRepository {
    let inner = image.as_str().strip_prefix(PULL_REQUESTS).and_then(|rest| rest.strip_prefix('/'));
    inner.and_then(|inner| inner.parse().ok()).unwrap_or_else(|| image.clone())
}

/// Whether a run's files may be anybody's: those of a pull request, unless its payload says that it comes from a branch
/// of the same repository. A `pull_request_target` runs the files of the branch that it would enter.
fn is_untrusted(trigger: &Trigger) -> bool {
    if trigger.event != Event::PullRequest {
        return false;
    }
    let payload: serde_json::Value = serde_json::from_str(&trigger.payload).unwrap_or_default();
    let head = payload.pointer("/pull_request/head/repo/full_name").and_then(serde_json::Value::as_str);
    !head.is_some_and(|head| head.eq_ignore_ascii_case(trigger.repository.as_str()))
}

fn taken(image: &str, owner: &RepositoryName) -> String {
    format!("the image `{image}` belongs to the repository {owner}; choose another name in sluice.yaml")
}

/// Images are named in lower case.
fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_model::UserName;

    use super::*;

    #[test]
    fn a_pull_request_is_trusted_when_it_says_that_it_comes_from_the_same_repository() {
        let is_untrusted = |event, payload: &str| {
            is_untrusted(&Trigger {
                event,
                action: None,
                repository: "acme/shop".parse().unwrap(),
                git_ref: "refs/pull/7/merge".to_owned(),
                sha: "0".repeat(40).parse().unwrap(),
                before: None,
                actor: UserName::new("ann"),
                base_ref: Some("main".to_owned()),
                head_ref: Some("main".to_owned()),
                changed_paths: None,
                image_chain: Vec::new(),
                inputs: BTreeMap::new(),
                payload: payload.to_owned(),
                subject: String::new(),
            })
        };
        let from =
            |name: &str| format!(r#"{{"pull_request":{{"head":{{"repo":{{"full_name":"{name}"}}}}}}}}"#);
        assert!(!is_untrusted(Event::PullRequest, &from("Acme/Shop")));
        // A fork that has been deleted has no name any more.
        for payload in [&from("mallory/shop"), "{\"pull_request\":{\"head\":{\"repo\":null}}}", "", "[]"] {
            assert!(is_untrusted(Event::PullRequest, payload), "{payload}");
            assert!(!is_untrusted(Event::Push, payload) && !is_untrusted(Event::PullRequestTarget, payload));
        }
    }

    #[test]
    fn what_pull_requests_push_is_of_the_repository_within() {
        let within = |name: &str| within_pull_requests(&name.parse().unwrap()).to_string();
        assert_eq!(within("pr/storefront/api"), "storefront/api");
        assert_eq!((within("pr"), within("press/api")), ("pr".to_owned(), "press/api".to_owned()));
    }
}
