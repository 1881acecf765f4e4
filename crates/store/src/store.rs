use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use sluice_model::{Digest, RepositoryName, RunId, UserName};
use tokio::sync::oneshot;

use crate::pool::Pool;
use crate::transaction::{Append, Committed, Transaction, Write};
use crate::writer::{self, Durability, Request};
use crate::{
    PushedImage, RunFilter, RunRow, SeenRef, StoreError, StoredEffect, StoredEvent, Token, User, account,
    event, push, run,
};

/// The database of one server. A clone is the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// None once the store is closing, so that the writer's queue ends.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Pool,
}

/// The writer is awaited, so that whoever drops the last handle may remove the folder.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Ok(mut requests) = self.requests.lock() {
            *requests = None;
        }
        if let Ok(mut writer) = self.writer.lock()
            && let Some(thread) = writer.take()
        {
            // The thread only ends by itself; a panic in it was a failed write that its caller has seen.
            let _ = thread.join();
        }
    }
}

impl Store {
    /// Opens the database file, making it and bringing its schema up to date as needed. What it acknowledges is on disk.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Durability::PowerCut)
    }

    /// [`Store::open`], saying what an acknowledged write outlives.
    pub fn open_with(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let (requests, thread) = writer::start(path, durability)?;
        Ok(Self {
            inner: Arc::new(Inner {
                requests: Mutex::new(Some(requests)),
                writer: Mutex::new(Some(thread)),
                readers: Pool::new(path.to_owned()),
            }),
        })
    }

    /// Writes all of it, or nothing. When this returns, it is on disk.
    pub async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        self.ask(|to| Request::Commit(transaction, to)).await
    }

    /// [`Store::commit`] of one append and what goes with it. Gives the new last sequence and the effects to perform.
    pub async fn append(
        &self,
        append: Append,
        writes: Vec<Write>,
    ) -> Result<(u64, Vec<StoredEffect>), StoreError> {
        let expected = append.expected;
        let committed = self.commit(Transaction { appends: vec![append], writes }).await?;
        Ok((committed.sequences.first().copied().unwrap_or(expected), committed.effects))
    }

    pub async fn write(&self, write: Write) -> Result<(), StoreError> {
        self.commit(Transaction::of(write)).await.map(|_| ())
    }

    /// The next number of a counter, from 1; never the same twice.
    pub async fn next(&self, counter: &str) -> Result<u64, StoreError> {
        let counter = counter.to_owned();
        self.ask(|to| Request::Next(counter, to)).await
    }

    /// The events of a stream after a sequence, oldest first.
    pub async fn events(&self, stream: &str, after: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let stream = stream.to_owned();
        self.read(move |connection| event::events(connection, &stream, after)).await
    }

    /// The sequence of a stream's last event; 0 where there is no such stream.
    pub async fn last_sequence(&self, stream: &str) -> Result<u64, StoreError> {
        let stream = stream.to_owned();
        self.read(move |connection| event::last_sequence(connection, &stream)).await
    }

    /// The names of all streams that begin with a prefix.
    pub async fn streams(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| event::streams(connection, &prefix)).await
    }

    /// Every effect that nobody has acknowledged, in the order of its stream.
    pub async fn pending_effects(&self) -> Result<Vec<StoredEffect>, StoreError> {
        self.read(event::pending_effects).await
    }

    /// Those of the streams that begin with a prefix.
    pub async fn pending_effects_of(&self, prefix: &str) -> Result<Vec<StoredEffect>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| event::pending_effects_of(connection, &prefix)).await
    }

    pub async fn repositories(&self) -> Result<Vec<RepositoryName>, StoreError> {
        self.read(push::repositories).await
    }

    pub async fn refs_seen(&self, repository: &RepositoryName) -> Result<Vec<SeenRef>, StoreError> {
        let repository = repository.clone();
        self.read(move |connection| push::refs_seen(connection, repository.as_str())).await
    }

    /// What a run's jobs pushed, oldest first.
    pub async fn pushed_images(&self, run: RunId) -> Result<Vec<PushedImage>, StoreError> {
        self.read(move |connection| push::pushed_images(connection, run)).await
    }

    /// The repository that claimed an image first and still does.
    pub async fn image_owner(&self, image: &str) -> Result<Option<RepositoryName>, StoreError> {
        let image = image.to_owned();
        self.read(move |connection| push::image_owner(connection, &image)).await
    }

    /// What a repository was last told that a tag of an image points to.
    pub async fn package_seen(
        &self,
        repository: &RepositoryName,
        image: &str,
        tag: &str,
    ) -> Result<Option<Digest>, StoreError> {
        let (repository, image, tag) = (repository.clone(), image.to_owned(), tag.to_owned());
        self.read(move |connection| push::package_seen(connection, repository.as_str(), &image, &tag)).await
    }

    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.read(move |connection| run::runs(connection, &filter)).await
    }

    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(move |connection| run::run(connection, id)).await
    }

    /// The run of a number within its repository.
    pub async fn run_by_number(
        &self,
        repository: &RepositoryName,
        number: u64,
    ) -> Result<Option<RunRow>, StoreError> {
        let repository = repository.clone();
        self.read(move |connection| run::run_by_number(connection, repository.as_str(), number)).await
    }

    /// The runs whose cause begins with a prefix, oldest first.
    pub async fn runs_of_cause(&self, prefix: &str) -> Result<Vec<RunRow>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| run::runs_of_cause(connection, &prefix)).await
    }

    pub async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let name = name.clone();
        self.read(move |connection| account::user(connection, name.as_str())).await
    }

    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(account::users).await
    }

    /// The token with this hash, expired or not: whether it still counts is the caller's to say.
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let hash = hash.to_owned();
        self.read(move |connection| account::token(connection, &hash)).await
    }

    /// The personal tokens of one account, oldest first.
    pub async fn tokens(&self, owner: &UserName) -> Result<Vec<Token>, StoreError> {
        let owner = owner.clone();
        self.read(move |connection| account::tokens(connection, owner.as_str())).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (to, answer) = oneshot::channel();
        {
            let requests = self.inner.requests.lock().map_err(|_| StoreError::Closed)?;
            let sender = requests.as_ref().ok_or(StoreError::Closed)?;
            sender.send(request(to)).map_err(|_| StoreError::Closed)?;
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.readers.with(read)).await.map_err(|_| StoreError::Closed)?
    }
}
