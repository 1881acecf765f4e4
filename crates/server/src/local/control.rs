//! What another process may ask of the one that drives a run: one JSON line, answered with one, then perhaps a log.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_engine::Command;
use sluice_model::{InstanceId, RunId};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::person;
use crate::change::Changes;
use crate::log::{LogKey, Logs};
use crate::runs::Runs;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Request {
    Cancel {
        run: RunId,
        force: bool,
    },
    /// A job that stands at a failed step goes on.
    GoOn {
        run: RunId,
        instance: InstanceId,
    },
    /// The log from a line on, to its end. The text comes after the answer.
    Follow {
        run: RunId,
        instance: InstanceId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Refused { reason: String },
}

/// The longest request. A longer one is none that this program wrote.
const REQUEST_LIMIT_BYTES: u64 = 64 << 10;

const PAUSE: Duration = Duration::from_millis(200);

/// Jobs that stand at a failed step, each with what lets it go on.
#[derive(Clone, Default)]
pub struct Stopped(Arc<Mutex<Standing>>);

type Standing = HashMap<(RunId, InstanceId), oneshot::Sender<()>>;

impl Stopped {
    pub(super) fn stands(&self, run: RunId, instance: InstanceId, go_on: oneshot::Sender<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((run, instance), go_on);
    }

    /// Whether the job stood.
    pub fn go_on(&self, run: RunId, instance: &InstanceId) -> bool {
        let stood = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(run, instance.clone()));
        // An error: it goes on already, for it was cancelled.
        stood.is_some_and(|go_on| go_on.send(()).is_ok())
    }
}

/// Answers who asks, for as long as it is held.
pub(super) struct Control {
    _tasks: JoinSet<()>,
}

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct Answering {
    pub(super) runs: Arc<Runs>,
    pub(super) logs: Logs,
    pub(super) changes: Changes,
    pub(super) stopped: Stopped,
}

impl Control {
    pub(super) fn serve(listener: UnixListener, answering: Answering) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Conversations end with this one.
            let mut conversations = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answering = answering.clone();
                conversations.spawn(async move {
                    // Who asked has gone.
                    let _ = answering.converse(stream).await;
                });
                while conversations.try_join_next().is_some() {}
            }
        });
        Self { _tasks: tasks }
    }
}

impl Answering {
    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let (input, mut output) = stream.into_split();
        let mut line = String::new();
        BufReader::new(input.take(REQUEST_LIMIT_BYTES)).read_line(&mut line).await?;
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Cancel { run, force }) => self.cancel(run, force).await,
            Ok(Request::GoOn { run, instance }) => match self.stopped.go_on(run, &instance) {
                true => Answer::Done,
                false => Answer::Refused { reason: format!("`{instance}` does not stand at a failed step") },
            },
            Ok(Request::Follow { run, instance }) => {
                tell(&mut output, &Answer::Done).await?;
                return self.follow(run, &instance, &mut output).await;
            }
            Err(error) => Answer::Refused { reason: format!("the request cannot be read: {error}") },
        };
        tell(&mut output, &answer).await
    }

    async fn cancel(&self, run: RunId, force: bool) -> Answer {
        match self.runs.command(run, Command::Cancel { by: person(), force }).await {
            Ok(_) => Answer::Done,
            Err(error) => Answer::Refused { reason: error.to_string() },
        }
    }

    /// Writes the log of the instance's last attempt as it grows, until the instance has ended.
    async fn follow(
        &self,
        run: RunId,
        instance: &InstanceId,
        output: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<()> {
        let mut next = 1;
        let mut listener = self.changes.listen();
        loop {
            let state = self.runs.state(run).await.map_err(io::Error::other)?;
            let Some(record) = state.run() else { return Ok(()) };
            let found = record.instance(instance);
            let has_ended = match found {
                Some(found) => found.state.is_ended(),
                None => record.conclusion().is_some(),
            };
            let key =
                found.map(|found| LogKey { run, instance: instance.clone(), attempt: found.attempt.max(1) });
            // Taken before the lines are read, so that a line between the two is not missed.
            let mut live = key.as_ref().and_then(|key| self.logs.follow(key));
            if let Some(key) = &key {
                next = self.logs.write_from(key, next, output).await?;
            }
            match &mut live {
                // An error is the writer's end: one more look, and no follower any more.
                Some(count) => drop(count.wait_for(|count| *count >= next).await),
                None if has_ended => return Ok(()),
                // A job begins its log right after it was leased, which is told; the pause is for that moment.
                None => drop(tokio::time::timeout(PAUSE, listener.wait_for(|_| true)).await),
            }
        }
    }
}

async fn tell(output: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}

/// Asks, and gives the stream back for what follows the answer.
pub(super) async fn ask(
    stream: UnixStream,
    request: &Request,
) -> io::Result<Result<BufReader<UnixStream>, String>> {
    let mut stream = BufReader::new(stream);
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.get_mut().write_all(text.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(match serde_json::from_str(&line) {
        Ok(Answer::Done) => Ok(stream),
        Ok(Answer::Refused { reason }) => Err(reason),
        Err(_) => Err("the process that runs it has ended meanwhile".to_owned()),
    })
}
