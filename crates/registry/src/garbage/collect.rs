use std::collections::BTreeMap;

use sluice_model::{Digest, Timestamp};

use super::{BlobEntry, Garbage, Gone, Inventory, Keeping, ManifestEntry, TagEntry, decide};
use crate::registry::now;
use crate::shelf::Shelf;
use crate::{ImageRepository, Registry, RegistryError, Tag};

type Result<T> = std::result::Result<T, RegistryError>;

/// How much goes while a push waits.
const BATCH: usize = 32;
/// So often a push may come between the decision and its execution; then the push has to wait.
const TRIES: u32 = 5;

/// What is removed in one go.
enum Batch {
    Tags(Vec<Gone<Tag>>),
    Manifests(Vec<Gone<Digest>>),
    Blobs(Vec<(Gone<Digest>, Timestamp)>),
}

impl Registry {
    /// What would go from a repository now.
    pub async fn garbage(&self, repository: &ImageRepository, keeping: &Keeping) -> Result<Garbage> {
        let inventory = self.inventory(repository).await?;
        Ok(decide(&inventory, &self.complete(repository, keeping), now()))
    }

    /// Removes what goes from a repository, and gives what went. Pushes go on: what is removed is decided on what no
    /// push has changed since, and a push waits for a few removals at most.
    ///
    /// The bytes go with `sweep`, where no other repository has them.
    pub async fn collect(&self, repository: &ImageRepository, keeping: &Keeping) -> Result<Garbage> {
        let keeping = self.complete(repository, keeping);
        self.collect_keeping(repository, &keeping).await
    }

    /// Removes what of a mirror nobody has asked for within the last hour.
    pub(crate) async fn collect_unused(&self, repository: &ImageRepository) -> Result<Garbage> {
        let keeping = Keeping { unused_days: Some(0), ..Keeping::default() };
        self.collect_keeping(repository, &keeping).await
    }

    async fn collect_keeping(&self, repository: &ImageRepository, keeping: &Keeping) -> Result<Garbage> {
        let mut gone = Garbage::default();
        for attempt in 0.. {
            if self.try_collect(repository, keeping, attempt >= TRIES, &mut gone).await? {
                break;
            }
        }
        if !gone.blobs.is_empty() || !gone.manifests.is_empty() {
            self.usage.forget(repository);
        }
        Ok(gone)
    }

    /// True when all of it is done; false when a push came between. `alone`: pushes wait from the look on, and one
    /// batch goes.
    async fn try_collect(
        &self,
        repository: &ImageRepository,
        keeping: &Keeping,
        alone: bool,
        gone: &mut Garbage,
    ) -> Result<bool> {
        let held = if alone { Some(self.lock(repository).write().await) } else { None };
        let seen = match &held {
            Some(changes) => **changes,
            None => *self.lock(repository).read().await,
        };
        let inventory = self.inventory(repository).await?;
        let mut batches = batches(decide(&inventory, keeping, now()), &inventory).into_iter();
        if held.is_some() {
            if let Some(batch) = batches.next() {
                self.remove(repository, batch, gone).await?;
            }
            return Ok(batches.next().is_none());
        }
        for batch in batches {
            let changes = self.lock(repository).write().await;
            if *changes != seen {
                return Ok(false);
            }
            self.remove(repository, batch, gone).await?;
        }
        Ok(true)
    }

    /// With what the registry itself knows about a repository.
    fn complete(&self, repository: &ImageRepository, keeping: &Keeping) -> Keeping {
        let mut keeping = keeping.clone();
        if let Some(mirror) = self.mirrors.of(repository) {
            // No rule is about content that is not of this server: it can be had again.
            return Keeping { unused_days: Some(mirror.unused_days()), retention: Vec::new(), ..keeping };
        }
        keeping.immutable.extend_from_slice(self.immutable_tags());
        keeping
    }

    async fn inventory(&self, repository: &ImageRepository) -> Result<Inventory> {
        let (name, blobs) = (repository.clone(), self.blobs.clone());
        let is_mirrored = self.is_mirrored(repository);
        self.shelf(move |shelf| {
            let size = |digest: &Digest| blobs.size_here(digest).unwrap_or(0);
            read_inventory(shelf, &name, is_mirrored, size)
        })
        .await
    }

