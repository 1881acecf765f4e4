use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_model::{Conclusion, Timestamp};
use sluice_wire::{JobEvent, Level, Stream};
use tokio::sync::mpsc;

use super::{Masker, StepLog};

/// The most text of one event.
const TEXT_LIMIT: usize = 64 * 1024;

/// The events of one job, masked. Cheap to clone.
#[derive(Clone)]
pub struct JobLog {
    events: mpsc::Sender<JobEvent>,
    masker: Arc<RwLock<Arc<Masker>>>,
}

/// The runner is an edge: it reads the clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl JobLog {
    pub fn new<'a>(events: mpsc::Sender<JobEvent>, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let masker = Arc::new(Masker::default().with(secrets));
        Self { events, masker: Arc::new(RwLock::new(masker)) }
    }

    pub fn masker(&self) -> Arc<Masker> {
        self.masker.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hides one more text from now on.
    pub fn add_mask(&self, secret: &str) {
        let mut masker = self.masker.write().unwrap_or_else(PoisonError::into_inner);
        *masker = Arc::new(masker.with([secret]));
    }

    pub fn step(&self, step: u32) -> StepLog {
        StepLog::new(self.clone(), step)
    }

    /// What the runner itself has to say in a step: a line, or more.
    pub async fn say(&self, step: u32, text: impl AsRef<str>) {
        let mut text = text.as_ref().to_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let masked = self.masker().mask(text.as_bytes()).into_owned();
        self.output(step, Stream::Runner, &masked).await;
    }

    pub async fn prepared(&self, executor: &str) {
        self.send(JobEvent::Prepared { executor: executor.to_owned(), at: now() }).await;
    }

    pub async fn step_started(&self, step: u32, name: &str) {
        let name = self.masker().mask_text(name);
        self.send(JobEvent::StepStarted { step, name, at: now() }).await;
    }

    pub async fn step_finished(
        &self,
        step: u32,
        outcome: Conclusion,
        conclusion: Conclusion,
        exit_code: Option<i32>,
    ) {
        self.send(JobEvent::StepFinished { step, outcome, conclusion, exit_code, at: now() }).await;
    }

    pub async fn annotation(
        &self,
        step: u32,
        level: Level,
        message: &str,
        file: Option<String>,
        line: Option<u32>,
    ) {
        let masker = self.masker();
        let file = file.map(|file| masker.mask_text(&file));
        self.send(JobEvent::Annotation { step, level, message: masker.mask_text(message), file, line }).await;
    }

    pub async fn summary(&self, step: u32, text: &str) {
        self.send(JobEvent::Summary { step, text: self.masker().mask_text(text) }).await;
    }

    pub async fn artifact_stored(&self, name: &str, files: u64, size_bytes: u64) {
        self.send(JobEvent::ArtifactStored { name: self.masker().mask_text(name), files, size_bytes }).await;
    }

    pub async fn tests_stored(&self, passed: u64, failed: u64, skipped: u64) {
        self.send(JobEvent::TestsStored { passed, failed, skipped }).await;
    }

    /// Output that is masked already, in events of at most 64 KiB that end with a line where they can.
    pub(super) async fn output(&self, step: u32, stream: Stream, masked: &[u8]) {
        let mut rest = masked;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_length(rest));
            rest = after;
            let text = String::from_utf8_lossy(piece).into_owned();
            self.send(JobEvent::Output { step, stream, text, at: now() }).await;
        }
    }

    /// Waits while the listener is behind; a listener that has gone is no reason to stop the job.
    async fn send(&self, event: JobEvent) {
        let _ = self.events.send(event).await;
    }
}

fn piece_length(text: &[u8]) -> usize {
    if text.len() <= TEXT_LIMIT {
        return text.len();
    }
    let head = &text[..TEXT_LIMIT];
    match memchr::memrchr(b'\n', head) {
        Some(newline) => newline + 1,
        None => character_boundary(text, TEXT_LIMIT),
    }
}

/// The greatest length up to `most` that cuts no UTF-8 character.
pub(super) fn character_boundary(text: &[u8], most: usize) -> usize {
    let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let back =
        (0..most.min(4)).find(|back| !text.get(most - back).is_some_and(|byte| is_continuation(*byte)));
    most - back.unwrap_or(0)
}
