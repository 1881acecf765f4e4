use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc;

use crate::forward::{Forwarder, Peer};
use crate::options::Limits;
use crate::route::Route;
use crate::stream::{ClientStream, Place};

/// A client's connection on its way to a worker.
#[derive(Debug)]
struct Arrival {
    stream: TcpStream,
    peer: SocketAddr,
    route: Arc<Route>,
    place: Place,
}

/// Hands connections to the workers in turn. A connection stays with its worker, and so do the connections to
/// instances that it uses: a request never crosses threads.
#[derive(Debug, Clone)]
pub struct Workers {
    inboxes: Arc<[mpsc::UnboundedSender<Arrival>]>,
    next: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    most: usize,
}

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 58\r\n\r\n\
    503 Service Unavailable: too many connections at one time\n";

impl Workers {
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(count: usize, limits: &Limits) -> io::Result<Self> {
        let limits = Arc::new(limits.clone());
        let inboxes = (0..count)
            .map(|worker| {
                let (inbox, arrivals) = mpsc::unbounded_channel();
                let forwarder = Arc::new(Forwarder { worker, limits: limits.clone() });
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                std::thread::Builder::new()
                    .name(format!("proxy-{worker}"))
                    .spawn(move || runtime.block_on(receive(forwarder, arrivals)))?;
                Ok(inbox)
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            inboxes: inboxes.into(),
            next: Arc::default(),
            connections: Arc::default(),
            most: limits.connections,
        })
    }

    pub fn count(&self) -> usize {
        self.inboxes.len()
    }

    pub fn hand_over(&self, stream: tokio::net::TcpStream, peer: SocketAddr, route: Arc<Route>) {
        let Some(place) = Place::take(&self.connections, self.most) else {
            // The connection is new, so its buffer is empty and takes these few bytes.
            let _ = stream.try_write(FULL);
            return;
        };
        let Ok(stream) = stream.into_std() else { return };
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.inboxes.len();
        // A worker ends with the process only.
        let _ = self.inboxes[turn].send(Arrival { stream, peer, route, place });
    }
}

async fn receive(forwarder: Arc<Forwarder>, mut arrivals: mpsc::UnboundedReceiver<Arrival>) {
    while let Some(arrival) = arrivals.recv().await {
        tokio::spawn(attend(forwarder.clone(), arrival));
    }
}

/// Serves one client's connection to its end.
async fn attend(forwarder: Arc<Forwarder>, arrival: Arrival) {
    let Arrival { stream, peer, route, place } = arrival;
    let limits = forwarder.limits.clone();
    let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
    let Ok(text) = HeaderValue::from_str(&peer.ip().to_string()) else { return };
    let peer = Peer { ip: peer.ip(), text };
    let service = service_fn(|request| {
        let (forwarder, route, peer) = (&forwarder, &route, &peer);
        async move { Ok::<_, Infallible>(forwarder.forward(route, peer, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes.max(8192))
        .serve_connection(TokioIo::new(ClientStream::new(stream, limits.client_stall, place)), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        // Clients go away all the time.
        tracing::debug!(route = %route.key, error = crate::link::text(&error), "connection ended early");
    }
}
