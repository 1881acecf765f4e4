use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify};

use crate::options::Options;
use crate::orders::Orders;
use crate::socket::SocketPath;
use crate::state::{StateFolder, Unreadable};
use crate::table::Table;
use crate::worker::Workers;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("another proxy serves {folder} already: talk to that one, or stop it")]
    AlreadyRunning { folder: PathBuf },
    #[error(transparent)]
    State(#[from] Unreadable),
    #[error("cannot {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// How often unused connections are looked through.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Serves the routes of a state folder until it is told to stop: by `shutdown` on the control socket, SIGTERM or
/// SIGINT. Then no new connection is taken, and requests in flight are waited for. Routes stay in the folder.
///
/// # Errors
/// When another process serves the folder, or it cannot be used.
pub async fn serve(options: Options) -> Result<(), ServeError> {
    let folder = &options.state;
    let io = |what| move |source| ServeError::Io { what, path: folder.clone(), source };
    make_private(folder).map_err(io("make the folder"))?;
    let _lock = lock(folder)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io("watch signals for"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("watch signals for"))?;

    let workers =
        Workers::start(threads(options.workers), &options.limits).map_err(io("start workers for"))?;
    let table = Arc::new(Mutex::new(Table::load(StateFolder::new(folder), workers)?));
    let control = listen(folder).map_err(io("open the control socket in"))?;
    let orders = Orders { table: table.clone(), shutdown: Arc::new(Notify::new()) };
    let accepting = tokio::spawn(take_orders(control, orders.clone()));
    let keeping = tokio::spawn(keep_house(table.clone(), options.limits.idle));
    tracing::info!(folder = %folder.display(), "proxy serves");

    tokio::select! {
        () = orders.shutdown.notified() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let in_flight = {
        let mut table = table.lock().await;
        table.stop_listening();
        table.in_flight()
    };
    let unused = async {
        for upstream in in_flight {
            upstream.wait_until_unused().await;
        }
    };
    if tokio::time::timeout(options.limits.shutdown, unused).await.is_err() {
        tracing::warn!("requests were still in flight at the end");
    }
    keeping.abort();
    accepting.abort();
    // The socket is the sign of life, so it goes last. The folder may be gone already.
    let _ = fs::remove_file(folder.join("control.sock"));
    Ok(())
}

async fn take_orders(control: UnixListener, orders: Orders) {
    loop {
        match control.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(orders.clone().attend(stream));
            }
            Err(error) => {
                tracing::error!(%error, "cannot take orders; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn keep_house(table: Arc<Mutex<Table>>, idle: Duration) {
    loop {
        tokio::time::sleep(HOUSEKEEPING.min(idle)).await;
        if let Some(oldest) = Instant::now().checked_sub(idle) {
            table.lock().await.close_idle_before(oldest);
        }
    }
}

fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(16),
        wanted => wanted,
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Held for the life of the process; the system lets go of it however the process ends.
fn lock(folder: &Path) -> Result<File, ServeError> {
    let path = folder.join("proxy.lock");
    let io = |source| ServeError::Io { what: "lock", path: path.clone(), source };
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(io)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| ServeError::AlreadyRunning { folder: folder.to_owned() })?;
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}

fn listen(folder: &Path) -> io::Result<UnixListener> {
    // Whoever bound it is dead: the lock is ours.
    match fs::remove_file(folder.join("control.sock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = SocketPath::of(folder)?;
    let listener = UnixListener::bind(socket.path())?;
    fs::set_permissions(folder.join("control.sock"), fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
