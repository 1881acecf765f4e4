use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::StreamExt;
use sluice_blobs::{Algorithm, BlobEntry, Hasher};
use sluice_model::Digest;

use crate::shelf::Shelf;
use crate::{ImageRepository, Registry, RegistryError};

type Result<T> = std::result::Result<T, RegistryError>;

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbed {
    pub blobs: u64,
    pub bytes: u64,
    /// Blobs whose bytes have another digest. They are out of the way now: a push brings them back.
    pub rotten: Vec<Damage>,
    /// Blobs that a repository has, and whose bytes are not there.
    pub missing: Vec<Damage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub digest: Digest,
    /// A clause that says what is wrong.
    pub problem: String,
    /// The images that need it, each as `repository:tag`, or by its digest where no tag points to it.
    pub images: Vec<String>,
}

impl Registry {
    /// Reads every blob, at most `bytes_per_second` of them, and compares it with its digest. What is rotten is set
    /// aside, so that it is served to nobody and the next push of it is taken.
    pub async fn scrub(&self, bytes_per_second: u64) -> Result<Scrubbed> {
        let mut scrubbed = Scrubbed::default();
        let mut rotten = BTreeMap::new();
        let listed = self.blobs.list().await?;
        for blob in &listed {
            let began = tokio::time::Instant::now();
            // None where it was removed since the list was made.
            let Some(read) = self.check(blob).await? else { continue };
            scrubbed.blobs += 1;
            scrubbed.bytes += read.bytes;
            if let Some(problem) = read.problem
                && self.quarantine(blob).await?
            {
                tracing::error!(digest = %blob.digest, problem, "a blob of the registry is rotten");
                rotten.insert(blob.digest.clone(), problem);
            }
            let due = Duration::from_secs_f64(read.bytes as f64 / bytes_per_second.max(1) as f64);
            tokio::time::sleep_until(began + due).await;
        }
        let present: BTreeSet<Digest> =
            self.blobs.list().await?.into_iter().map(|blob| blob.digest).collect();
        let holders = self.shelf(Shelf::holders).await?;
        let missing =
            holders.into_keys().filter(|digest| !present.contains(digest) && !rotten.contains_key(digest));
        let missing: BTreeMap<Digest, String> =
            missing.map(|digest| (digest, "its bytes are not on the disk".to_owned())).collect();
        let hurt = self.hurt(rotten.keys().chain(missing.keys()).cloned().collect()).await?;
        let told = |damages: BTreeMap<Digest, String>| -> Vec<Damage> {
            let images = |digest: &Digest| hurt.get(digest).cloned().unwrap_or_default();
            let told = damages.into_iter().map(|(digest, problem)| Damage {
                images: images(&digest),
                digest,
                problem,
            });
            told.collect()
        };
        scrubbed.rotten = told(rotten);
        scrubbed.missing = told(missing);
        Ok(scrubbed)
    }

    /// False where the blob has gone or been replaced since it was read.
    async fn quarantine(&self, blob: &BlobEntry) -> Result<bool> {
        // A push that found these bytes has ended, and its successor will bring its own.
        let _alone = self.sweeping.alone().await;
        Ok(self.blobs.quarantine(blob).await?)
    }

    /// None where the blob is not there any more.
    async fn check(&self, blob: &BlobEntry) -> Result<Option<Read>> {
        let Some(file) = self.blobs.get(&blob.digest).await? else { return Ok(None) };
        let mut hasher = Hasher::new(Algorithm::of(&blob.digest));
        let mut bytes = 0;
        let mut pieces = file.stream(0..file.size_bytes());
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => {
                    bytes += piece.len() as u64;
                    hasher = tokio::task::spawn_blocking(move || {
                        hasher.update(&piece);
                        hasher
                    })
                    .await
                    .map_err(|join| {
                        RegistryError::at("the registry's folder".as_ref(), std::io::Error::other(join))
                    })?;
                }
                Err(error) => {
                    let problem = Some(format!("it cannot be read after {bytes} bytes: {error}"));
                    return Ok(Some(Read { bytes, problem }));
                }
            }
        }
        let actual = hasher.finish();
        let problem = (actual != blob.digest).then(|| format!("its {bytes} bytes have the digest {actual}"));
        Ok(Some(Read { bytes, problem }))
    }

    /// The images that need each of these, by way of an index or by themselves.
    async fn hurt(&self, damaged: BTreeSet<Digest>) -> Result<HashMap<Digest, Vec<String>>> {
        if damaged.is_empty() {
            return Ok(HashMap::new());
        }
        self.shelf(move |shelf| {
            let mut hurt: HashMap<Digest, Vec<String>> = HashMap::new();
            for repository in shelf.known()? {
                for (digest, images) in hurt_in(shelf, &repository, &damaged)? {
                    hurt.entry(digest).or_default().extend(images);
                }
            }
            Ok(hurt)
        })
        .await
    }
}

struct Read {
    bytes: u64,
    problem: Option<String>,
}

fn hurt_in(
    shelf: &Shelf,
    repository: &ImageRepository,
    damaged: &BTreeSet<Digest>,
) -> Result<Vec<(Digest, Vec<String>)>> {
    // What needs what, one step up.
    let mut needed_by: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for digest in shelf.manifests(repository)? {
        let Some(record) = shelf.manifest(repository, &digest)? else { continue };
        for name in record.names {
            needed_by.entry(name).or_default().push(digest.clone());
        }
        needed_by.entry(digest).or_default();
    }
    let mut tags: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for tag in shelf.tags(repository)? {
        if let Some(record) = shelf.tag(repository, &tag)? {
            tags.entry(record.digest).or_default().push(format!("{repository}:{tag}"));
        }
    }
    let mut found = Vec::new();
    for damage in damaged.iter().filter(|digest| needed_by.contains_key(digest)) {
        let (mut images, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![damage]);
        while let Some(digest) = open.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let parents = needed_by.get(digest).map(Vec::as_slice).unwrap_or_default();
            match tags.get(digest) {
                Some(tagged) => images.extend(tagged.iter().cloned()),
                None if parents.is_empty() && digest != damage => {
                    images.push(format!("{repository}@{digest}"))
                }
                None => {}
            }
            open.extend(parents);
        }
        images.sort();
        found.push((damage.clone(), images));
    }
    Ok(found)
}
