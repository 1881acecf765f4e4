//! Pull-through mirrors: repositories `NAME/…` whose content comes from another registry, and is kept here.

mod blob;
mod download;
mod manifest;
mod name;
mod turns;
mod upstream;

pub(crate) use blob::Pulled;
pub use name::{InvalidMirror, MirrorOptions, Upstream};
pub(crate) use upstream::Mirror;
pub use upstream::MirrorUse;

use std::path::Path;

use crate::{ImageRepository, Registry, RegistryError, image::ImageError};

/// The mirrors of a registry; none by default.
#[derive(Default)]
pub(crate) struct Mirrors(Vec<Mirror>);

impl Mirrors {
    /// # Errors
    /// Where a mirror's name is given twice, or repositories that were pushed have its name: a mirror's content is
    /// removed when nobody uses it, and theirs must not be.
    pub fn open(options: Vec<MirrorOptions>, root: &Path) -> Result<Self, RegistryError> {
        let mut mirrors: Vec<Mirror> = Vec::new();
        for options in options {
            let name = options.name.clone();
            if mirrors.iter().any(|mirror| mirror.name() == &name) {
                return Err(RegistryError::MirrorTwice { name });
            }
            mirrors.push(Mirror::new(options).map_err(|error| upstream(&name, error))?);
        }
        mark(root, &mirrors)?;
        Ok(Self(mirrors))
    }

    /// The mirror under whose name a repository is.
    pub fn of(&self, repository: &ImageRepository) -> Option<&Mirror> {
        self.0.iter().find(|mirror| repository.is_under(mirror.name().as_str()))
    }
}

/// The file that tells a mirror's folder from one of repositories that were pushed.
const MARK: &str = "_mirror";

fn mark(root: &Path, mirrors: &[Mirror]) -> Result<(), RegistryError> {
    let entries = std::fs::read_dir(root).map_err(|error| RegistryError::at(root, error))?;
    for entry in entries {
        let folder = entry.map_err(|error| RegistryError::at(root, error))?.path();
        let is_mirror = mirrors.iter().any(|mirror| folder.ends_with(mirror.name().as_str()));
        // Whoever is a mirror no more may be pushed to.
        if !is_mirror && folder.join(MARK).exists() {
            let mark = folder.join(MARK);
            std::fs::remove_file(&mark).map_err(|error| RegistryError::at(&mark, error))?;
        }
    }
    for mirror in mirrors {
        let folder = root.join(mirror.name().as_str());
        let mark = folder.join(MARK);
        if mark.exists() {
            continue;
        }
        if folder.exists() {
            return Err(RegistryError::MirrorTaken { name: mirror.name().clone() });
        }
        let marked = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&mark, ""));
        marked.map_err(|error| RegistryError::at(&mark, error))?;
    }
    Ok(())
}

impl Registry {
    /// Whether a repository's content comes from another registry: then nobody pushes to it.
    pub fn is_mirrored(&self, repository: &ImageRepository) -> bool {
        self.mirrors.of(repository).is_some()
    }

    /// # Errors
    /// `MirrorReadOnly` where it is.
    pub(crate) fn require_own(&self, repository: &ImageRepository) -> Result<(), RegistryError> {
        match self.mirrors.of(repository) {
            None => Ok(()),
            Some(mirror) => Err(RegistryError::MirrorReadOnly {
                repository: repository.clone(),
                upstream: mirror.upstream().to_string(),
            }),
        }
    }

    /// What each mirror did since the start, and what it keeps.
    pub async fn mirrors(&self) -> Result<Vec<MirrorUse>, RegistryError> {
        let mut uses = Vec::new();
        for mirror in &self.mirrors.0 {
            let (name, blobs) = (mirror.name().clone(), self.blobs.clone());
            let held = self.shelf(move |shelf| {
                let mut held = std::collections::BTreeMap::new();
                let known = shelf.known()?;
                let under: Vec<_> = known.into_iter().filter(|found| found.is_under(name.as_str())).collect();
                for repository in &under {
                    for digest in shelf.blobs(repository)?.into_iter().chain(shelf.manifests(repository)?) {
                        let size_bytes = blobs.size_here(&digest).unwrap_or(0);
                        held.insert(digest, size_bytes);
                    }
                }
                Ok((under.len() as u64, held.values().sum::<u64>()))
            });
            let (repositories, size_bytes) = held.await?;
            uses.push(mirror.usage(repositories, size_bytes));
        }
        Ok(uses)
    }
}

/// What went wrong between a mirror and its upstream registry.
fn upstream(repository: &ImageRepository, error: ImageError) -> RegistryError {
    match error {
        ImageError::Registry(error) => error,
        source => RegistryError::Upstream { repository: repository.clone(), source: Box::new(source) },
    }
}
