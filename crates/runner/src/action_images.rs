//! The images that were built for Docker actions: a cache, by what they were built from.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sluice_docker::{Engine, EngineError, LABEL_OWNER, Labels};

const REPOSITORY: &str = "sluice-action";

/// The name of the image of a folder with this digest, in hexadecimal digits.
pub fn name_of(digest: &str) -> String {
    format!("{REPOSITORY}:{}", &digest[..32])
}

/// Says which data folder an image was built for first.
pub fn labels(owner: &str) -> Labels {
    Labels::of_owner(owner)
}

/// Notes that a job uses an image now. Called before it is looked for, so that it is not removed in between.
pub fn mark_used(data_dir: &Path, name: &str) -> io::Result<()> {
    let mark = mark_of(data_dir, name);
    if let Some(folder) = mark.parent() {
        std::fs::create_dir_all(folder)?;
    }
    File::create(mark)?.set_modified(SystemTime::now())
}

/// The file whose time says when an image was used last.
fn mark_of(data_dir: &Path, name: &str) -> PathBuf {
    let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
    data_dir.join("runner/action-images").join(tag)
}

/// Removes the images of a data folder that no job has used for so long, and tells their names. One that was built before
/// its use was noted counts as used now; one that is in use, by a container that goes on, stays.
///
/// # Errors
/// Where the engine does not tell what there is, or a note cannot be written.
pub async fn remove_unused_action_images(
    data_dir: &Path,
    engine: &Engine,
    unused_for: Duration,
) -> Result<Vec<String>, UnusedError> {
    let owner = std::fs::read_to_string(data_dir.join("runner/owner")).unwrap_or_default();
    let mut removed = Vec::new();
    for image in engine.list_images(REPOSITORY).await? {
        if image.labels.get(LABEL_OWNER).is_none_or(|of| of != owner.trim()) {
            continue;
        }
        let mark = mark_of(data_dir, &image.id);
        match std::fs::metadata(&mark).and_then(|seen| seen.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => mark_used(data_dir, &image.id)?,
            Err(error) => return Err(error.into()),
            Ok(used) if !is_past(used, unused_for) => {}
            Ok(_) => match engine.remove_image(&image.id).await {
                Ok(()) => {
                    let _ = std::fs::remove_file(&mark);
                    removed.push(image.id);
                }
                Err(error) => tracing::warn!(%error, image = image.id, "an action's image stays for now"),
            },
        }
    }
    Ok(removed)
}

fn is_past(used: SystemTime, unused_for: Duration) -> bool {
    SystemTime::now().duration_since(used).is_ok_and(|age| age >= unused_for)
}

/// Why unused images were not looked through.
#[derive(Debug, thiserror::Error)]
pub enum UnusedError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the notes of when images of actions were used: {0}")]
    Notes(#[from] io::Error),
}

/// Removes the images that were built for Docker actions of jobs of a data folder, and tells their names. Those of other
/// data folders stay.
///
/// # Errors
/// What the engine says, about an image that is in use above all; the others are removed all the same.
pub async fn remove_action_images(data_dir: &Path, engine: &Engine) -> Result<Vec<String>, EngineError> {
    let owner = std::fs::read_to_string(data_dir.join("runner/owner")).unwrap_or_default();
    let mut outcome = Ok(());
    let mut removed = Vec::new();
    for image in engine.list_images(REPOSITORY).await? {
        // One without the label is nobody's.
        if image.labels.get(LABEL_OWNER).is_none_or(|of| of == owner.trim()) {
            match engine.remove_image(&image.id).await {
                Ok(()) => removed.push(image.id),
                Err(error) => outcome = Err(error),
            }
        }
    }
    outcome.map(|()| removed)
}
