//! A pushed image starts the workflows that wait for it: `on: registry_package`.

use std::sync::Arc;

use sluice_model::{Event, RepositoryName, RunId, Trigger, UserName};
use sluice_registry::{Pushed, RepositoryPattern, Tag};
use sluice_store::{StoreError, Write};

use crate::clock::now;
use crate::deliveries::Deliveries;
use crate::image_claims::{ImageClaims, is_of_pull_requests};
use crate::images::job_of;
use crate::repository::{PushError, Repositories, RepositoryEffect, RepositoryEvent};
use crate::runs::Runs;

/// A chain of pushed images that start runs that push images ends here.
const CHAIN: usize = 8;

/// Who is told that an image was pushed.
pub(crate) struct Packages {
    pub(crate) claims: ImageClaims,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) runs: Arc<Runs>,
    /// Host and port of the registry, as images are named with them.
    pub(crate) host: String,
    /// `http://127.0.0.1:7000`
    pub(crate) url: String,
}

/// Whose push it was.
struct Origin {
    actor: UserName,
    /// The repositories whose runs led to it, the last at the end; none for a person's.
    chain: Vec<RepositoryName>,
}

impl Packages {
    /// Tells the image's own repository and those whose `sluice.yaml` follows it. Each hears of a tag's digest once.
    ///
    /// GitHub starts nothing for what a job pushes with its own token. Here nothing is started in the repository of
    /// the job, nor in any whose runs led to it: others that follow a base image are to build anew, and no circle of
    /// them goes on for ever.
    pub(crate) async fn published(&self, pushed: &Pushed) -> Result<(), PushError> {
        let Some(tag) = &pushed.tag else { return Ok(()) };
        if is_of_pull_requests(&pushed.repository) {
            return Ok(());
        }
        let Some(origin) = self.origin(pushed).await? else { return Ok(()) };
        if origin.chain.len() >= CHAIN {
            tracing::warn!(image = %pushed.repository, "a chain of images that start each other ends here");
            return Ok(());
        }
        for repository in self.listeners(pushed).await? {
            if !origin.chain.contains(&repository) {
                self.tell(&repository, pushed, tag, &origin).await?;
            }
        }
        Ok(())
    }

    /// None for a push that nobody's account or job made.
    async fn origin(&self, pushed: &Pushed) -> Result<Option<Origin>, StoreError> {
        if let Some((run, _, _)) = job_of(&pushed.by) {
            return self.origin_of(run).await;
        }
        let name = pushed.by.as_str().strip_prefix("user ");
        Ok(name.map(|name| Origin { actor: UserName::new(name), chain: Vec::new() }))
    }

    async fn origin_of(&self, run: RunId) -> Result<Option<Origin>, StoreError> {
        let state = self.runs.state(run).await?;
        let Some(trigger) = state.run().map(|run| run.trigger()) else { return Ok(None) };
        let mut chain = trigger.image_chain.clone();
        chain.push(trigger.repository.clone());
        Ok(Some(Origin { actor: trigger.actor.clone(), chain }))
    }

    async fn listeners(&self, pushed: &Pushed) -> Result<Vec<RepositoryName>, StoreError> {
        let owner = self.claims.owner(&pushed.repository).await?;
        let mut listeners = Vec::new();
        for repository in self.claims.store.repositories().await? {
            let state = self.deliveries.state(&repository).await?;
            let follows = |pattern: &String| {
                pattern.parse().is_ok_and(|pattern: RepositoryPattern| pattern.matches(&pushed.repository))
            };
            let is_follower = state.policy().is_some_and(|policy| policy.follow.iter().any(follows));
            if is_follower || owner.as_ref() == Some(&repository) {
                listeners.push(repository);
            }
        }
        Ok(listeners)
    }

    async fn tell(
        &self,
        repository: &RepositoryName,
        pushed: &Pushed,
        tag: &Tag,
        origin: &Origin,
    ) -> Result<(), PushError> {
        let _held = self.repositories.hold(repository).await;
        let image = pushed.repository.as_str();
        let seen = self.claims.store.package_seen(repository, image, tag.as_str()).await?;
        if seen.as_ref() == Some(&pushed.digest) {
            return Ok(());
        }
        let action = if seen.is_none() { "published" } else { "updated" };
        let Some(trigger) = self.trigger(repository, pushed, tag, action, origin).await? else {
            return Ok(());
        };
        let event = RepositoryEvent::ImagePushed { at: now(), trigger: Box::new(trigger.clone()) };
        let effect = RepositoryEffect::Plan { trigger: Box::new(trigger) };
        let write = Write::SeePackage {
            repository: repository.clone(),
            image: image.to_owned(),
            tag: tag.as_str().to_owned(),
            digest: pushed.digest.clone(),
        };
        self.repositories.record(repository, event, effect, write).await
    }

    /// The workflows are those of the default branch, at its commit. None for a repository without one.
    async fn trigger(
        &self,
        repository: &RepositoryName,
        pushed: &Pushed,
        tag: &Tag,
        action: &str,
        origin: &Origin,
    ) -> Result<Option<Trigger>, PushError> {
        let Some((branch, commit)) = self.repositories.default_commit(repository).await? else {
            return Ok(None);
        };
        Ok(Some(Trigger {
            event: Event::RegistryPackage,
            action: Some(action.to_owned()),
            repository: repository.clone(),
            git_ref: branch,
            sha: commit.sha.clone(),
            before: None,
            actor: origin.actor.clone(),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            image_chain: origin.chain.clone(),
            inputs: Default::default(),
            payload: self.payload(repository, pushed, tag, action, &origin.actor),
            subject: commit.subject,
        }))
    }

    /// `github.event`, as far as a server without users' profiles knows it (GitHub: webhook payload
    /// `registry_package`).
    fn payload(
        &self,
        repository: &RepositoryName,
        pushed: &Pushed,
        tag: &Tag,
        action: &str,
        actor: &UserName,
    ) -> String {
        let image = pushed.repository.as_str();
        let (namespace, name) = image.split_once('/').unwrap_or(("", image));
        let page = format!("{}/{repository}/images", self.url);
        let digest = pushed.digest.as_str();
        serde_json::json!({
            "action": action,
            "registry_package": {
                "name": name,
                "namespace": namespace,
                "description": "",
                "ecosystem": "CONTAINER",
                "package_type": "CONTAINER",
                "html_url": page,
                "owner": { "login": namespace },
                "package_version": {
                    "version": digest,
                    "name": digest,
                    "html_url": page,
                    "package_url": format!("{}/{image}:{tag}", self.host),
                    "author": { "login": actor.as_str() },
                    "container_metadata": {
                        "tag": { "name": tag.as_str(), "digest": digest },
                        "manifest": { "digest": digest, "media_type": pushed.media_type, "size": pushed.size_bytes },
                    },
                },
                "registry": { "name": "Sluice", "type": "CONTAINER", "url": self.url },
            },
            "sender": { "login": actor.as_str() },
            "repository": {
                "name": repository.name(),
                "full_name": repository.as_str(),
                "owner": { "login": repository.owner(), "name": repository.owner() },
            },
        })
        .to_string()
    }
}
