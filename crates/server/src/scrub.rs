//! The registry's bytes are read again, now and then, so that rot is found before a rollout finds it.

use std::sync::Arc;
use std::time::Duration;

use sluice_registry::{Damage, RegistryError};
use sluice_wire::{RottenBlob, ScrubReport};

use crate::app::App;

/// The first a day after the start.
const EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
const FIRST_AFTER: Duration = Duration::from_secs(24 * 3600);
/// So that a disk that serves pulls and pushes hardly notices.
const BYTES_PER_SECOND: u64 = 32 * 1024 * 1024;
/// Somebody waits for the answer.
const ASKED_BYTES_PER_SECOND: u64 = 256 * 1024 * 1024;

/// Reads everything, again and again, slowly.
pub(crate) async fn rounds(app: Arc<App>) {
    let mut pause = FIRST_AFTER;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = EVERY,
            () = app.stopping.cancelled() => return,
        }
        if let Ok(_one) = app.scrubbing.try_lock() {
            log(&app.registry.scrub(BYTES_PER_SECOND).await.map(told));
        }
    }
}

/// Reads everything now. None while another scrub goes on.
pub(crate) async fn now(app: &App) -> Option<Result<ScrubReport, RegistryError>> {
    let _one = app.scrubbing.try_lock().ok()?;
    let report = app.registry.scrub(ASKED_BYTES_PER_SECOND).await.map(told);
    log(&report);
    Some(report)
}

fn log(report: &Result<ScrubReport, RegistryError>) {
    match report {
        Ok(report) if report.rotten.is_empty() && report.missing.is_empty() => {
            tracing::info!(blobs = report.blobs, bytes = report.size_bytes, "the registry's bytes are sound");
        }
        Ok(report) => {
            for damage in report.rotten.iter().chain(&report.missing) {
                let RottenBlob { digest, problem, images } = damage;
                tracing::error!(
                    digest,
                    problem,
                    ?images,
                    "a blob of the registry is damaged: push its images again"
                );
            }
        }
        Err(error) => tracing::error!(%error, "the registry could not be scrubbed"),
    }
}

fn told(scrubbed: sluice_registry::Scrubbed) -> ScrubReport {
    let damage = |damage: Damage| {
        let Damage { digest, problem, images } = damage;
        RottenBlob { digest: digest.to_string(), problem, images }
    };
    ScrubReport {
        blobs: scrubbed.blobs,
        size_bytes: scrubbed.bytes,
        rotten: scrubbed.rotten.into_iter().map(damage).collect(),
        missing: scrubbed.missing.into_iter().map(damage).collect(),
    }
}
