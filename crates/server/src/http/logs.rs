use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use sluice_model::{InstanceId, RepositoryName};

use super::answer::Answer;
use super::caller::{Caller, repository};
use crate::app::App;
use crate::log::{Line, LogKey, Logs};
use crate::refusal::Refusal;

#[derive(Debug, Deserialize)]
pub(crate) struct LogQuery {
    /// The first line, from 1.
    #[serde(default)]
    from: u64,
    #[serde(default)]
    follow: bool,
}

/// How many lines go on at once.
const CHUNK: usize = 2_000;

/// The log of an instance's latest attempt, as text.
pub(crate) async fn text(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Path((owner, name, number, instance)): Path<(String, String, u64, String)>,
    Query(query): Query<LogQuery>,
) -> Answer<Response> {
    let repository = repository(&owner, &name)?;
    let Ok(instance) = instance.parse::<InstanceId>();
    let key = key(&app, &repository, number, &instance).await?;
    let tail = Tail { app: app.clone(), key, next: query.from.max(1), follow: query.follow };
    let body = Body::from_stream(tail.texts());
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// The log that an instance writes, or wrote last.
pub(crate) async fn key(
    app: &App,
    repository: &RepositoryName,
    number: u64,
    instance: &InstanceId,
) -> Answer<LogKey> {
    let row = app.row(repository, number).await?;
    let state = app.runs.state(row.id).await?;
    let found = state.run().and_then(|run| run.instance(instance));
    match found {
        Some(found) => Ok(LogKey { run: row.id, instance: instance.clone(), attempt: found.attempt }),
        None => {
            let is_waiting = state.run().is_some_and(|run| run.job(&instance.job).is_some());
            let message = match is_waiting {
                true => format!("`{instance}` of run {number} has not started"),
                false => format!("run {number} has no job `{instance}`"),
            };
            Err(Refusal::not_found(message))
        }
    }
}

/// Reads a log from a line on, to its end or for as long as it is written.
pub(crate) struct Tail {
    pub(crate) app: Arc<App>,
    pub(crate) key: LogKey,
    /// The number of the next line.
    pub(crate) next: u64,
    pub(crate) follow: bool,
}

impl Tail {
    fn texts(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures_util::stream::try_unfold(self, |mut tail| async move {
            let Some((_, lines)) = tail.more().await? else { return Ok(None) };
            let mut text = String::new();
            for line in lines {
                text.push_str(&line.text);
                text.push('\n');
            }
            Ok(Some((Bytes::from(text), tail)))
        })
    }

    /// The next lines and the number of the first; waits for them when it follows. None at the end.
    pub(crate) async fn more(&mut self) -> io::Result<Option<(u64, Vec<Line>)>> {
        loop {
            // Taken before the lines are read, so that a line between the two is not missed.
            let live = if self.follow { self.app.logs.follow(&self.key) } else { None };
            let lines = read(&self.app.logs, &self.key, self.next).await?;
            if !lines.is_empty() {
                let first = self.next;
                self.next += lines.len() as u64;
                return Ok(Some((first, lines)));
            }
            match live {
                Some(mut count) => {
                    let next = self.next;
                    tokio::select! {
                        // An error is the writer's end: one more look, and no follower any more.
                        _ = count.wait_for(|count| *count >= next) => {}
                        () = self.app.stopping.cancelled() => return Ok(None),
                    }
                }
                None if self.follow && self.may_begin().await => {}
                None => return Ok(None),
            }
        }
    }

    /// The job has not begun to write: waits for any change of its run. False: it will write no more.
    async fn may_begin(&self) -> bool {
        let mut listener = self.app.changes.listen();
        let Ok(state) = self.app.runs.state(self.key.run).await else { return false };
        let Some(instance) = state.run().and_then(|run| run.instance(&self.key.instance)) else {
            return false;
        };
        if instance.state.is_ended() || instance.attempt != self.key.attempt {
            return false;
        }
        if self.app.logs.follow(&self.key).is_some() {
            return true;
        }
        let run = self.key.run;
        let is_mine = |change: &crate::change::Change| matches!(change, crate::change::Change::Run { run: changed, .. } if *changed == run);
        // A job writes its log right after it was leased, which is told; the pause is for that moment.
        let pause = std::time::Duration::from_millis(200);
        tokio::select! {
            _ = tokio::time::timeout(pause, listener.wait_for(is_mine)) => true,
            () = self.app.stopping.cancelled() => false,
        }
    }
}

pub(crate) async fn read(logs: &Logs, key: &LogKey, from: u64) -> io::Result<Vec<Line>> {
    let (logs, key) = (logs.clone(), key.clone());
    tokio::task::spawn_blocking(move || logs.lines(&key, from, CHUNK)).await.map_err(io::Error::other)?
}
