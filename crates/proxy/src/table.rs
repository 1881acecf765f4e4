use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::command::{
    Drain, DrainReport, Install, OpenRoute, ROUTES, Refusal, RouteKey, RouteStatus, UPSTREAMS_A_ROUTE,
};
use crate::listener::Listener;
use crate::route::{Backends, Route, addresses};
use crate::state::{SavedRoute, SavedRoutes, StateFolder, Unreadable};
use crate::upstream::Upstream;
use crate::worker::Workers;

/// Ports that the proxy chooses from: below the range from which Linux takes the ports of outgoing connections, so
/// that a route's port is still free after a restart.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;

/// All routes. Orders change it one at a time, and each is on disk before it has an effect.
#[derive(Debug)]
pub struct Table {
    state: Arc<StateFolder>,
    writes: u64,
    workers: Workers,
    slots: BTreeMap<RouteKey, Slot>,
}

#[derive(Debug)]
struct Slot {
    route: Arc<Route>,
    also_on: Vec<IpAddr>,
    listeners: Vec<Listener>,
    /// Instances that still have requests, though the route may have left them: the same address is always the
    /// same instance, so that a drain and a rollback see the same counts.
    known: Vec<Weak<Upstream>>,
}

impl Slot {
    fn upstream(&mut self, address: SocketAddr, workers: usize) -> Arc<Upstream> {
        self.known.retain(|upstream| upstream.strong_count() > 0);
        let found = self.known.iter().filter_map(Weak::upgrade).find(|upstream| upstream.address == address);
        found.unwrap_or_else(|| {
            let upstream = Arc::new(Upstream::new(address, workers));
            self.known.push(Arc::downgrade(&upstream));
            upstream
        })
    }

    fn saved(&self) -> SavedRoute {
        let backends = self.route.backends();
        SavedRoute {
            key: self.route.key.clone(),
            port: self.route.port,
            also_on: self.also_on.clone(),
            generation: backends.generation,
            upstreams: backends.upstreams.iter().map(|upstream| upstream.address).collect(),
        }
    }

    fn status(&self) -> RouteStatus {
        let listening = self.listeners.iter().filter(|listener| listener.is_bound());
        RouteStatus {
            key: self.route.key.clone(),
            port: self.route.port,
            listening: listening.map(|listener| listener.address).collect(),
            generation: self.route.backends().generation,
            upstreams: self.route.upstream_statuses(),
            answers: self.route.answers(),
            retries: self.route.retries(),
        }
    }
}

impl Table {
    /// The routes of the last process, served again at once.
    ///
    /// # Errors
    /// When the state is damaged beyond use.
    pub fn load(state: StateFolder, workers: Workers) -> Result<Self, Unreadable> {
        let saved = state.load()?;
        let mut table =
            Self { state: Arc::new(state), writes: saved.writes, workers, slots: BTreeMap::new() };
        for SavedRoute { key, port, also_on, generation, upstreams } in saved.routes {
            let route = Arc::new(Route::new(key.clone(), port));
            let mut slot = Slot { route: route.clone(), also_on, listeners: Vec::new(), known: Vec::new() };
            let upstreams =
                upstreams.into_iter().map(|address| slot.upstream(address, table.workers.count())).collect();
            route.switch(Backends { generation, upstreams });
            table.listen(&mut slot, None);
            table.slots.insert(key, slot);
        }
        Ok(table)
    }

