use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sluice_proxy::{Drain, Install, RouteKey, RouteStatus};
use tokio::sync::mpsc;

use crate::deployer::Deployer;
use crate::environment::Environment;
use crate::failure::RolloutFailed;
use crate::instances::{Life, Recipe};
use crate::order::in_order;
use crate::probe::{self, NotThis};
use crate::progress::{Progress, RolloutReport, ServiceReport};
use crate::record::{InstanceRecord, ReleaseRecord, RolloutState};
use crate::routes::{self, Routes};
use crate::spec::{RolloutSpec, ServiceSpec};

/// From one question to an instance that is not ready to the next.
const POLL: Duration = Duration::from_millis(25);
/// So many good answers in a row make an instance ready: one may be luck.
const GOOD_ANSWERS: u32 = 2;

/// So many orders to the proxy, one after the other, one rollout can give for a route. Its place among the rollouts of
/// its environment says from which generation on: an older rollout's never outrank a newer one's.
const ORDERS_A_ROLLOUT: u64 = 1 << 20;

impl Deployer {
    /// Makes a release live in an environment: start it beside the old one, await it, check that it is what it
    /// should be, switch, verify, drain the old one and keep it for a rollback.
    ///
    /// A repeat of a key goes on where the last attempt stopped, with what that one has started; of one that is done
    /// it reports the same again, and restarts what has died since. A newer rollout of the environment makes an older
    /// one give way.
    ///
    /// # Errors
    /// [`RolloutFailed`]; unless it [is switched](RolloutFailed::is_switched), what was live still is.
    pub async fn rollout(
        &self,
        spec: &RolloutSpec,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<RolloutReport, RolloutFailed> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let work = self.roll_out(spec, tell);
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(step) = told.recv() => progress(step),
                outcome = &mut work => break outcome,
            }
        };
        while let Ok(step) = told.try_recv() {
            progress(step);
        }
        outcome
    }

    async fn roll_out(
        &self,
        spec: &RolloutSpec,
        tell: mpsc::UnboundedSender<Progress>,
    ) -> Result<RolloutReport, RolloutFailed> {
        let groups = in_order(spec)?;
        let environment = self.environment(&spec.repository, &spec.environment).await?;
        let routes = self.routes(spec).await?;
        let at_least = routes.generation() / ORDERS_A_ROLLOUT;
        let sequence = environment.begin(&self.ledger, &spec.key, at_least).await?;
        let attempt = Attempt { deployer: self, environment: &environment, spec, routes, sequence, tell };
        if let Some(report) = attempt.reported().await? {
            return Ok(report);
        }
        let work = async {
            let _working = environment.working.lock().await;
            let outcome = attempt.carry_out(&groups).await;
            if let Err(error) = attempt.conclude(&outcome).await {
                // What the rollout came to is known all the same; a repeat, or the next rollout, tidies up.
                tracing::warn!(rollout = %spec.key, %error, "the end of a rollout could not be written down or tidied up");
            }
            outcome
        };
        tokio::select! {
            biased;
            by = environment.superseded(sequence) => Err(RolloutFailed::Superseded { key: spec.key.clone(), by }),
            outcome = work => outcome,
        }
    }
}

/// One attempt at a rollout.
struct Attempt<'a> {
    deployer: &'a Deployer,
    environment: &'a Environment,
    spec: &'a RolloutSpec,
    routes: Routes,
    sequence: u64,
    tell: mpsc::UnboundedSender<Progress>,
}

/// An instance of the new release.
struct Member<'a> {
    service: &'a ServiceSpec,
    record: InstanceRecord,
    is_adopted: bool,
}

impl<'a> Attempt<'a> {
    /// The report of a rollout that is done, if there is nothing left to do for it: something newer is live, or
    /// everything that it made live still is.
    async fn reported(&self) -> Result<Option<RolloutReport>, RolloutFailed> {
        let record = self.environment.record().await;
        let Some(report) = record.report(&self.spec.key).cloned() else { return Ok(None) };
        if record.newest().is_some_and(|newest| newest.key != self.spec.key) {
            return Ok(Some(report));
        }
        let is_routed = |service: &ServiceReport| {
            self.routes.of(&service.name).is_some_and(|route| addresses(route) == service.instances)
        };
        if !report.services.iter().all(is_routed) {
            return Ok(None);
        }
        let live = self.live_instances().await?;
        for instance in &live {
            if !matches!(self.deployer.instances.life(instance).await?, Life::Running(_)) {
                return Ok(None);
            }
        }
        if live.len() != record.live.map_or(0, |release| release.instances.len()) {
            return Ok(None);
        }
        // The attempt that wrote the report may have been killed before it had tidied up.
        self.sweep().await?;
        Ok(Some(report))
    }

