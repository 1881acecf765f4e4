use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::route::Route;
use crate::worker::Workers;

/// An address that cannot be bound, or a process out of file descriptors, is tried again after this.
const AGAIN: Duration = Duration::from_millis(200);

/// One address of a route. Closed when it is dropped; connections that were taken go on.
#[derive(Debug)]
pub struct Listener {
    pub address: SocketAddr,
    bound: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Accepts from a socket that is bound already.
    pub fn accept_from(
        socket: TcpListener,
        address: SocketAddr,
        route: Arc<Route>,
        workers: Workers,
    ) -> Self {
        let bound = Arc::new(AtomicBool::new(true));
        Self { address, bound, task: tokio::spawn(accept(socket, route, workers)) }
    }

    /// Binds as soon as it can: the network of the address may not exist yet, and a port that an older process
    /// holds becomes free.
    pub fn bind_when_possible(address: SocketAddr, route: Arc<Route>, workers: Workers) -> Self {
        let bound = Arc::new(AtomicBool::new(false));
        let is_bound = bound.clone();
        let task = tokio::spawn(async move {
            let mut said = false;
            let socket = loop {
                match TcpListener::bind(address).await {
                    Ok(socket) => break socket,
                    Err(error) => {
                        if !said {
                            tracing::warn!(route = %route.key, %address, %error, "cannot listen yet; trying again");
                        }
                        said = true;
                    }
                }
                tokio::time::sleep(AGAIN).await;
            };
            is_bound.store(true, Ordering::SeqCst);
            accept(socket, route, workers).await;
        });
        Self { address, bound, task }
    }

    pub fn is_bound(&self) -> bool {
        self.bound.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, route: Arc<Route>, workers: Workers) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                // Without it small answers may wait for an acknowledgement; a socket that refuses it still works.
                let _ = stream.set_nodelay(true);
                workers.hand_over(stream, peer, route.clone());
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(route = %route.key, %error, "cannot take connections; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
