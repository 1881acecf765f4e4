use sluice_model::{RepositoryName, RunId};
use tokio::sync::broadcast::{self, error::TryRecvError};

/// Something that a page or a waiting request may want to draw or read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Run { run: RunId, repository: RepositoryName },
    Delivery { repository: RepositoryName },
    Repository { repository: RepositoryName },
}

impl Change {
    pub(crate) fn repository(&self) -> &RepositoryName {
        match self {
            Self::Run { repository, .. }
            | Self::Delivery { repository }
            | Self::Repository { repository } => repository,
        }
    }
}

/// Tells whoever listens that something changed. Who falls behind is told that too, and reads everything anew.
#[derive(Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(1024).0)
    }

    pub(crate) fn tell(&self, change: Change) {
        // Nobody may be listening, which is no failure.
        let _ = self.0.send(change);
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

pub(crate) struct Listener(broadcast::Receiver<Change>);

impl Listener {
    /// Waits for a change, and takes all that there are: one look is enough for them.
    pub(crate) async fn wait(&mut self) {
        self.wait_for(|_| true).await;
        while !matches!(self.0.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
    }

    /// Waits for a change that `concerns` says yes to. False: there will be none any more.
    pub(crate) async fn wait_for(&mut self, concerns: impl Fn(&Change) -> bool) -> bool {
        loop {
            match self.0.recv().await {
                Ok(change) if concerns(&change) => return true,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return true,
                Err(broadcast::error::RecvError::Closed) => return false,
            }
        }
    }
}
