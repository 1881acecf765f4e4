use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_forge::Forge;
use sluice_model::{EnvironmentName, JobId, RepositoryName, RunId, Timestamp};
use sluice_registry::Registry;
use sluice_store::{RunFilter, RunRow, Store};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::agent::Agent;
use crate::change::Changes;
use crate::deliveries::Deliveries;
use crate::gates;
use crate::groups::Groups;
use crate::image_claims::ImageClaims;
use crate::log::Logs;
use crate::options::Options;
use crate::record::RunRecord;
use crate::refusal::Refusal;
use crate::repository::Repositories;
use crate::rollouts::Rollouts;
use crate::runs::Runs;
use crate::signing::Signing;

/// All that a request or an effect needs. Made once, shared by everything.
pub(crate) struct App {
    pub(crate) options: Options,
    /// `http://127.0.0.1:7000`
    pub(crate) url: String,
    pub(crate) started: Timestamp,
    pub(crate) store: Store,
    pub(crate) accounts: Accounts,
    pub(crate) forge: Forge,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) claims: ImageClaims,
    pub(crate) logs: Logs,
    pub(crate) agent: Agent,
    pub(crate) registry: Arc<Registry>,
    /// Held by the one scrub of the registry that goes on.
    pub(crate) scrubbing: tokio::sync::Mutex<()>,
    pub(crate) rollouts: Rollouts,
    pub(crate) signing: Signing,
    pub(crate) changes: Changes,
    pub(crate) counters: Counters,
    /// Set when the server ends: streams end by themselves then.
    pub(crate) stopping: CancellationToken,
}

/// What `/metrics` counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) pushes: AtomicU64,
    pub(crate) runs_started: AtomicU64,
    pub(crate) runs_ended: AtomicU64,
    pub(crate) streams: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl App {
    /// The row of a run by its number in its repository.
    pub(crate) async fn row(&self, repository: &RepositoryName, number: u64) -> Result<RunRow, Refusal> {
        let row = self.store.run_by_number(repository, number).await?;
        row.ok_or_else(|| Refusal::not_found(format!("there is no run {number} in {repository}")))
    }

    /// A run as lists show it, with the environments that its gates stand for and the holders of the groups that it
    /// waits for.
    pub(crate) async fn record(&self, row: &RunRow) -> Result<RunRecord, Refusal> {
        let mut record = RunRecord::read(&row.summary)?;
        if !record.summary.queued.is_empty()
            && let Some(run) = self.runs.state(row.id).await?.run()
        {
            record.summary.queued = self.groups.queued(run).await?;
        }
        if !record.summary.waiting.is_empty() {
            let delivery = self.deliveries.state(&row.repository).await?;
            for waiting in &mut record.summary.waiting {
                waiting.environment =
                    gates::environment_of(&delivery, &waiting.gate).map(|name| name.to_string());
            }
        }
        Ok(record)
    }

    /// The gates of open runs that stand for an environment: run, its number, the job.
    pub(crate) async fn waiting_for(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
    ) -> Result<Vec<(RunId, u64, JobId)>, Refusal> {
        let filter = RunFilter {
            repository: Some(repository.clone()),
            ended: Some(false),
            limit: 1000,
            ..RunFilter::default()
        };
        let mut found = Vec::new();
        for row in self.store.runs(filter).await? {
            for waiting in self.record(&row).await?.summary.waiting {
                if waiting.environment.as_deref() == Some(environment.as_str()) {
                    found.push((row.id, row.number, waiting.job));
                }
            }
        }
        Ok(found)
    }

    /// A repository that has been pushed to.
    pub(crate) async fn must_exist(&self, repository: &RepositoryName) -> Result<(), Refusal> {
        if self.forge.exists(repository) {
            return Ok(());
        }
        let url = format!("{}/{repository}.git", self.url);
        Err(Refusal::not_found(format!("there is no repository {repository}; `git push {url}` makes it")))
    }

    /// Where people see a run.
    pub(crate) fn run_url(&self, repository: &RepositoryName, number: u64) -> String {
        format!("{}{}", self.url, sluice_view::paths::run(repository, number))
    }
}
