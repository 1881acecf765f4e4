use std::time::Duration;

use tokio::time::Instant;

use crate::deployer::Deployer;
use crate::failure::{Drift, LedgerError, last_words};
use crate::instances::Life;
use crate::probe::{self, NotThis};
use crate::record::{EnvironmentRecord, ReleaseRecord};
use crate::routes::Routes;
use crate::spec::{RolloutSpec, ServiceSpec};

/// From one round to the next.
const ROUND: Duration = Duration::from_millis(200);
/// A route that does not answer well is asked so often before it counts: a busy machine is no drift. One that says
/// another version counts at once.
const CHANCES: u32 = 3;

impl Deployer {
    /// Asks once: is every instance alive, does every route answer, and does it name this release?
    ///
    /// # Errors
    /// The first service that does not.
    pub async fn check(&self, spec: &RolloutSpec) -> Result<(), Drift> {
        self.watch(spec, Duration::ZERO).await
    }

    /// Keeps asking whether a release is what is live, through the proxy as its users do, for `duration`; at least once.
    /// What it finds is written down: a live release that has failed is not kept for a rollback when another takes
    /// its place, unless a later look finds it well again.
    ///
    /// # Errors
    /// The first service that does not answer, or names another version or commit.
    pub async fn watch(&self, spec: &RolloutSpec, duration: Duration) -> Result<(), Drift> {
        let outcome = self.look(spec, duration).await;
        if let Err(error) = self.note(spec, outcome.is_err()).await {
            tracing::warn!(%error, "what a look at the live release found could not be written down");
        }
        outcome
    }

    async fn note(&self, spec: &RolloutSpec, is_faulty: bool) -> Result<(), LedgerError> {
        let environment = self.environment(&spec.repository, &spec.environment).await?;
        let is_this = |live: &ReleaseRecord| live.version == spec.version && live.commit == spec.commit;
        let live = environment.record().await.live;
        if !live.is_some_and(|live| is_this(&live) && live.is_faulty != is_faulty) {
            return Ok(());
        }
        let note = |record: &mut EnvironmentRecord| {
            if let Some(live) = record.live.as_mut().filter(|live| is_this(live)) {
                live.is_faulty = is_faulty;
            }
        };
        environment.change(&self.ledger, note).await
    }

    async fn look(&self, spec: &RolloutSpec, duration: Duration) -> Result<(), Drift> {
        let routes = match self.routes(spec).await {
            Ok(routes) => routes,
            Err(error) => {
                let service = spec.services.first().map(|service| service.name.clone());
                let service = service.unwrap_or_else(|| sluice_model::ServiceName::new("proxy"));
                return Err(Drift { service, reason: error.to_string() });
            }
        };
        let until = Instant::now() + duration;
        loop {
            self.check_instances(spec).await?;
            let services = spec.services.iter().map(|service| ask(spec, service, &routes));
            if let Err(drift) = futures_util::future::try_join_all(services).await {
                // One that died while it was asked says more about it than its silence.
                self.check_instances(spec).await?;
                return Err(drift);
            }
            if Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep_until(until.min(Instant::now() + ROUND)).await;
        }
    }

    /// A dead instance among several is hidden by the proxy, which takes the others.
    async fn check_instances(&self, spec: &RolloutSpec) -> Result<(), Drift> {
        let first = spec.services.first().map(|service| service.name.clone());
        let first = first.unwrap_or_else(|| sluice_model::ServiceName::new("release"));
        let at_all = |reason| Drift { service: first.clone(), reason };
        let record = self.environment(&spec.repository, &spec.environment).await;
        let record = record.map_err(|error| at_all(error.to_string()))?.record().await;
        let live = record.live.ok_or_else(|| at_all("no release is live in this environment".to_owned()))?;
        if (&live.version, &live.commit) != (&spec.version, &spec.commit) {
            let reason =
                format!("version {} ({}) is live in this environment", live.version, live.commit.short());
            return Err(at_all(reason));
        }
        let instances = self.ledger.instances().map_err(|error| at_all(error.to_string()))?;
        for id in &live.instances {
            let Some(record) = instances.iter().find(|record| record.id == *id) else {
                return Err(at_all(format!("its instance {id} is gone")));
            };
            let drift = |reason| Drift { service: record.service.clone(), reason };
            match self.instances.life(record).await {
                Ok(Life::Running(_)) => {}
                Ok(Life::Ended { how }) => {
                    let lines = self.instances.last_lines(record).await;
                    return Err(drift(format!(
                        "instance {} {how}{}",
                        record.replica + 1,
                        last_words(&lines)
                    )));
                }
                Err(error) => return Err(drift(error.to_string())),
            }
        }
        Ok(())
    }
}

async fn ask(spec: &RolloutSpec, service: &ServiceSpec, routes: &Routes) -> Result<(), Drift> {
    let drift = |reason| Drift { service: service.name.clone(), reason };
    let Some(address) = routes.address(&service.name) else {
        return Err(drift("the proxy has no route to it".to_owned()));
    };
    // The proxy takes instances in turn, so as many questions reach all of them.
    for _ in 0..service.replicas {
        let mut chances = CHANCES;
        while let Err(reason) = probe::health(address, &service.health_path).await {
            chances -= 1;
            if chances == 0 {
                return Err(drift(format!("{}: {reason}", service.health_path)));
            }
            tokio::time::sleep(ROUND / 2).await;
        }
        if let Some(path) = &service.version_path {
            let mut chances = CHANCES;
            while let Err(problem) = probe::version(address, path, &spec.version, &spec.commit).await {
                chances -= 1;
                if chances == 0 || matches!(problem, NotThis::Other(_)) {
                    return Err(drift(format!("{path} {}", problem.into_reason())));
                }
                tokio::time::sleep(ROUND / 2).await;
            }
        }
    }
    Ok(())
}
