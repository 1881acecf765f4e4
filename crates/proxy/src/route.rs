use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use std::collections::BTreeMap;

use crate::command::{RouteKey, UpstreamStatus};
use crate::upstream::{InFlight, Upstream};

/// One route as the workers see it. Everything but `backends` is fixed or a counter.
#[derive(Debug)]
pub struct Route {
    pub key: RouteKey,
    pub port: u16,
    backends: ArcSwap<Backends>,
    removed: AtomicBool,
    next: AtomicUsize,
    answers: Box<[AtomicU64]>,
    retries: AtomicU64,
}

/// The instances of one generation. Never changed: a switch puts another one in its place.
#[derive(Debug, Default)]
pub struct Backends {
    pub generation: u64,
    pub upstreams: Vec<Arc<Upstream>>,
}

/// Status codes are three digits (RFC 9110, section 15); hyper hands on 100 to 999.
const CODES: usize = 1000;

impl Route {
    pub fn new(key: RouteKey, port: u16) -> Self {
        Self {
            key,
            port,
            backends: ArcSwap::default(),
            removed: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            answers: (0..CODES).map(|_| AtomicU64::new(0)).collect(),
            retries: AtomicU64::new(0),
        }
    }

    pub fn backends(&self) -> Arc<Backends> {
        self.backends.load_full()
    }

    /// From here on every new request goes to `backends`.
    pub fn switch(&self, backends: Backends) {
        let old = self.backends.swap(Arc::new(backends));
        let new = self.backends();
        for upstream in &new.upstreams {
            upstream.set_retired(false);
        }
        for upstream in &old.upstreams {
            if !new.upstreams.iter().any(|kept| Arc::ptr_eq(kept, upstream)) {
                upstream.set_retired(true);
            }
        }
    }

    pub fn remove(&self) {
        self.removed.store(true, Ordering::SeqCst);
        self.switch(Backends::default());
    }

    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }

    /// Chooses an instance in turn, passing over those that `avoid` says have just failed, and counts the request
    /// on it. None when the route has no instance.
    ///
    /// The route is read again after counting: whoever drains an old instance either sees the count, or the
    /// request sees the switch. So no request begins on an instance after its drain has ended.
    pub fn enter(&self, avoid: Option<SocketAddr>) -> Option<InFlight> {
        loop {
            let backends = self.backends.load();
            let count = backends.upstreams.len();
            let upstream = match count {
                0 => return None,
                1 => &backends.upstreams[0],
                _ => {
                    let turn = self.next.fetch_add(1, Ordering::Relaxed);
                    let in_turn = || (0..count).map(|step| &backends.upstreams[(turn + step) % count]);
                    in_turn()
                        .find(|upstream| !upstream.is_down() && Some(upstream.address) != avoid)
                        .or_else(|| in_turn().find(|upstream| Some(upstream.address) != avoid))
                        .unwrap_or(&backends.upstreams[0])
                }
            };
            let in_flight = upstream.enter();
            if Arc::ptr_eq(&backends, &self.backends.load()) {
                return Some(in_flight);
            }
        }
    }

    pub fn count_answer(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub fn answers(&self) -> BTreeMap<u16, u64> {
        (0u16..)
            .zip(&self.answers)
            .map(|(code, counter)| (code, counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    pub fn upstream_statuses(&self) -> Vec<UpstreamStatus> {
        let status = |upstream: &Arc<Upstream>| UpstreamStatus {
            address: upstream.address,
            in_flight: upstream.in_flight(),
            down: upstream.is_down(),
        };
        self.backends().upstreams.iter().map(status).collect()
    }
}

/// Where a route listens: 127.0.0.1 first.
pub fn addresses(port: u16, also_on: &[IpAddr]) -> Vec<SocketAddr> {
    let mut all = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    for ip in also_on {
        let address = SocketAddr::new(*ip, port);
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}
