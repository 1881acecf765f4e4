use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_model::Digest;

use crate::{ImageRepository, Registry, RegistryError};

/// How many bytes repositories may hold, each blob and manifest counted once. None by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Of each repository that is not named.
    pub each_bytes: Option<u64>,
    pub named_bytes: BTreeMap<ImageRepository, u64>,
}

impl Quotas {
    pub fn of(&self, repository: &ImageRepository) -> Option<u64> {
        self.named_bytes.get(repository).copied().or(self.each_bytes)
    }
}

/// A push would make its repository hold more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{repository}` may hold {quota_bytes} bytes here and has {used_bytes}, so that this does not fit: remove tags that \
     are not needed (what they held is freed within two hours), or ask an administrator for more"
)]
pub struct OverQuota {
    pub repository: ImageRepository,
    pub quota_bytes: u64,
    pub used_bytes: u64,
}

/// What a repository with a quota may still take.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub left_bytes: u64,
    pub refusal: OverQuota,
}

impl Room {
    pub fn admit(&self, more_bytes: u64) -> Result<(), OverQuota> {
        if more_bytes > self.left_bytes { Err(self.refusal.clone()) } else { Ok(()) }
    }
}

/// What the repositories with a quota hold, counted when it is first asked for.
#[derive(Default)]
pub(crate) struct Usage(Mutex<HashMap<ImageRepository, u64>>);

impl Usage {
    pub fn forget(&self, repository: &ImageRepository) {
        self.lock().remove(repository);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ImageRepository, u64>> {
        // The map is whole at every moment, whoever panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// None where the repository has no quota.
    pub(crate) async fn room(&self, repository: &ImageRepository) -> Result<Option<Room>, RegistryError> {
        let Some(quota_bytes) = self.quotas.of(repository) else { return Ok(None) };
        let known = self.usage.lock().get(repository).copied();
        let used_bytes = match known {
            Some(used_bytes) => used_bytes,
            None => {
                let used_bytes = self.count(repository).await?;
                self.usage.lock().insert(repository.clone(), used_bytes);
                used_bytes
            }
        };
        let refusal = OverQuota { repository: repository.clone(), quota_bytes, used_bytes };
        Ok(Some(Room { left_bytes: quota_bytes.saturating_sub(used_bytes), refusal }))
    }

    /// What a repository has got: called with its lock held.
    pub(crate) fn grew(&self, repository: &ImageRepository, more_bytes: u64) {
        if let Some(used_bytes) = self.usage.lock().get_mut(repository) {
            *used_bytes += more_bytes;
        }
    }

    async fn count(&self, repository: &ImageRepository) -> Result<u64, RegistryError> {
        let (name, blobs) = (repository.clone(), self.blobs.clone());
        self.shelf(move |shelf| {
            let size = |digest: &Digest| blobs.size_here(digest).unwrap_or(0);
            let held = shelf.blobs(&name)?.into_iter().chain(shelf.manifests(&name)?);
            Ok(held.map(|digest| size(&digest)).sum())
        })
        .await
    }
}