    async fn carry_out(&self, groups: &[Vec<&'a ServiceSpec>]) -> Result<RolloutReport, RolloutFailed> {
        let began = Instant::now();
        let mut fleet: Vec<Member<'a>> = Vec::new();
        for group in groups {
            let instances =
                group.iter().flat_map(|service| (0..service.replicas).map(move |n| (*service, n)));
            fleet.extend(try_join_all(instances.map(|(service, n)| self.bring_up(service, n))).await?);
            self.introduce(group, &fleet).await?;
        }
        let until_switch_ms = millis(began);

        let switching = Instant::now();
        let drains = self.switch(&fleet).await?;
        let switch_ms = millis(switching);
        self.tell(Progress::Switched { services: self.spec.services.len() as u64, took_ms: switch_ms });

        self.verify().await?;
        let undrained = self.drain(drains).await?;
        let kept = self.environment.record().await.kept;
        Ok(RolloutReport {
            services: self.spec.services.iter().map(|service| self.report(service, &fleet)).collect(),
            switch_ms,
            until_switch_ms,
            total_ms: millis(began),
            undrained,
            kept: kept.into_iter().map(|release| release.version).collect(),
        })
    }

    /// An instance that is ready and is what it should be: one that runs already, or a new one.
    async fn bring_up(&self, service: &'a ServiceSpec, replica: u32) -> Result<Member<'a>, RolloutFailed> {
        let instances = &self.deployer.instances;
        let recipe = Recipe::new(&self.deployer.ledger, self.spec, service, &self.routes.variables());
        let name = || service.name.clone();
        let (record, is_adopted) = match instances.adopt(&recipe, replica).await? {
            Some(record) => {
                self.tell(Progress::Adopted { service: name(), replica, address: record.address });
                (record, true)
            }
            None => {
                let fetching =
                    || self.tell(Progress::Fetching { service: name(), image: service.image.to_string() });
                let record = instances.start(&recipe, replica, fetching).await?;
                self.tell(Progress::Started { service: name(), replica, address: record.address });
                (record, false)
            }
        };
        let after_ms = self.await_ready(service, &record).await?;
        self.tell(Progress::Ready { service: name(), replica, after_ms });
        self.check_version(service, &record).await?;
        Ok(Member { service, record, is_adopted })
    }

    async fn await_ready(
        &self,
        service: &ServiceSpec,
        record: &InstanceRecord,
    ) -> Result<u64, RolloutFailed> {
        let began = Instant::now();
        let within = Duration::from_millis(self.spec.limits.ready_within_ms);
        let instances = &self.deployer.instances;
        let (mut good_answers, mut seen) = (0, "it was not asked yet".to_owned());
        loop {
            let how = match instances.life(record).await? {
                // The engine has restarted it meanwhile: that is no start that can be relied on.
                Life::Running(process) if record.process.is_some_and(|first| first.pid != process.pid) => {
                    Some("ended".to_owned())
                }
                Life::Running(_) => None,
                Life::Ended { how } => Some(how),
            };
            if let Some(how) = how {
                let last_lines = instances.last_lines(record).await;
                return Err(RolloutFailed::Died { service: service.name.clone(), how, last_lines });
            }
            match probe::health(record.address, &service.health_path).await {
                Ok(()) => good_answers += 1,
                Err(reason) => (good_answers, seen) = (0, reason),
            }
            if good_answers == GOOD_ANSWERS {
                return Ok(millis(began));
            }
            if began.elapsed() >= within {
                return Err(RolloutFailed::NotReady {
                    service: service.name.clone(),
                    path: service.health_path.clone(),
                    within_ms: self.spec.limits.ready_within_ms,
                    seen,
                    last_lines: instances.last_lines(record).await,
                });
            }
            if good_answers == 0 {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    async fn check_version(
        &self,
        service: &ServiceSpec,
        record: &InstanceRecord,
    ) -> Result<(), RolloutFailed> {
        let Some(path) = &service.version_path else { return Ok(()) };
        let until = Instant::now() + Duration::from_millis(self.spec.limits.ready_within_ms);
        while let Err(problem) =
            probe::version(record.address, path, &self.spec.version, &self.spec.commit).await
        {
            if Instant::now() >= until || matches!(problem, NotThis::Other(_)) {
                return Err(RolloutFailed::WrongVersion {
                    service: service.name.clone(),
                    path: path.clone(),
                    reason: problem.into_reason(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        self.tell(Progress::Checked { service: service.name.clone(), replica: record.replica });
        Ok(())
    }

    /// The first release of a service has nothing to stand beside, and services that depend on it may need it to
    /// become ready: so its route leads to it as soon as it is ready itself.
    async fn introduce(&self, group: &[&ServiceSpec], fleet: &[Member<'_>]) -> Result<(), RolloutFailed> {
        let live = self.live_instances().await?;
        let is_first = |service: &ServiceSpec| !live.iter().any(|instance| instance.service == service.name);
        if !group.iter().any(|service| is_first(service)) {
            return Ok(());
        }
        let proxy = self.deployer.proxy().await?;
        let now = proxy.list().await?;
        let first = group.iter().filter(|service| is_first(service));
        let orders = first.map(|service| self.order(service, fleet, &now)).collect::<Result<_, _>>()?;
        proxy.install(orders).await?;
        Ok(())
    }

    async fn live_instances(&self) -> Result<Vec<InstanceRecord>, RolloutFailed> {
        let live = self.environment.record().await.live.map(|release| release.instances).unwrap_or_default();
        let mut instances = self.deployer.ledger.instances()?;
        instances.retain(|instance| live.contains(&instance.id));
        Ok(instances)
    }

    /// Sends all requests to the new release, and says what of the old one is to be drained.
    async fn switch(&self, fleet: &[Member<'_>]) -> Result<Vec<Drain>, RolloutFailed> {
        let proxy = self.deployer.proxy().await?;
        let before = proxy.list().await?;
        let services = self.spec.services.iter();
        let mut orders: Vec<Install> =
            services.map(|service| self.order(service, fleet, &before)).collect::<Result<_, _>>()?;
        orders.extend(self.dropped(&before));
        proxy.install(orders.clone()).await?;
        let release = ReleaseRecord {
            version: self.spec.version.clone(),
            commit: self.spec.commit.clone(),
            instances: fleet.iter().map(|member| member.record.id.clone()).collect(),
            is_faulty: false,
        };
        let keep = self.spec.keep;
        self.environment.change(&self.deployer.ledger, |record| record.go_live(release, keep)).await?;
        let left = |order: Install| {
            let route = before.iter().find(|route| route.key == order.key)?;
            let mut upstreams = addresses(route);
            upstreams.retain(|address| !order.upstreams.contains(address));
            let deadline_ms = self.spec.limits.drain_within_ms;
            (!upstreams.is_empty()).then_some(Drain { key: order.key, upstreams, deadline_ms })
        };
        Ok(orders.into_iter().filter_map(left).collect())
    }

    /// Sends a service's route to those of `fleet` that serve it. `now` is how the routes are.
    fn order(
        &self,
        service: &ServiceSpec,
        fleet: &[Member<'_>],
        now: &[RouteStatus],
    ) -> Result<Install, RolloutFailed> {
        let members = fleet.iter().filter(|member| member.service.name == service.name);
        let upstreams = members.map(|member| member.record.address).collect();
        Ok(self.order_of(routes::key(self.spec, service)?, upstreams, now))
    }

    fn order_of(&self, key: RouteKey, upstreams: Vec<SocketAddr>, now: &[RouteStatus]) -> Install {
        let route = now.iter().find(|route| route.key == key).filter(|route| self.is_own(route));
        let generation = match route {
            Some(route) if addresses(route) == upstreams => route.generation,
            Some(route) => route.generation + 1,
            // A newer rollout's route refuses it.
            None => self.sequence * ORDERS_A_ROLLOUT,
        };
        Install { key, generation, upstreams }
    }

    /// Services that an earlier release had and this one has not: their routes lead nowhere from now on.
    fn dropped(&self, now: &[RouteStatus]) -> Vec<Install> {
        let prefix = routes::prefix(self.spec);
        let is_dropped = |route: &&RouteStatus| {
            let service = route.key.as_str().strip_prefix(&prefix);
            !route.upstreams.is_empty()
                && service.is_some_and(|service| {
                    // A slash: that is another environment, whose name begins with this one's.
                    !service.contains('/')
                        && !self.spec.services.iter().any(|known| known.name.as_str() == service)
                })
        };
        let dropped = now.iter().filter(is_dropped);
        dropped.map(|route| self.order_of(route.key.clone(), Vec::new(), now)).collect()
    }

    /// The route is as an order of this rollout left it.
    fn is_own(&self, route: &RouteStatus) -> bool {
        route.generation / ORDERS_A_ROLLOUT == self.sequence
    }

    async fn verify(&self) -> Result<(), RolloutFailed> {
        let for_ms = self.spec.limits.verify_for_ms;
        self.tell(Progress::Verifying { for_ms });
        let watched = self.deployer.watch(self.spec, Duration::from_millis(for_ms)).await;
        watched.map_err(RolloutFailed::Drifted)?;
        self.tell(Progress::Verified);
        Ok(())
    }

    async fn drain(&self, drains: Vec<Drain>) -> Result<u64, RolloutFailed> {
        if drains.is_empty() {
            return Ok(0);
        }
        let instances = drains.iter().map(|drain| drain.upstreams.len() as u64).sum();
        self.tell(Progress::Draining { instances });
        let reports = self.deployer.proxy().await?.drain(drains).await?;
        let waited_ms = reports.iter().map(|report| report.waited_ms).max().unwrap_or(0);
        let remaining = reports.iter().map(|report| report.remaining).sum();
        self.tell(Progress::Drained { waited_ms, remaining });
        Ok(remaining)
    }

    /// Writes down how it ended, and stops what is of no use any more.
    async fn conclude(&self, outcome: &Result<RolloutReport, RolloutFailed>) -> Result<(), RolloutFailed> {
        let state = match outcome {
            Ok(report) => RolloutState::Done { report: report.clone() },
            Err(failed) if failed.is_final() => {
                RolloutState::Failed { reason: failed.to_string(), is_switched: failed.is_switched() }
            }
            Err(_) => RolloutState::Begun,
        };
        let ledger = &self.deployer.ledger;
        self.environment.change(ledger, |record| record.set_state(&self.spec.key, state)).await?;
        if outcome.as_ref().is_err_and(|failed| !failed.is_switched()) {
            self.withdraw().await?;
        }
        self.sweep().await
    }

    /// Takes back what was introduced, where nothing was live before.
    async fn withdraw(&self) -> Result<(), RolloutFailed> {
        let proxy = self.deployer.proxy().await?;
        let now = proxy.list().await?;
        let live = self.live_instances().await?;
        let is_live = |address: &SocketAddr| live.iter().any(|instance| instance.address == *address);
        let is_introduced = |order: &Install| {
            let route = now.iter().find(|route| route.key == order.key);
            route.is_some_and(|route| self.is_own(route) && !addresses(route).iter().any(is_live))
        };
        let services = self.spec.services.iter();
        let orders: Vec<Install> =
            services.map(|service| self.order(service, &[], &now)).collect::<Result<_, _>>()?;
        let orders: Vec<Install> = orders.into_iter().filter(is_introduced).collect();
        if !orders.is_empty() {
            proxy.install(orders).await?;
        }
        Ok(())
    }

    /// Stops every instance of the environment that no release wants and no route leads to.
    async fn sweep(&self) -> Result<(), RolloutFailed> {
        let record = self.environment.record().await;
        let routed: Vec<SocketAddr> =
            self.deployer.proxy().await?.list().await?.iter().flat_map(addresses).collect();
        let mut surplus = self.deployer.ledger.instances()?;
        surplus.retain(|instance| {
            instance.is_of(self.spec)
                && !self.deployer.instances.is_stopping_now(&instance.id)
                && !record.wants(&instance.id)
                && !routed.contains(&instance.address)
        });
        if surplus.is_empty() {
            return Ok(());
        }
        self.tell(Progress::Stopping { instances: surplus.len() as u64 });
        for instance in &mut surplus {
            instance.is_stopping = true;
            self.deployer.ledger.save_instance(instance).await?;
        }
        self.deployer.stop_in_background(surplus);
        Ok(())
    }

    fn report(&self, service: &ServiceSpec, fleet: &[Member<'_>]) -> ServiceReport {
        let members = || fleet.iter().filter(|member| member.service.name == service.name);
        ServiceReport {
            name: service.name.clone(),
            url: self.routes.url(&service.name),
            instances: members().map(|member| member.record.address).collect(),
            adopted: members().filter(|member| member.is_adopted).count() as u64,
        }
    }

    fn tell(&self, progress: Progress) {
        // Whoever listened may have gone; the rollout goes on.
        let _ = self.tell.send(progress);
    }
}

fn addresses(route: &RouteStatus) -> Vec<SocketAddr> {
    route.upstreams.iter().map(|upstream| upstream.address).collect()
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}
