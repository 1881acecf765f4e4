//! Which images are a repository's: a job pushes to these and to no others.

use std::sync::Arc;

use sluice_model::RepositoryName;
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

    /// Why a job of the repository may not push to an image; none where it may.
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

fn taken(image: &str, owner: &RepositoryName) -> String {
    format!("the image `{image}` belongs to the repository {owner}; choose another name in sluice.yaml")
}

/// Images are named in lower case.
fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
