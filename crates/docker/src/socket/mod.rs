//! A socket that leads to an engine, and labels what is made through it.

mod body;
mod call;
mod forward;
mod prune;

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::forward::Forwarder;
use crate::{EngineAddress, Labels};

/// Connections at once; more wait for their turn.
const MOST_CONNECTIONS: usize = 512;
/// How long a call that makes something is waited for at the end.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// What an [`EngineSocket`] leads to.
pub struct EngineSocketSpec {
    /// Where it is made. Whoever gets to the folder may call the engine, so that it has to be closed to others.
    pub path: PathBuf,
    pub engine: EngineAddress,
    /// What every container, network and volume gets that is made through it.
    pub labels: Labels,
    /// Called before the first of them is made, so that somebody looks for it later. An error refuses the call.
    pub before_first: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
}

/// The Engine API on a Unix socket of Sluice's own: everything is passed on, in both directions and as it comes, and
/// what is made is labelled. Closed when dropped.
pub struct EngineSocket {
    forwarder: Arc<Forwarder>,
    over: CancellationToken,
    tasks: TaskTracker,
}

impl EngineSocket {
    pub fn open(spec: EngineSocketSpec) -> io::Result<Self> {
        let listener = bind(&spec.path)?;
        let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
        let forwarder = Arc::new(Forwarder::new(spec, over.clone(), tasks.clone()));
        tokio::spawn(over.clone().run_until_cancelled_owned(accept(listener, forwarder.clone())));
        Ok(Self { forwarder, over, tasks })
    }

    /// Ends every connection. What was being made then is there when this returns, or is not made.
    ///
    /// Tells whether anything was made, or may have been.
    pub async fn close(self) -> bool {
        self.over.cancel();
        self.tasks.close();
        if tokio::time::timeout(LAST_CALLS, self.tasks.wait()).await.is_err() {
            tracing::warn!("the engine did not end a job's last calls");
        }
        self.forwarder.has_made()
    }
}

impl Drop for EngineSocket {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// A socket's path may be 107 bytes long, and a job's folder's may be longer: it is named by its folder's descriptor.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "a socket needs a folder and a name");
    let (folder, name) = (path.parent().ok_or_else(no_name)?, path.file_name().ok_or_else(no_name)?);
    let opened = std::fs::File::open(folder)?;
    let below = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string()).join(name);
    let listener = UnixListener::bind(below)?;
    // A container's user need not be the one who runs the runner; the folder is closed to others.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, forwarder: Arc<Forwarder>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let attended = attend(stream, forwarder.clone());
                connections.spawn(async move {
                    attended.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a job's engine socket cannot take a connection; trying again");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(stream: UnixStream, forwarder: Arc<Forwarder>) {
    let service = service_fn(move |request| {
        let forwarder = forwarder.clone();
        async move { Ok::<_, std::convert::Infallible>(forwarder.forward(request).await) }
    });
    // A client that goes away is how connections end.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
