use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::transaction::{self, Committed, Transaction};
use crate::{StoreError, migration};

/// How many waiting writes are committed with one sync of the disk.
const GROUP: usize = 256;

pub(crate) enum Request {
    Commit(Transaction, oneshot::Sender<Result<Committed, StoreError>>),
    Next(String, oneshot::Sender<Result<u64, StoreError>>),
}

/// What a request gave, held back until the group is on disk.
enum Reply {
    Commit(Result<Committed, StoreError>, oneshot::Sender<Result<Committed, StoreError>>),
    Next(Result<u64, StoreError>, oneshot::Sender<Result<u64, StoreError>>),
}

/// What an acknowledged write outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut too: the disk has it.
    PowerCut,
    /// The end of the process, whatever that is. A power cut may take the last writes, and leaves the database whole.
    Process,
}

impl Durability {
    /// SQLite, "PRAGMA synchronous": in WAL mode NORMAL syncs at checkpoints only.
    fn synchronous(self) -> &'static str {
        match self {
            Self::PowerCut => "FULL",
            Self::Process => "NORMAL",
        }
    }
}

/// The thread that writes. It ends when the last sender is gone.
pub(crate) fn start(
    path: &Path,
    durability: Durability,
) -> Result<(mpsc::Sender<Request>, thread::JoinHandle<()>), StoreError> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", durability.synchronous())?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    migration::migrate(&mut connection)?;
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || write_groups(&mut connection, &receiver))
        .map_err(|error| StoreError::Corrupt { what: "writer thread", reason: error.to_string() })?;
    Ok((sender, thread))
}

fn write_groups(connection: &mut Connection, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(request) = requests.try_recv()
        {
            group.push(request);
        }
        write_group(connection, group);
    }
}

fn write_group(connection: &mut Connection, group: Vec<Request>) {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            return refuse_all(group.into_iter().map(|request| done(request, &error)).collect(), &error);
        }
    };
    let replies: Vec<Reply> = group.into_iter().map(|request| perform(&transaction, request)).collect();
    match transaction.commit() {
        Ok(()) => replies.into_iter().for_each(send),
        Err(error) => refuse_all(replies, &error),
    }
}

/// Each request stands in a savepoint of its own, so that one refusal leaves the rest of the group alone.
fn perform(connection: &Connection, request: Request) -> Reply {
    match request {
        Request::Commit(transaction, to) => {
            Reply::Commit(in_savepoint(connection, || transaction::apply(connection, &transaction)), to)
        }
        Request::Next(counter, to) => {
            Reply::Next(in_savepoint(connection, || transaction::next(connection, &counter)), to)
        }
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT request")?;
    let result = work();
    let end = if result.is_ok() { "RELEASE request" } else { "ROLLBACK TO request; RELEASE request" };
    connection.execute_batch(end)?;
    result
}

fn send(reply: Reply) {
    // Whoever asked may have gone; what was written stays written.
    match reply {
        Reply::Commit(result, to) => drop(to.send(result)),
        Reply::Next(result, to) => drop(to.send(result)),
    }
}

fn done(request: Request, error: &rusqlite::Error) -> Reply {
    match request {
        Request::Commit(_, to) => Reply::Commit(Err(lost(error)), to),
        Request::Next(_, to) => Reply::Next(Err(lost(error)), to),
    }
}

fn refuse_all(replies: Vec<Reply>, error: &rusqlite::Error) {
    for reply in replies {
        send(match reply {
            Reply::Commit(_, to) => Reply::Commit(Err(lost(error)), to),
            Reply::Next(_, to) => Reply::Next(Err(lost(error)), to),
        });
    }
}

fn lost(error: &rusqlite::Error) -> StoreError {
    StoreError::Corrupt { what: "group of writes", reason: format!("it was not committed: {error}") }
}
