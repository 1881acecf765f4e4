use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::protocol::{Answer, Entry, Request, frame_length};

/// The talk with one job's step agent. Cheap to clone; the agent ends when the last clone and its tasks are gone.
#[derive(Clone)]
pub struct Session {
    requests: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    next: Arc<AtomicU32>,
    launched: Arc<Mutex<Option<Launched>>>,
}

/// What a process found when it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    pub env: Vec<(String, String)>,
    pub directory: String,
}

/// Who waits for which answer. `None` inside: the agent is gone, and nobody need wait any more.
#[derive(Default)]
struct Waiting {
    is_over: bool,
    processes: HashMap<u32, mpsc::Sender<ProcessEvent>>,
    tickets: HashMap<u32, mpsc::Sender<Answer>>,
}

/// Why the agent did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the step agent is gone: the job's container or process was killed")]
    Gone,
    #[error("{0}")]
    Refused(String),
}

/// What a process to start is.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub directory: String,
    /// Path and content of files that are written first; all may read and execute them.
    pub files: Vec<(String, String)>,
    /// Files whose content comes with the end.
    pub collect: Vec<String>,
}

/// A process that was asked for. Dropping it leaves the process alone.
pub struct Process {
    session: Session,
    step: u32,
    events: mpsc::Receiver<ProcessEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEvent {
    Output {
        stderr: bool,
        bytes: Bytes,
    },
    /// The content of each file to collect, empty where there is none, or why it could not be read.
    Exited {
        code: i32,
        signal: i32,
        collected: Vec<Result<String, String>>,
    },
    NotStarted(String),
}

/// Who steps run as, as the agent found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// A piece of what the agent packs.
pub enum Packed {
    Entry(Entry),
    Data(Vec<u8>),
}

/// Answers that may wait for who reads them, for each process and ticket, before the agent has to wait.
const ANSWERS_WAITING: usize = 64;

impl Session {
    /// Talks over the agent's two streams.
    pub fn new(
        output: impl AsyncRead + Send + Unpin + 'static,
        mut input: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (requests, mut queue) = mpsc::channel::<Vec<u8>>(ANSWERS_WAITING);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let table = waiting.clone();
        tokio::spawn(async move {
            let _ = hear(output, &table).await;
            let mut table = lock(&table);
            *table = Waiting { is_over: true, ..Default::default() };
        });
        tokio::spawn(async move {
            // What waits is sent at once: through an engine, every write is a way of several processes.
            let mut frames = Vec::new();
            while queue.recv_many(&mut frames, ANSWERS_WAITING).await > 0 {
                if input.write_all(&frames.concat()).await.is_err() || input.flush().await.is_err() {
                    break;
                }
                frames.clear();
            }
            let _ = input.shutdown().await;
        });
        let launched = Arc::default();
        Self { requests, waiting, next: Arc::new(AtomicU32::new(1)), launched }
    }

    /// Gives an agent that was forked its environment, and where it is. Told first.
    pub async fn be(&self, env: Vec<(String, String)>, directory: &str) -> Result<(), SessionError> {
        let env = env.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
        self.send(Request::Become { env, directory: directory.into() }).await
    }

    /// Settles who steps run as. Asked first.
    pub async fn hello(&self, user: &str) -> Result<User, SessionError> {
        let mut answers = self.expect(0)?;
        self.send(Request::Hello { user: user.into() }).await?;
        match answers.recv().await {
            Some(Answer::Ready { uid, gid, home }) => Ok(User { uid, gid, home: text(home) }),
            Some(Answer::Done { problem, .. }) => Err(SessionError::Refused(text(problem))),
            _ => Err(SessionError::Gone),
        }
    }

    /// Starts a process. That it could not be started is an event of it.
    pub async fn start(&self, launch: Launch) -> Result<Process, SessionError> {
        let step = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = mpsc::channel(ANSWERS_WAITING);
        {
            let mut waiting = lock(&self.waiting);
            if waiting.is_over {
                return Err(SessionError::Gone);
            }
            waiting.processes.insert(step, sender);
        }
        let launched = Launched { env: launch.env.clone(), directory: launch.directory.clone() };
        *self.launched.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(launched);
        let argv = launch.argv.into_iter().map(String::into_bytes).collect();
        let env =
            launch.env.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
        let files = launch.files.into_iter().map(|(path, content)| (path.into_bytes(), content.into_bytes()));
        let (files, directory) = (files.collect(), launch.directory.into_bytes());
        let collect = launch.collect.into_iter().map(String::into_bytes).collect();
        self.send(Request::Start { step, argv, env, directory, files, collect }).await?;
        Ok(Process { session: self.clone(), step, events })
    }

