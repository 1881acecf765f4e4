use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sluice_model::Digest;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::garbage::Garbage;
use crate::shelf::Shelf;
use crate::{Registry, RegistryError};

/// How many blobs are removed while a push waits.
const BATCH: usize = 128;

/// What `Registry::sweep` removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub blobs: u64,
    pub bytes: u64,
}

/// Keeps the removal of bytes and their first holders apart.
#[derive(Default)]
pub(crate) struct Sweeping {
    /// Held shared while a blob gets a holder, and alone while blobs without one are removed.
    gate: RwLock<()>,
    /// One sweep at a time.
    one: tokio::sync::Mutex<()>,
    /// What got a holder since the sweep under way began to look.
    held_meanwhile: Mutex<Option<HashSet<Digest>>>,
}

/// A blob may get a holder as long as this lives.
pub(crate) struct Holding<'s> {
    sweeping: &'s Sweeping,
    _gate: RwLockReadGuard<'s, ()>,
}

impl Sweeping {
    pub async fn hold(&self) -> Holding<'_> {
        Holding { sweeping: self, _gate: self.gate.read().await }
    }

    /// No blob gets a holder as long as this lives.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    fn meanwhile(&self) -> MutexGuard<'_, Option<HashSet<Digest>>> {
        // The set is whole at every moment, whoever panicked while holding it.
        self.held_meanwhile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding<'_> {
    /// To be said before the blob's holder is written.
    pub fn note(&self, digest: &Digest) {
        if let Some(noted) = self.sweeping.meanwhile().as_mut() {
            noted.insert(digest.clone());
        }
    }
}

/// Ends the notes, also of a sweep that is broken off.
struct Noting<'s>(&'s Sweeping);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        *self.0.meanwhile() = None;
    }
}

impl Registry {
    /// Removes the bytes of blobs that no repository has and that are older than `min_age`, and gives their number
    /// and size. Pushes go on meanwhile, but for moments of removal.
    pub async fn sweep(&self, min_age: Duration) -> Result<Swept, RegistryError> {
        let _one = self.sweeping.one.lock().await;
        let _noting = Noting(&self.sweeping);
        {
            // Whoever was about to hold a blob has done so when this is had, and the look sees it.
            let _alone = self.sweeping.alone().await;
            *self.sweeping.meanwhile() = Some(HashSet::new());
        }
        let unheld = self.unheld(min_age, &[]).await?;
        let mut swept = Swept::default();
        for batch in unheld.chunks(BATCH) {
            let _alone = self.sweeping.alone().await;
            for (digest, size_bytes) in batch {
                let is_held = self.sweeping.meanwhile().as_ref().is_some_and(|noted| noted.contains(digest));
                if !is_held && self.blobs.delete(digest).await? {
                    swept.blobs += 1;
                    swept.bytes += size_bytes;
                }
            }
        }
        Ok(swept)
    }

    /// Throws away the uploads that nobody wrote to for `idle`, and gives their number. What they left in the bucket
    /// goes too.
    pub async fn sweep_uploads(&self, idle: Duration) -> Result<usize, RegistryError> {
        for batch in self.blobs.stray_objects(idle).await?.chunks(BATCH) {
            let _alone = self.sweeping.alone().await;
            for digest in batch {
                self.blobs.remove_stray(digest).await?;
            }
        }
        Ok(self.blobs.sweep_uploads(idle).await?)
    }

    /// What `sweep` would remove once this garbage were gone.
    pub async fn would_free(&self, min_age: Duration, garbage: &[Garbage]) -> Result<Swept, RegistryError> {
        let unheld = self.unheld(min_age, garbage).await?;
        Ok(Swept { blobs: unheld.len() as u64, bytes: unheld.iter().map(|(_, size_bytes)| size_bytes).sum() })
    }

    /// The blobs that no repository has but as garbage, older than `min_age`, with their sizes in bytes.
    async fn unheld(
        &self,
        min_age: Duration,
        garbage: &[Garbage],
    ) -> Result<Vec<(Digest, u64)>, RegistryError> {
        let listed = self.blobs.list().await?;
        let mut holders = self.shelf(Shelf::holders).await?;
        for gone in garbage.iter().flat_map(|garbage| garbage.manifests.iter().chain(&garbage.blobs)) {
            if let Some(count) = holders.get_mut(&gone.what) {
                *count = count.saturating_sub(1);
            }
        }
        let now = SystemTime::now();
        let is_old = |modified| now.duration_since(modified).unwrap_or_default() >= min_age;
        let is_held = |digest: &Digest| holders.get(digest).is_some_and(|count| *count > 0);
        let unheld = listed.into_iter().filter(|blob| is_old(blob.modified) && !is_held(&blob.digest));
        Ok(unheld.map(|blob| (blob.digest, blob.size_bytes)).collect())
    }
}
