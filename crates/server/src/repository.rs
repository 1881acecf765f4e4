use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sluice_forge::{Commit, Forge, ForgeError};
use sluice_model::{CommitSha, Event, RepositoryName, Timestamp, Trigger, UserName};
use sluice_store::{Append, NewEffect, NewEvent, Store, StoreError, StoredEffect, Transaction, Write};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc, oneshot};

use crate::accounts::ADMIN;
use crate::clock::now;
use crate::stream::spell;

/// What happened to a repository: the log of its pushes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RepositoryEvent {
    /// Somebody who may began to push. Tells who it was, should the server not see the push's end.
    PushBegan {
        at: Timestamp,
        by: UserName,
    },
    RefMoved {
        at: Timestamp,
        trigger: Box<Trigger>,
    },
    RefRemoved {
        at: Timestamp,
        name: String,
        by: UserName,
    },
    /// An image of the repository, or one that it follows, was pushed.
    ImagePushed {
        at: Timestamp,
        trigger: Box<Trigger>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RepositoryEffect {
    /// Read the pipeline files at the trigger's commit and begin their runs.
    Plan { trigger: Box<Trigger> },
}

/// A push that moves more refs than this starts runs for the first of them only, and says so.
pub(crate) const MAX_TRIGGERS: usize = 50;

/// What planning a trigger gave, as lines for whoever pushed.
pub(crate) type Words = Vec<String>;

/// What follows a push.
#[derive(Default)]
pub(crate) struct Followed {
    /// One for each trigger: what planning it gave.
    pub(crate) planned: Vec<oneshot::Receiver<Words>>,
    /// Refs that moved and start nothing, for the push moved too many.
    pub(crate) left_out: usize,
}

/// The repositories: what was pushed, and what follows from it exactly once.
pub(crate) struct Repositories {
    store: Store,
    forge: Forge,
    effects: mpsc::UnboundedSender<StoredEffect>,
    /// One reconciliation of a repository at a time.
    locks: Mutex<HashMap<RepositoryName, Arc<AsyncMutex<()>>>>,
    /// Who pushed, and waits to hear what follows.
    waiting: Mutex<HashMap<String, oneshot::Sender<Words>>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
}

impl Repositories {
    pub(crate) fn new(store: Store, forge: Forge, effects: mpsc::UnboundedSender<StoredEffect>) -> Self {
        Self { store, forge, effects, locks: Mutex::default(), waiting: Mutex::default() }
    }

    pub(crate) fn stream(repository: &RepositoryName) -> String {
        format!("repository/{repository}")
    }

    /// Makes the repository where it is new, and notes who pushes.
    pub(crate) async fn begin_push(
        &self,
        repository: &RepositoryName,
        by: &UserName,
    ) -> Result<(), PushError> {
        let lock = self.lock(repository);
        let _held = lock.lock().await;
        self.forge.create(repository).await?;
        let event = RepositoryEvent::PushBegan { at: now(), by: by.clone() };
        let write = Write::AddRepository { name: repository.clone(), at: now() };
        self.append(repository, &[event], &[], vec![write]).await?;
        Ok(())
    }

    /// Turns every ref that moved since it was last looked at into a trigger, once. Gives what to tell the person.
    pub(crate) async fn end_push(
        &self,
        repository: &RepositoryName,
        by: &UserName,
    ) -> Result<Followed, PushError> {
        let lock = self.lock(repository);
        let _held = lock.lock().await;
        self.forge.settle_default_branch(repository).await?;
        self.reconcile(repository, by).await
    }

    /// The same for every repository, at start: a kill between a push and its trigger loses nothing.
    pub(crate) async fn reconcile_all(&self) -> Result<(), PushError> {
        for repository in self.store.repositories().await? {
            if !self.forge.exists(&repository) {
                continue;
            }
            let by = self.last_pusher(&repository).await?;
            self.end_push(&repository, &by).await?;
        }
        Ok(())
    }

    /// Hears what planning gave, for whoever pushed.
    pub(crate) fn planned(&self, key: &str, words: Words) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        if let Some(to) = waiting {
            // Whoever pushed may have gone.
            let _ = to.send(words);
        }
    }

    async fn reconcile(&self, repository: &RepositoryName, by: &UserName) -> Result<Followed, PushError> {
        let at = now();
        let seen: BTreeMap<String, CommitSha> =
            self.store.refs_seen(repository).await?.into_iter().map(|r| (r.name, r.sha)).collect();
        let refs: BTreeMap<String, CommitSha> =
            self.forge.refs(repository).await?.into_iter().map(|r| (r.name, r.sha)).collect();
        let (mut events, mut effects, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        let mut left_out = 0;
        for (name, sha) in refs.iter().filter(|(name, sha)| seen.get(*name) != Some(sha)) {
            let trigger = self.trigger(repository, name, sha, seen.get(name), by).await?;
            if effects.len() == MAX_TRIGGERS {
                left_out += 1;
            } else {
                effects.push((events.len(), RepositoryEffect::Plan { trigger: Box::new(trigger.clone()) }));
            }
            events.push(RepositoryEvent::RefMoved { at, trigger: Box::new(trigger) });
            let (repository, name, sha) = (repository.clone(), name.clone(), sha.clone());
            writes.push(Write::SeeRef { repository, name, sha });
        }
        for name in seen.keys().filter(|name| !refs.contains_key(*name)) {
            events.push(RepositoryEvent::RefRemoved { at, name: name.clone(), by: by.clone() });
            writes.push(Write::ForgetRef { repository: repository.clone(), name: name.clone() });
        }
        if events.is_empty() {
            return Ok(Followed::default());
        }
        let stored = self.append(repository, &events, &effects, writes).await?;
        let mut planned = Vec::new();
        for effect in stored {
            let (sender, receiver) = oneshot::channel();
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.insert(effect.key.to_string(), sender);
            drop(waiting);
            planned.push(receiver);
            // The courier has gone only when the server ends; the outbox still has the effect.
            let _ = self.effects.send(effect);
        }
        Ok(Followed { planned, left_out })
    }

    async fn trigger(
        &self,
        repository: &RepositoryName,
        name: &str,
        sha: &CommitSha,
        before: Option<&CommitSha>,
        by: &UserName,
    ) -> Result<Trigger, PushError> {
        let commit = self.forge.commit(repository, sha).await?;
        let changed_paths = match before {
            Some(before) => self.forge.changed_paths(repository, before, sha).await?,
            None => None,
        };
        Ok(Trigger {
            event: Event::Push,
            action: None,
            repository: repository.clone(),
            git_ref: name.to_owned(),
            sha: sha.clone(),
            before: before.cloned(),
            actor: by.clone(),
            base_ref: None,
            head_ref: None,
            changed_paths,
            image_chain: Vec::new(),
            inputs: BTreeMap::new(),
            payload: payload(repository, name, &commit, before, by),
            subject: commit.subject,
        })
    }

    /// Held while what is known of a repository is compared and written down.
    pub(crate) async fn hold(&self, repository: &RepositoryName) -> OwnedMutexGuard<()> {
        self.lock(repository).lock_owned().await
    }

    /// The default branch, as a whole ref, and its commit.
    pub(crate) async fn default_commit(
        &self,
        repository: &RepositoryName,
    ) -> Result<Option<(String, Commit)>, PushError> {
        if !self.forge.exists(repository) {
            return Ok(None);
        }
        let Some(branch) = self.forge.default_branch(repository).await? else { return Ok(None) };
        let commit = self.forge.commit(repository, &branch.sha).await?;
        Ok(Some((branch.name, commit)))
    }

    /// Writes down what happened and what is to follow, at once; then it is done.
    pub(crate) async fn record(
        &self,
        repository: &RepositoryName,
        event: RepositoryEvent,
        effect: RepositoryEffect,
        write: Write,
    ) -> Result<(), PushError> {
        for effect in self.append(repository, &[event], &[(0, effect)], vec![write]).await? {
            // The courier has gone only when the server ends; the outbox still has the effect.
            let _ = self.effects.send(effect);
        }
        Ok(())
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        events: &[RepositoryEvent],
        effects: &[(usize, RepositoryEffect)],
        writes: Vec<Write>,
    ) -> Result<Vec<StoredEffect>, StoreError> {
        let stream = Self::stream(repository);
        let expected = self.store.last_sequence(&stream).await?;
        let mut append = Append { stream, expected, at: now(), events: Vec::new(), effects: Vec::new() };
        for event in events {
            let (kind, body) = spell(event)?;
            append.events.push(NewEvent { kind, body });
        }
        for (event, effect) in effects {
            let (kind, body) = spell(effect)?;
            append.effects.push(NewEffect { event: *event, kind, body });
        }
        let committed = self.store.commit(Transaction { appends: vec![append], writes }).await?;
        Ok(committed.effects)
    }

    async fn last_pusher(&self, repository: &RepositoryName) -> Result<UserName, StoreError> {
        let events = self.store.events(&Self::stream(repository), 0).await?;
        let pusher = events.iter().rev().find_map(|stored| match serde_json::from_str(&stored.body) {
            Ok(RepositoryEvent::PushBegan { by, .. }) => Some(by),
            _ => None,
        });
        Ok(pusher.unwrap_or_else(|| UserName::new(ADMIN)))
    }

    fn lock(&self, repository: &RepositoryName) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(repository.clone()).or_default().clone()
    }
}

/// `github.event` of a push, as far as a server without users' profiles knows it (GitHub: webhook payload `push`).
fn payload(
    repository: &RepositoryName,
    git_ref: &str,
    commit: &Commit,
    before: Option<&CommitSha>,
    by: &UserName,
) -> String {
    let zeros = "0".repeat(commit.sha.as_str().len());
    serde_json::json!({
        "ref": git_ref,
        "before": before.map_or(zeros.as_str(), CommitSha::as_str),
        "after": commit.sha.as_str(),
        "created": before.is_none(),
        "deleted": false,
        "head_commit": {
            "id": commit.sha.as_str(),
            "message": commit.subject,
            "author": { "name": commit.author_name, "email": commit.author_email },
        },
        "pusher": { "name": by.as_str() },
        "sender": { "login": by.as_str() },
        "repository": {
            "name": repository.name(),
            "full_name": repository.as_str(),
            "owner": { "login": repository.owner(), "name": repository.owner() },
        },
    })
    .to_string()
}
