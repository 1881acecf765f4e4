use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_model::Digest;
use tokio::sync::Semaphore;

use super::download::Download;
use super::turns::Turns;
use super::{MirrorOptions, Upstream, upstream};
use crate::image::{ImageError, remote::Remote};
use crate::{ImageRepository, RegistryError};

/// How long an upstream registry that could not be reached is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// A registry that does not take a connection for so long cannot be reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Past so many repositories, connections and tokens are asked for anew.
const REMOTES_KEPT: usize = 1024;
/// So many blobs come from one upstream registry at once; others wait.
const DOWNLOADS: usize = 64;

/// One upstream registry, and what is known of it.
pub(crate) struct Mirror {
    options: MirrorOptions,
    client: reqwest::Client,
    remotes: Mutex<HashMap<ImageRepository, Arc<Remote>>>,
    away: Mutex<Option<Away>>,
    pub(super) turns: Turns,
    pub(super) downloads: Mutex<HashMap<(ImageRepository, Digest), Arc<Download>>>,
    pub(super) slots: Arc<Semaphore>,
    counts: Counts,
}

/// Since when, by this process' clock, and why.
#[derive(Debug, Clone)]
struct Away {
    noticed: Instant,
    problem: String,
}

#[derive(Default)]
struct Counts {
    cached: AtomicU64,
    fetched: AtomicU64,
    fetched_bytes: AtomicU64,
}

/// What a mirror did since the start, and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorUse {
    pub name: ImageRepository,
    /// Host, port and path.
    pub upstream: String,
    pub repositories: u64,
    /// Each blob and manifest once.
    pub size_bytes: u64,
    /// Manifests and blobs that were served out of what is kept.
    pub cached: u64,
    /// Manifests and blobs that came from upstream.
    pub fetched: u64,
    pub fetched_bytes: u64,
    /// Why the upstream registry cannot be reached at present.
    pub problem: Option<String>,
}

impl Mirror {
    pub fn new(options: MirrorOptions) -> Result<Self, ImageError> {
        let client = crate::image::remote::client(&options.upstream.endpoint, CONNECT_WITHIN)?;
        Ok(Self {
            options,
            client,
            remotes: Mutex::default(),
            away: Mutex::default(),
            turns: Turns::default(),
            downloads: Mutex::default(),
            slots: Arc::new(Semaphore::new(DOWNLOADS)),
            counts: Counts::default(),
        })
    }

    pub fn name(&self) -> &ImageRepository {
        &self.options.name
    }

    pub fn upstream(&self) -> &Upstream {
        &self.options.upstream
    }

    pub fn tag_age_ms(&self) -> i64 {
        i64::try_from(self.options.tag_age.as_millis()).unwrap_or(i64::MAX)
    }

    pub fn unused_days(&self) -> u32 {
        self.options.unused_days
    }

    pub fn usage(&self, repositories: u64, size_bytes: u64) -> MirrorUse {
        MirrorUse {
            name: self.options.name.clone(),
            upstream: self.options.upstream.to_string(),
            repositories,
            size_bytes,
            cached: self.counts.cached.load(Relaxed),
            fetched: self.counts.fetched.load(Relaxed),
            fetched_bytes: self.counts.fetched_bytes.load(Relaxed),
            problem: lock(&self.away).as_ref().map(|away| away.problem.clone()),
        }
    }

    pub fn count_cached(&self) {
        self.counts.cached.fetch_add(1, Relaxed);
    }

    pub fn count_fetched(&self, size_bytes: u64) {
        self.counts.fetched.fetch_add(1, Relaxed);
        self.counts.fetched_bytes.fetch_add(size_bytes, Relaxed);
    }

    /// The upstream end of a repository of this mirror; none where its name has no counterpart.
    pub fn remote(&self, repository: &ImageRepository) -> Option<Arc<Remote>> {
        let rest = repository.as_str().strip_prefix(self.options.name.as_str())?.strip_prefix('/')?;
        let name = self.options.upstream.repository(rest)?;
        let mut remotes = lock(&self.remotes);
        if remotes.len() >= REMOTES_KEPT {
            remotes.clear();
        }
        let new = || {
            let endpoint = self.options.upstream.endpoint.clone();
            Arc::new(Remote::with_client(self.client.clone(), endpoint, name.clone()))
        };
        Some(remotes.entry(name.clone()).or_insert_with(new).clone())
    }

    /// Asks the upstream registry something. One that could not be reached a moment ago is not asked.
    pub async fn ask<T>(
        &self,
        repository: &ImageRepository,
        asking: impl Future<Output = Result<T, ImageError>>,
    ) -> Result<T, RegistryError> {
        let known = lock(&self.away).clone().filter(|away| away.noticed.elapsed() < LEFT_ALONE);
        if let Some(away) = known {
            return Err(RegistryError::UpstreamAway {
                repository: repository.clone(),
                problem: away.problem,
            });
        }
        let answer = asking.await;
        match &answer {
            Err(error @ ImageError::Unreachable { .. }) => {
                let problem = error.to_string();
                tracing::warn!(mirror = %self.options.name, problem, "a mirror's upstream registry is away");
                *lock(&self.away) = Some(Away { noticed: Instant::now(), problem });
            }
            _ => *lock(&self.away) = None,
        }
        answer.map_err(|error| match error {
            away if is_away(&away) => {
                RegistryError::UpstreamAway { repository: repository.clone(), problem: away.to_string() }
            }
            other => upstream(repository, other),
        })
    }
}

/// True where the upstream registry gave no answer that means anything: then what is kept is as good as ever.
fn is_away(error: &ImageError) -> bool {
    match error {
        ImageError::Unreachable { .. } => true,
        ImageError::Answer { status, .. } => matches!(status, 408 | 429 | 500..),
        _ => false,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // All of these are whole at every moment, whoever panicked while holding them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