    pub fn statuses(&self) -> Vec<RouteStatus> {
        self.slots.values().map(Slot::status).collect()
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// # Errors
    /// [`Refusal`]; no route is made then.
    pub async fn open(&mut self, orders: Vec<OpenRoute>) -> Result<Vec<RouteStatus>, Refusal> {
        at_most("routes", (self.slots.len() + orders.len()) as u64, ROUTES)?;
        let keys: Vec<RouteKey> = orders.iter().map(|order| order.key.clone()).collect();
        let mut opened = Vec::new();
        for OpenRoute { key, port, also_on } in orders {
            at_most("addresses of one route", also_on.len() as u64, 8)?;
            match self.slots.get_mut(&key) {
                Some(slot) => {
                    let current = slot.route.port;
                    if let Some(seen) = port.filter(|seen| *seen != current) {
                        return Err(Refusal::PortFixed { key, seen, current });
                    }
                    let new = also_on.iter().filter(|ip| !slot.also_on.contains(ip)).copied();
                    let also_on: Vec<IpAddr> = slot.also_on.iter().copied().chain(new).collect();
                    opened.push((slot.route.clone(), also_on, None));
                }
                None => {
                    let taken: Vec<u16> = opened.iter().map(|(route, ..)| route.port).collect();
                    let (socket, port) = self.bind_port(&key, port, &taken).await?;
                    opened.push((Arc::new(Route::new(key, port)), also_on, Some(socket)));
                }
            }
        }
        let mut saved = self.saved();
        for (route, also_on, _) in &opened {
            match saved.routes.iter_mut().find(|saved| saved.key == route.key) {
                Some(saved) => saved.also_on.clone_from(also_on),
                None => saved.routes.push(SavedRoute {
                    key: route.key.clone(),
                    port: route.port,
                    also_on: also_on.clone(),
                    generation: 0,
                    upstreams: Vec::new(),
                }),
            }
        }
        self.save(saved).await?;
        for (route, also_on, socket) in opened {
            let mut slot = self.slots.remove(&route.key).unwrap_or_else(|| Slot {
                route: route.clone(),
                also_on: Vec::new(),
                listeners: Vec::new(),
                known: Vec::new(),
            });
            slot.also_on = also_on;
            self.listen(&mut slot, socket);
            self.slots.insert(route.key.clone(), slot);
        }
        Ok(self.statuses().into_iter().filter(|status| keys.contains(&status.key)).collect())
    }

    /// The switch. All routes of one order are checked, then saved, then switched one after the other without a
    /// pause, so that a release of several services changes at once.
    ///
    /// # Errors
    /// [`Refusal`]; no route is changed then.
    pub async fn install(&mut self, orders: Vec<Install>) -> Result<Vec<RouteStatus>, Refusal> {
        for order in &orders {
            self.check_install(order)?;
        }
        let mut saved = self.saved();
        for Install { key, generation, upstreams } in &orders {
            if let Some(saved) = saved.routes.iter_mut().find(|saved| saved.key == *key) {
                saved.generation = *generation;
                saved.upstreams.clone_from(upstreams);
            }
        }
        if saved.routes != self.saved().routes {
            self.save(saved).await?;
        }
        let workers = self.workers.count();
        let mut switches = Vec::new();
        for Install { key, generation, upstreams } in &orders {
            if let Some(slot) = self.slots.get_mut(key) {
                let upstreams = upstreams.iter().map(|address| slot.upstream(*address, workers)).collect();
                switches.push((slot.route.clone(), Backends { generation: *generation, upstreams }));
            }
        }
        for (route, backends) in switches {
            route.switch(backends);
        }
        Ok(orders.iter().filter_map(|order| self.slots.get(&order.key)).map(Slot::status).collect())
    }

    fn check_install(&self, order: &Install) -> Result<(), Refusal> {
        let Install { key, generation, upstreams } = order;
        at_most("instances of one route", upstreams.len() as u64, UPSTREAMS_A_ROUTE)?;
        let slot = self.slots.get(key).ok_or_else(|| Refusal::UnknownRoute { key: key.clone() })?;
        let current = slot.saved();
        if *generation < current.generation {
            return Err(Refusal::Stale { key: key.clone(), seen: *generation, current: current.generation });
        }
        if *generation == current.generation && *upstreams != current.upstreams {
            return Err(Refusal::Conflicting { key: key.clone(), generation: *generation });
        }
        Ok(())
    }

    /// What a drain waits for; waiting itself needs no table.
    ///
    /// # Errors
    /// [`Refusal::UnknownRoute`].
    pub fn draining(&self, drain: &Drain) -> Result<Draining, Refusal> {
        let slot =
            self.slots.get(&drain.key).ok_or_else(|| Refusal::UnknownRoute { key: drain.key.clone() })?;
        let backends = slot.route.backends();
        let leaves = |upstream: &Arc<Upstream>| {
            drain.upstreams.contains(&upstream.address)
                && !backends.upstreams.iter().any(|kept| Arc::ptr_eq(kept, upstream))
        };
        Ok(Draining {
            upstreams: slot.known.iter().filter_map(Weak::upgrade).filter(leaves).collect(),
            deadline: Duration::from_millis(drain.deadline_ms),
        })
    }

    /// Removes routes; those that are not there are not missed.
    ///
    /// # Errors
    /// [`Refusal::NotSaved`].
    pub async fn remove(&mut self, keys: &[RouteKey]) -> Result<(), Refusal> {
        let mut saved = self.saved();
        saved.routes.retain(|route| !keys.contains(&route.key));
        self.save(saved).await?;
        for key in keys {
            if let Some(slot) = self.slots.remove(key) {
                slot.route.remove();
            }
        }
        Ok(())
    }

    pub fn stop_listening(&mut self) {
        for slot in self.slots.values_mut() {
            slot.listeners.clear();
        }
    }

    /// Everything in flight, on instances that routes have left too.
    pub fn in_flight(&self) -> Vec<Arc<Upstream>> {
        self.slots.values().flat_map(|slot| slot.known.iter().filter_map(Weak::upgrade)).collect()
    }

    pub fn close_idle_before(&self, oldest: Instant) {
        for upstream in self.in_flight() {
            upstream.close_idle_before(oldest);
        }
    }

    fn listen(&self, slot: &mut Slot, mut socket: Option<TcpListener>) {
        for address in addresses(slot.route.port, &slot.also_on) {
            if slot.listeners.iter().any(|listener| listener.address == address) {
                continue;
            }
            let (route, workers) = (slot.route.clone(), self.workers.clone());
            slot.listeners.push(match socket.take() {
                Some(socket) => Listener::accept_from(socket, address, route, workers),
                None => Listener::bind_when_possible(address, route, workers),
            });
        }
    }

    async fn bind_port(
        &self,
        key: &RouteKey,
        wanted: Option<u16>,
        also_taken: &[u16],
    ) -> Result<(TcpListener, u16), Refusal> {
        let mut hasher = DefaultHasher::new();
        // The folder too: a proxy of another folder that is down just now finds its ports free when it comes back.
        self.state.folder().hash(&mut hasher);
        key.hash(&mut hasher);
        let start = (hasher.finish() % u64::from(PORTS)) as u16;
        let choices = match wanted {
            Some(port) => vec![port],
            None => (0..PORTS).map(|step| FIRST_PORT + (start + step) % PORTS).collect(),
        };
        let is_ours =
            |port| also_taken.contains(&port) || self.slots.values().any(|slot| slot.route.port == port);
        let mut reason = "another route has it".to_owned();
        for port in choices.iter().copied().filter(|port| !is_ours(*port)) {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(socket) => {
                    let port = socket.local_addr().map_or(port, |address| address.port());
                    return Ok((socket, port));
                }
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Refusal::PortTaken { key: key.clone(), port: wanted.unwrap_or(FIRST_PORT), reason })
    }

    fn saved(&self) -> SavedRoutes {
        SavedRoutes { writes: self.writes, routes: self.slots.values().map(Slot::saved).collect() }
    }

    async fn save(&mut self, mut saved: SavedRoutes) -> Result<(), Refusal> {
        saved.writes += 1;
        let (state, writes) = (self.state.clone(), saved.writes);
        // Not on this thread, which also accepts connections: a sync may take a while.
        let result = tokio::task::spawn_blocking(move || state.save(&saved)).await;
        match result {
            Ok(Ok(())) => {
                self.writes = writes;
                Ok(())
            }
            Ok(Err(error)) => Err(Refusal::NotSaved { reason: error.to_string() }),
            Err(error) => Err(Refusal::NotSaved { reason: error.to_string() }),
        }
    }
}

fn at_most(what: &str, seen: u64, most: u64) -> Result<(), Refusal> {
    if seen <= most {
        return Ok(());
    }
    Err(Refusal::TooMany { what: what.to_owned(), seen, most })
}

/// Instances that a route has left, with what is still in flight on them.
#[derive(Debug)]
pub struct Draining {
    upstreams: Vec<Arc<Upstream>>,
    deadline: Duration,
}

impl Draining {
    pub async fn finish(self) -> DrainReport {
        let started = Instant::now();
        let unused = async {
            for upstream in &self.upstreams {
                upstream.wait_until_unused().await;
            }
        };
        // What is left at the deadline is counted below.
        let _ = tokio::time::timeout(self.deadline, unused).await;
        let closed_tunnels = self.upstreams.iter().map(|upstream| upstream.tunnels()).sum();
        let in_flight: u64 = self.upstreams.iter().map(|upstream| upstream.in_flight()).sum();
        self.upstreams.iter().for_each(|upstream| upstream.cut_tunnels());
        DrainReport {
            waited_ms: started.elapsed().as_millis() as u64,
            remaining: in_flight.saturating_sub(closed_tunnels),
            closed_tunnels,
        }
    }
}
