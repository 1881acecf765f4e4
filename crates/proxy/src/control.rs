use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::command::{
    Command, Drain, DrainReport, Install, LINE_BYTES, OpenRoute, Refusal, Reply, RouteKey, RouteStatus,
    Status,
};
use crate::socket::SocketPath;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no proxy answers in {folder}: {reason}")]
    NotRunning { folder: PathBuf, reason: String },
    #[error("the proxy in {folder} did not answer within {seconds} s")]
    TimedOut { folder: PathBuf, seconds: u64 },
    #[error("the proxy in {folder} gave an answer that this program does not know: {reason}")]
    Unexpected { folder: PathBuf, reason: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Orders to the proxy of a state folder. Every method opens a connection of its own, so that a value may outlive
/// the proxy and be used by many at once.
#[derive(Debug, Clone)]
pub struct Control {
    folder: PathBuf,
}

/// Every order but a drain is answered at once; this is for a machine that is very busy.
const ANSWER: Duration = Duration::from_secs(30);

impl Control {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// [`ControlError::NotRunning`] when nobody answers; the same for all methods.
    pub async fn status(&self) -> Result<Status, ControlError> {
        match self.ask(Command::Status, ANSWER).await? {
            Reply::Status { status } => Ok(status),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Makes routes that are missing, all or none, and says where they listen. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Refusal::PortTaken`], [`Refusal::PortFixed`], [`Refusal::NotSaved`].
    pub async fn open(&self, routes: Vec<OpenRoute>) -> Result<Vec<RouteStatus>, ControlError> {
        self.ask_for_routes(Command::Open { routes }).await
    }

    /// Switches routes to other instances, all or none, and on disk before it returns. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Stale`] when a newer order came first; [`Refusal::UnknownRoute`], [`Refusal::Conflicting`],
    /// [`Refusal::NotSaved`].
    pub async fn install(&self, routes: Vec<Install>) -> Result<Vec<RouteStatus>, ControlError> {
        self.ask_for_routes(Command::Install { routes }).await
    }

    /// Waits until nothing is in flight on instances that were switched away from, or for the deadline. One report
    /// for each drain, in their order.
    ///
    /// # Errors
    /// [`Refusal::UnknownRoute`].
    pub async fn drain(&self, drains: Vec<Drain>) -> Result<Vec<DrainReport>, ControlError> {
        let longest = drains.iter().map(|drain| drain.deadline_ms).max().unwrap_or(0);
        match self.ask(Command::Drain { drains }, ANSWER + Duration::from_millis(longest)).await? {
            Reply::Drained { reports } => Ok(reports),
            other => Err(self.unexpected(&other)),
        }
    }

    /// All routes, by their keys' order, with what they have answered.
    ///
    /// # Errors
    /// As [`Control::status`].
    pub async fn list(&self) -> Result<Vec<RouteStatus>, ControlError> {
        self.ask_for_routes(Command::List).await
    }

    /// Forgets routes and closes their ports. Those that are not there are not missed.
    ///
    /// # Errors
    /// [`Refusal::NotSaved`].
    pub async fn remove(&self, keys: Vec<RouteKey>) -> Result<(), ControlError> {
        match self.ask(Command::Remove { keys }, ANSWER).await? {
            Reply::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Tells the process to end; [`crate::stop`] also waits for it.
    ///
    /// # Errors
    /// As [`Control::status`].
    pub async fn shutdown(&self) -> Result<(), ControlError> {
        match self.ask(Command::Shutdown, ANSWER).await? {
            Reply::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn ask_for_routes(&self, command: Command) -> Result<Vec<RouteStatus>, ControlError> {
        match self.ask(command, ANSWER).await? {
            Reply::Routes { routes } => Ok(routes),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn ask(&self, command: Command, limit: Duration) -> Result<Reply, ControlError> {
        let reply = tokio::time::timeout(limit, self.exchange(&command))
            .await
            .map_err(|_| ControlError::TimedOut { folder: self.folder.clone(), seconds: limit.as_secs() })?;
        let line = reply.map_err(|error| ControlError::NotRunning {
            folder: self.folder.clone(),
            reason: error.to_string(),
        })?;
        match serde_json::from_slice(&line) {
            Ok(Reply::Refused { refusal }) => Err(refusal.into()),
            Ok(reply) => Ok(reply),
            Err(error) => Err(ControlError::Unexpected {
                folder: self.folder.clone(),
                reason: format!("{error}, after {} bytes", line.len()),
            }),
        }
    }

    async fn exchange(&self, command: &Command) -> io::Result<Vec<u8>> {
        let socket = SocketPath::of(&self.folder)?;
        let mut stream = UnixStream::connect(socket.path()).await?;
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut reply = Vec::new();
        BufReader::new(stream.take(LINE_BYTES)).read_until(b'\n', &mut reply).await?;
        if reply.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"));
        }
        Ok(reply)
    }

    fn unexpected(&self, reply: &Reply) -> ControlError {
        ControlError::Unexpected { folder: self.folder.clone(), reason: format!("{reply:?}") }
    }
}
