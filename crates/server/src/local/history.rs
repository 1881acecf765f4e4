use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_engine::{self as engine, Command};
use sluice_model::{AgentId, InstanceId, RunId, UserName};
use sluice_store::{Durability, RunFilter, RunRow, Store, StoreError, Write};
use sluice_wire::{RunDetail, RunState, RunSummary, TestCase};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::control::{Request, ask};
use super::{person, process};
use crate::agent::BUILT_IN;
use crate::change::Changes;
use crate::log::{LogKey, Logs};
use crate::present;
use crate::record::RunRecord;
use crate::runs::{RunError, Runs};

/// What ran in a state folder, and what runs there now, perhaps in other processes.
pub struct History {
    state: PathBuf,
    store: Store,
    runs: Arc<Runs>,
    logs: Logs,
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("there is no run {0} here; `sluice runs` lists those that there are")]
    NoRun(u64),
    #[error("run {run} has no job `{instance}`; `sluice logs {run}` lists its jobs")]
    NoJob { run: u64, instance: InstanceId },
    #[error("`{instance}` of run {run} has not begun")]
    NotBegun { run: u64, instance: InstanceId },
    #[error("no process runs {0} any more")]
    NotDriven(u64),
    #[error("run {run}: {reason}")]
    Refused { run: u64, reason: String },
    #[error("the state folder {path} cannot be used: {error}")]
    Folder { path: String, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl History {
    /// None: nothing ever ran in this folder.
    pub fn open(state: &Path) -> Result<Option<Self>, HistoryError> {
        let database = state.join("sluice.db");
        if !database.exists() {
            return Ok(None);
        }
        Ok(Some(Self::of(state, Store::open_with(&database, Durability::Process)?)))
    }

    pub(super) fn of(state: &Path, store: Store) -> Self {
        // Nobody performs effects here: commands of this process only ever end runs that nobody drives.
        let (effects, _) = mpsc::unbounded_channel();
        let runs = Arc::new(Runs::new(store.clone(), effects, Changes::new()));
        Self { state: state.to_owned(), store, runs, logs: Logs::new(state.join("logs")) }
    }

    /// The newest runs first, each as it truly stands: one that was cut off says so. `git_ref` is a short name or a
    /// whole ref.
    pub async fn runs(&self, git_ref: Option<&str>, limit: u32) -> Result<Vec<RunSummary>, HistoryError> {
        let is_wanted = |row: &RunRow| {
            git_ref.is_none_or(|wanted| {
                let short =
                    row.git_ref.strip_prefix("refs/heads/").or(row.git_ref.strip_prefix("refs/tags/"));
                row.git_ref == wanted || short == Some(wanted)
            })
        };
        let mut summaries = Vec::new();
        let mut filter = RunFilter { limit: PAGE, ..RunFilter::default() };
        loop {
            let rows = self.store.runs(filter.clone()).await?;
            filter.before = rows.last().map(|row| row.id);
            let is_last = rows.len() < PAGE as usize;
            for row in rows.into_iter().filter(is_wanted) {
                if summaries.len() == limit as usize {
                    return Ok(summaries);
                }
                summaries.push(self.settled(row).await?);
            }
            if is_last {
                return Ok(summaries);
            }
        }
    }

    pub async fn run(&self, number: u64) -> Result<RunDetail, HistoryError> {
        let summary = self.settled(self.row(number).await?).await?;
        let state = self.state(number).await?;
        let jobs = state.run().map(present::jobs).unwrap_or_default();
        Ok(RunDetail { run: summary, jobs, diagnostics: Vec::new() })
    }

    /// The engine's state of a run.
    pub async fn state(&self, number: u64) -> Result<Arc<engine::State>, HistoryError> {
        Ok(self.runs.state(RunId(number)).await?)
    }

    /// The id of the snapshot that a run was made on.
    pub async fn source(&self, number: u64) -> Result<String, HistoryError> {
        let row = self.row(number).await?;
        Ok(row.cause.split('/').nth(1).unwrap_or_default().to_owned())
    }

    pub async fn failed_tests(
        &self,
        number: u64,
        instance: &InstanceId,
    ) -> Result<Vec<TestCase>, HistoryError> {
        let state = self.state(number).await?;
        let attempt = state.run().and_then(|run| run.instance(instance)).map(|found| found.attempt);
        let key = |attempt| LogKey { run: RunId(number), instance: instance.clone(), attempt };
        Ok(attempt.map(|attempt| self.logs.failed_tests(&key(attempt))).unwrap_or_default())
    }

    /// Cancels a run: the process that drives it is told, and stops its jobs in their own way. One that nobody drives,
    /// for it waits at a gate, ends at once.
    pub async fn cancel(&self, number: u64, force: bool) -> Result<RunSummary, HistoryError> {
        let summary = self.settled(self.row(number).await?).await?;
        let refused = |reason| HistoryError::Refused { run: number, reason };
        if summary.state.is_ended() {
            return Err(refused(format!("it has ended: {}", summary.state.as_str())));
        }
        let run = RunId(number);
        match process::connect(&self.state, run).await.map_err(|error| self.folder(error))? {
            Some(stream) => {
                let asked = ask(stream, &Request::Cancel { run, force }).await;
                asked.map_err(|error| self.folder(error))?.map_err(refused)?;
            }
            None => self.command(run, Command::Cancel { by: person(), force: true }).await?,
        }
        self.settled(self.row(number).await?).await
    }

    /// Lets a job go on that stands at a failed step.
    pub async fn go_on(&self, number: u64, instance: &InstanceId) -> Result<(), HistoryError> {
        let (run, instance) = (RunId(number), instance.clone());
        let stream = process::connect(&self.state, run).await.map_err(|error| self.folder(error))?;
        let stream = stream.ok_or(HistoryError::NotDriven(number))?;
        let asked =
            ask(stream, &Request::GoOn { run, instance }).await.map_err(|error| self.folder(error))?;
        asked.map(|_| ()).map_err(|reason| HistoryError::Refused { run: number, reason })
    }

    /// Writes the log of an instance's last attempt; with `follow` to its end, else as far as it is.
    pub async fn write_log(
        &self,
        number: u64,
        instance: &InstanceId,
        follow: bool,
        output: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), HistoryError> {
        let run = RunId(number);
        self.settled(self.row(number).await?).await?;
        let state = self.state(number).await?;
        let Some(record) = state.run() else { return Err(HistoryError::NoRun(number)) };
        let unknown = || HistoryError::NoJob { run: number, instance: instance.clone() };
        record.job(&instance.job).ok_or_else(unknown)?;
        let found = record.instance(instance);
        if follow && !found.is_some_and(|found| found.state.is_ended()) {
            let stream = process::connect(&self.state, run).await.map_err(|error| self.folder(error))?;
            if let Some(stream) = stream {
                let request = Request::Follow { run, instance: instance.clone() };
                let asked = ask(stream, &request).await.map_err(|error| self.folder(error))?;
                let mut text = asked.map_err(|reason| HistoryError::Refused { run: number, reason })?;
                tokio::io::copy_buf(&mut text, output).await.map_err(|error| self.folder(error))?;
                return Ok(());
            }
        }
        let attempt = found.map(|found| found.attempt).filter(|attempt| *attempt > 0);
        let attempt =
            attempt.ok_or_else(|| HistoryError::NotBegun { run: number, instance: instance.clone() })?;
        let key = LogKey { run, instance: instance.clone(), attempt };
        self.logs.write_from(&key, 1, output).await.map_err(|error| self.folder(error))?;
        output.flush().await.map_err(|error| self.folder(error))
    }

    /// The runs that living processes drive.
    pub fn driven(&self) -> Result<Vec<RunId>, HistoryError> {
        let driven = process::driven(&self.state).map_err(|error| self.folder(error))?;
        Ok(driven.into_iter().collect())
    }

    /// Ends every run that a process left behind when it was killed.
    pub(super) async fn settle_all(&self) -> Result<(), HistoryError> {
        let open = RunFilter { ended: Some(false), limit: u32::MAX, ..RunFilter::default() };
        for row in self.store.runs(open).await? {
            self.settled(row).await?;
        }
        Ok(())
    }

    /// A run as it truly stands. One that has jobs under way and that no living process drives was cut off, and is
    /// ended here; one that only waits at a gate lost nothing, and waits on.
    async fn settled(&self, row: RunRow) -> Result<RunSummary, HistoryError> {
        let summary = RunRecord::read(&row.summary)?.summary;
        if row.ended || summary.state == RunState::Waiting {
            return Ok(summary);
        }
        let driven = process::driven(&self.state).map_err(|error| self.folder(error))?;
        if driven.contains(&row.id) {
            return Ok(summary);
        }
        self.command(row.id, Command::Cancel { by: its_end(), force: true }).await?;
        self.command(row.id, Command::AgentLost { agent: AgentId::new(BUILT_IN) }).await?;
        let state = self.runs.state(row.id).await?;
        let Some(run) = state.run() else { return Ok(summary) };
        let mut summary = present::summary(run);
        // It may have ended by itself between the two looks.
        if summary.state == RunState::Cancelled {
            summary.state = RunState::Interrupted;
            summary.problem = Some("the process that ran it was killed".to_owned());
            let text = RunRecord { summary: summary.clone(), diagnostics: Vec::new() }.text();
            let write = Write::UpdateRun { id: row.id, ended: true, summary: text };
            self.store.write(write).await?;
        }
        Ok(summary)
    }

    async fn row(&self, number: u64) -> Result<RunRow, HistoryError> {
        self.store.run(RunId(number)).await?.ok_or(HistoryError::NoRun(number))
    }

    /// What is refused has come to its end already.
    async fn command(&self, run: RunId, command: Command) -> Result<(), HistoryError> {
        match self.runs.command(run, command).await {
            Ok(_) | Err(RunError::Refused(_)) => Ok(()),
            Err(RunError::Store(error)) => Err(error.into()),
        }
    }

    fn folder(&self, error: io::Error) -> HistoryError {
        HistoryError::Folder { path: self.state.display().to_string(), error }
    }
}

/// How many runs are read at once.
const PAGE: u32 = 100;

/// Who ended a run that was cut off, as its jobs tell it: `cancelled by the end of its process`.
fn its_end() -> UserName {
    UserName::new("the end of its process")
}
