//! Images that were built for Docker actions and that no job uses any more.

use std::time::Duration;

use sluice_runner::Runner;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(24 * 3600);
/// An image that a job wants after it was removed is built again.
const UNUSED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes them: now, and then every day.
pub(crate) async fn rounds(runner: Runner, stopping: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stopping.cancelled() => return,
        }
        match runner.remove_unused_action_images(UNUSED_FOR).await {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => {
                tracing::info!(images = removed.join(" "), "removed images of actions that no job used")
            }
            Err(error) => tracing::warn!(%error, "images of actions that no job uses could not be removed"),
        }
    }
}