    /// The path of a program on the agent's PATH.
    pub async fn find_program(&self, program: &str) -> Result<Option<String>, SessionError> {
        let found = self.ask(|ticket| Request::Find { ticket, program: program.into() }).await?;
        content(found).map(|bytes| bytes.map(text))
    }

    /// Writes a file and the folders above it, owned by the steps' user.
    pub async fn write(&self, path: &str, mode: u32, content: Vec<u8>) -> Result<(), SessionError> {
        done(self.ask(|ticket| Request::Write { ticket, path: path.into(), mode, content }).await?)
    }

    /// None where there is no such file; more than `limit_bytes` is refused.
    pub async fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, SessionError> {
        content(self.ask(|ticket| Request::Read { ticket, path: path.into(), limit: limit_bytes }).await?)
    }

    /// Gives everything below `paths` to the steps' user.
    pub async fn own(&self, paths: &[String]) -> Result<(), SessionError> {
        let paths = paths.iter().map(|path| path.clone().into_bytes()).collect();
        done(self.ask(|ticket| Request::Own { ticket, paths }).await?)
    }

    /// Has `port` of localhost, as the steps see it, lead to a Unix socket.
    pub async fn relay(&self, port: u16, socket: &str) -> Result<(), SessionError> {
        done(self.ask(|ticket| Request::Relay { ticket, port, socket: socket.into() }).await?)
    }

    /// Hands every file below `root` that the patterns choose to `take`, in pieces. A pattern with a `!` in front takes
    /// out again what those before it took.
    pub async fn pack(
        &self,
        root: &str,
        patterns: &[String],
        mut take: impl FnMut(Packed) -> Result<(), String>,
    ) -> Result<(), SessionError> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.expect(ticket)?;
        let patterns = patterns.iter().map(|pattern| pattern.clone().into_bytes()).collect();
        self.send(Request::Pack { ticket, root: root.into(), patterns }).await?;
        let mut refused = None;
        loop {
            let taken = match answers.recv().await {
                Some(Answer::Entry { entry, .. }) => Packed::Entry(entry),
                Some(Answer::Data { bytes, .. }) => Packed::Data(bytes),
                Some(answer) => {
                    done(answer)?;
                    return refused.map_or(Ok(()), |reason| Err(SessionError::Refused(reason)));
                }
                None => return Err(SessionError::Gone),
            };
            // After a refusal the rest is read and thrown away, for the stream is shared.
            if refused.is_none() {
                refused = take(taken).err();
            }
        }
    }

    /// Puts entries below `root`, as `next` gives them.
    pub async fn unpack(
        &self,
        root: &str,
        mut next: impl FnMut() -> Result<Option<Packed>, String>,
    ) -> Result<(), SessionError> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.expect(ticket)?;
        self.send(Request::Unpack { ticket, root: root.into() }).await?;
        let mut refused = None;
        loop {
            match next() {
                Ok(Some(Packed::Entry(entry))) => self.send(Request::Entry { ticket, entry }).await?,
                Ok(Some(Packed::Data(bytes))) => self.send(Request::Data { ticket, bytes }).await?,
                Ok(None) => break,
                Err(reason) => {
                    refused = Some(reason);
                    break;
                }
            }
        }
        self.send(Request::End { ticket }).await?;
        done(answers.recv().await.ok_or(SessionError::Gone)?)?;
        refused.map_or(Ok(()), |reason| Err(SessionError::Refused(reason)))
    }

    /// Kills all, gives back the folders that were lent, and ends the agent.
    pub async fn finish(&self) -> Result<(), SessionError> {
        let mut answers = self.expect(0)?;
        self.send(Request::Finish).await?;
        match answers.recv().await {
            Some(Answer::Finished) => Ok(()),
            _ => Err(SessionError::Gone),
        }
    }

    /// Kills all, and leaves the agent where it is.
    pub async fn stay(&self) -> Result<(), SessionError> {
        let mut answers = self.expect(0)?;
        self.send(Request::Stay).await?;
        match answers.recv().await {
            Some(Answer::Finished) => Ok(()),
            _ => Err(SessionError::Gone),
        }
    }

    /// Environment and directory of what was started last, once.
    pub fn take_launched(&self) -> Option<Launched> {
        self.launched.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    async fn ask(&self, request: impl FnOnce(u32) -> Request) -> Result<Answer, SessionError> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.expect(ticket)?;
        self.send(request(ticket)).await?;
        answers.recv().await.ok_or(SessionError::Gone)
    }

    fn expect(&self, ticket: u32) -> Result<mpsc::Receiver<Answer>, SessionError> {
        let (sender, answers) = mpsc::channel(ANSWERS_WAITING);
        let mut waiting = lock(&self.waiting);
        if waiting.is_over {
            return Err(SessionError::Gone);
        }
        waiting.tickets.insert(ticket, sender);
        Ok(answers)
    }

    async fn send(&self, request: Request) -> Result<(), SessionError> {
        self.requests.send(request.encode()).await.map_err(|_| SessionError::Gone)
    }
}

