use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::link::Link;

/// A worker keeps at most this many unused connections to one instance.
const IDLE_LINKS: usize = 256;
/// An instance that refused a connection is passed over for this long while another one answers.
const DOWN: Duration = Duration::from_secs(1);

/// One instance: its address, what is in flight on it, and the unused connections to it, apart for each worker.
#[derive(Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    in_flight: AtomicU64,
    tunnels: AtomicU64,
    /// No route points here any more: connections are closed when they come back.
    retired: AtomicBool,
    down_since_ms: AtomicU64,
    idle: Box<[Mutex<Vec<Idle>>]>,
    /// Told whenever something in flight ended.
    ended: Notify,
    cut: watch::Sender<u64>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Upstream {
    pub fn new(address: SocketAddr, workers: usize) -> Self {
        Self {
            address,
            in_flight: AtomicU64::new(0),
            tunnels: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            down_since_ms: AtomicU64::new(0),
            idle: (0..workers).map(|_| Mutex::new(Vec::new())).collect(),
            ended: Notify::new(),
            cut: watch::Sender::new(0),
        }
    }

    /// Counts a request as in flight until the value is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight { upstream: self.clone(), tunnel: false }
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Of what is in flight, the upgraded connections.
    pub fn tunnels(&self) -> u64 {
        self.tunnels.load(Ordering::SeqCst)
    }

    pub async fn wait_until_unused(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Changes when tunnels to this instance must end.
    pub fn cuts(&self) -> watch::Receiver<u64> {
        self.cut.subscribe()
    }

    pub fn cut_tunnels(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    pub fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::SeqCst);
        if retired {
            for links in &self.idle {
                lock(links).clear();
            }
        }
    }

    pub fn set_down(&self, down: bool) {
        let value = if down { millis_now() } else { 0 };
        // The store is skipped in the common case, so that a healthy instance's line is not written by all workers.
        if self.down_since_ms.load(Ordering::Relaxed) != value {
            self.down_since_ms.store(value, Ordering::Relaxed);
        }
    }

    pub fn is_down(&self) -> bool {
        match self.down_since_ms.load(Ordering::Relaxed) {
            0 => false,
            since => millis_now().saturating_sub(since) < DOWN.as_millis() as u64,
        }
    }

    /// The connection that was used last: the fewest are kept busy, the others grow old and are closed.
    pub fn take_idle(&self, worker: usize) -> Option<Box<Link>> {
        lock(&self.idle[worker]).pop().map(|idle| idle.link)
    }

    pub fn put_idle(&self, worker: usize, link: Box<Link>) {
        let mut links = lock(&self.idle[worker]);
        // Read under the lock, so that a retirement either sees this connection or is seen here.
        if links.len() < IDLE_LINKS && !self.retired.load(Ordering::SeqCst) {
            links.push(Idle { link, since: Instant::now() });
        }
    }

    pub fn close_idle_before(&self, oldest: Instant) {
        for links in &self.idle {
            lock(links).retain(|idle| idle.since >= oldest);
        }
    }
}

fn lock(links: &Mutex<Vec<Idle>>) -> std::sync::MutexGuard<'_, Vec<Idle>> {
    links.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the process first asked, plus one, so that 0 can mean never.
fn millis_now() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}

/// One request, or one tunnel, on an instance.
#[derive(Debug)]
pub struct InFlight {
    pub upstream: Arc<Upstream>,
    tunnel: bool,
}

impl InFlight {
    pub fn into_tunnel(mut self) -> Self {
        self.tunnel = true;
        self.upstream.tunnels.fetch_add(1, Ordering::SeqCst);
        self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.tunnel {
            self.upstream.tunnels.fetch_sub(1, Ordering::SeqCst);
        }
        if self.upstream.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.upstream.ended.notify_waiters();
        }
    }
}