    /// Called with the repository's lock held.
    async fn remove(&self, repository: &ImageRepository, batch: Batch, gone: &mut Garbage) -> Result<()> {
        let name = repository.clone();
        let batch = self.shelf(move |shelf| remove(shelf, &name, batch)).await?;
        match batch {
            Batch::Tags(tags) => gone.tags.extend(tags),
            Batch::Manifests(manifests) => gone.manifests.extend(manifests),
            Batch::Blobs(blobs) => gone.blobs.extend(blobs.into_iter().map(|(blob, _)| blob)),
        }
        Ok(())
    }
}

fn read_inventory(
    shelf: &Shelf,
    repository: &ImageRepository,
    is_mirrored: bool,
    size: impl Fn(&Digest) -> u64,
) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    for tag in shelf.tags(repository)? {
        if let Some(record) = shelf.tag(repository, &tag)? {
            inventory.tags.insert(tag, TagEntry { digest: record.digest, set: record.at });
        }
    }
    for digest in shelf.manifests(repository)? {
        let Some(record) = shelf.manifest(repository, &digest)? else { continue };
        let mut pushed = record.pushes.last().map_or(Timestamp(0), |push| push.at);
        if is_mirrored && let Some(wanted) = shelf.manifest_wanted(repository, &digest)? {
            pushed = pushed.max(wanted);
        }
        let (size_bytes, subject, names) = (record.size_bytes, record.subject, record.names);
        inventory.manifests.insert(digest, ManifestEntry { size_bytes, subject, names, pushed });
    }
    for digest in shelf.blobs(repository)? {
        if let Some(wanted) = shelf.blob_wanted(repository, &digest)? {
            let size_bytes = size(&digest);
            inventory.blobs.insert(digest, BlobEntry { size_bytes, wanted });
        }
    }
    Ok(inventory)
}

fn batches(garbage: Garbage, inventory: &Inventory) -> Vec<Batch> {
    let Garbage { tags, manifests, blobs } = garbage;
    let wanted: BTreeMap<_, _> = inventory.blobs.iter().map(|(digest, blob)| (digest, blob.wanted)).collect();
    let blobs: Vec<_> =
        blobs.into_iter().filter_map(|blob| wanted.get(&blob.what).map(|at| (blob, *at))).collect();
    let tags = tags.chunks(BATCH).map(|chunk| Batch::Tags(chunk.to_vec()));
    let manifests = manifests.chunks(BATCH).map(|chunk| Batch::Manifests(chunk.to_vec()));
    let blobs = blobs.chunks(BATCH).map(|chunk| Batch::Blobs(chunk.to_vec()));
    tags.chain(manifests).chain(blobs).collect()
}

/// Removes a batch, and gives what of it was there and went.
fn remove(shelf: &Shelf, repository: &ImageRepository, batch: Batch) -> Result<Batch> {
    Ok(match batch {
        Batch::Tags(tags) => {
            let names: Vec<Tag> = tags.iter().map(|gone| gone.what.clone()).collect();
            shelf.remove_tags(repository, &names)?;
            Batch::Tags(tags)
        }
        Batch::Manifests(manifests) => {
            for gone in &manifests {
                let record = shelf.manifest(repository, &gone.what)?;
                shelf.remove_manifest(repository, &gone.what)?;
                if let Some(subject) = record.and_then(|record| record.subject) {
                    shelf.remove_referrer(repository, &subject, &gone.what)?;
                }
            }
            Batch::Manifests(manifests)
        }
        Batch::Blobs(mut blobs) => {
            // What a client has asked about meanwhile is about to be named.
            let mut unwanted = Vec::new();
            for (gone, wanted) in blobs.drain(..) {
                if shelf.blob_wanted(repository, &gone.what)? == Some(wanted) {
                    unwanted.push((gone, wanted));
                }
            }
            let digests: Vec<Digest> = unwanted.iter().map(|(gone, _)| gone.what.clone()).collect();
            shelf.unlink_blobs(repository, &digests)?;
            Batch::Blobs(unwanted)
        }
    })
}