impl Process {
    /// What the process does next. None when the agent is gone.
    pub async fn next(&mut self) -> Option<ProcessEvent> {
        self.events.recv().await
    }

    /// Sends a signal to the process and its group; SIGKILL to its whole session.
    pub async fn signal(&self, signal: i32) {
        // An agent that is gone has killed it already.
        let _ = self.session.send(Request::Signal { step: self.step, signal }).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        lock(&self.session.waiting).processes.remove(&self.step);
    }
}

/// Nothing that holds the lock can panic, so a poisoned one is as good as any.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn hear(output: impl AsyncRead + Unpin, waiting: &Mutex<Waiting>) -> io::Result<()> {
    let mut output = BufReader::with_capacity(256 * 1024, output);
    loop {
        let mut length = [0; 4];
        output.read_exact(&mut length).await?;
        let mut frame = BytesMut::zeroed(frame_length(length)?);
        output.read_exact(&mut frame).await?;
        let frame = frame.freeze();
        // Output is by far the most, and is handed on without a copy: kind, step, stream and length come before it.
        if frame[0] == 1 && frame.len() >= 10 {
            let step = u32::from_le_bytes([frame[1], frame[2], frame[3], frame[4]]);
            let event = ProcessEvent::Output { stderr: frame[5] != 0, bytes: frame.slice(10..) };
            tell(waiting, step, event).await;
            continue;
        }
        match Answer::decode(&frame)? {
            Answer::Output { .. } => return Err(io::ErrorKind::InvalidData.into()),
            Answer::Exited { step, code, signal, collected } => {
                let content = |(content, problem): (Vec<u8>, Vec<u8>)| match problem.is_empty() {
                    true => Ok(text(content)),
                    false => Err(text(problem)),
                };
                let collected = collected.into_iter().map(content).collect();
                tell(waiting, step, ProcessEvent::Exited { code, signal, collected }).await
            }
            Answer::NotStarted { step, reason } => {
                tell(waiting, step, ProcessEvent::NotStarted(text(reason))).await
            }
            answer @ (Answer::Entry { ticket, .. } | Answer::Data { ticket, .. }) => {
                let asked = lock(waiting).tickets.get(&ticket).cloned();
                send(asked, answer).await;
            }
            answer @ (Answer::Done { ticket, .. } | Answer::Content { ticket, .. }) => {
                let asked = lock(waiting).tickets.remove(&ticket);
                send(asked, answer).await;
            }
            answer @ (Answer::Ready { .. } | Answer::Finished) => {
                let asked = lock(waiting).tickets.remove(&0);
                send(asked, answer).await;
            }
        }
    }
}

async fn tell(waiting: &Mutex<Waiting>, step: u32, event: ProcessEvent) {
    let listener = lock(waiting).processes.get(&step).cloned();
    send(listener, event).await;
}

/// Who does not listen any more misses nothing.
async fn send<T>(to: Option<mpsc::Sender<T>>, what: T) {
    if let Some(to) = to {
        let _ = to.send(what).await;
    }
}

fn done(answer: Answer) -> Result<(), SessionError> {
    match answer {
        Answer::Done { problem, .. } if problem.is_empty() => Ok(()),
        Answer::Done { problem, .. } => Err(SessionError::Refused(text(problem))),
        _ => Err(SessionError::Refused("the step agent gave another answer than was asked for".to_owned())),
    }
}

fn content(answer: Answer) -> Result<Option<Vec<u8>>, SessionError> {
    match answer {
        Answer::Content { present, bytes, .. } => Ok(present.then_some(bytes)),
        other => done(other).map(|()| None),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
