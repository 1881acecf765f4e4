//! The images that were built for Docker actions: a cache, by what they were built from.

use std::path::Path;

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
