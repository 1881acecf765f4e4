use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_deploy::{
    Deployer, EnvValue, ImageRef, RolloutKey, RolloutLimits, RolloutSpec, ServiceSpec, Target,
};
use sluice_model::{EnvironmentName, PromotionId, RepositoryName, ServiceName};
use sluice_release::{self as release, Command, PromotionState, Rollout, resolve_variables, rollout};
use tokio::task::AbortHandle;

use crate::app::App;
use crate::deliveries::DeliveryError;

/// Carries out what the machine of releases asks for, and watches what is live.
pub(crate) struct Rollouts {
    deployer: Deployer,
    /// What [`release::Target::Auto`] stands for on this machine.
    auto: Target,
    /// One for each environment with a live release.
    watches: Mutex<HashMap<(RepositoryName, EnvironmentName), AbortHandle>>,
}

/// From one look for drift to the next.
const WATCH_EVERY: Duration = Duration::from_secs(15);
/// So many looks in a row have to find drift: a machine that is busy for a moment is none.
const WATCH_CHANCES: u32 = 3;
/// So often the machine may be at fault before the rollout is given up.
const ATTEMPTS: u32 = 3;

impl Rollouts {
    pub(crate) fn new(deployer: Deployer, auto: Target) -> Self {
        Self { deployer, auto, watches: Mutex::default() }
    }

    /// Brings the proxy and the watches back at start, for every environment in which something is live.
    pub(crate) async fn resume(&self, app: &Arc<App>) -> anyhow::Result<()> {
        let mut any = false;
        for repository in app.store.repositories().await? {
            let state = app.deliveries.state(&repository).await?;
            let policy = state.policy().map(|policy| policy.environments.as_slice()).unwrap_or_default();
            for environment in policy {
                if let Some((promotion, _)) = state.live(&environment.name) {
                    any = true;
                    self.watch(app, &repository, promotion.id, &environment.name);
                }
            }
        }
        if any {
            self.deployer.proxy().await?;
        }
        Ok(())
    }

    pub(crate) async fn roll_out(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
    ) -> anyhow::Result<()> {
        let state = app.deliveries.state(repository).await?;
        let Some(rollout) =
            is_at(&state, promotion, |state| matches!(state, PromotionState::Deploying { .. }))
        else {
            return Ok(());
        };
        for note in without_secrets(&rollout) {
            app.deliveries.say(repository, promotion, note);
        }
        let outcome = match self.spec(repository, &rollout) {
            Ok(spec) => self.carry_out(app, repository, promotion, &spec).await,
            Err(problems) => Err(Ended::Failed(problems)),
        };
        let command = match &outcome {
            // What had the traffic and is not what it should be is for the verification to say.
            Ok(()) | Err(Ended::Switched(_)) => Command::RolloutSucceeded { promotion },
            Err(Ended::Failed(reason)) => Command::RolloutFailed { promotion, reason: reason.clone() },
        };
        if let Err(Ended::Switched(reason) | Ended::Failed(reason)) = &outcome {
            app.deliveries.say(repository, promotion, reason.clone());
        }
        tell(app, repository, command).await?;
        if let Err(Ended::Switched(reason)) = outcome {
            tell(app, repository, Command::VerificationFailed { promotion, reason }).await?;
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
        spec: &RolloutSpec,
    ) -> Result<(), Ended> {
        let say = |progress: sluice_deploy::Progress| {
            app.deliveries.say(repository, promotion, progress.to_string());
        };
        let mut attempt = 1;
        loop {
            match self.deployer.rollout(spec, say).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_switched() => return Err(Ended::Switched(error.to_string())),
                Err(error) if error.is_final() || attempt == ATTEMPTS => {
                    return Err(Ended::Failed(error.to_string()));
                }
                Err(error) => {
                    let text = format!("{error}; trying again ({attempt} of {ATTEMPTS})");
                    app.deliveries.say(repository, promotion, text);
                    tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
                    attempt += 1;
                }
            }
        }
    }

    pub(crate) async fn verify(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
    ) -> anyhow::Result<()> {
        let state = app.deliveries.state(repository).await?;
        let Some(rollout) =
            is_at(&state, promotion, |state| matches!(state, PromotionState::Verifying { .. }))
        else {
            return Ok(());
        };
        let length =
            Duration::from_millis(u64::try_from(rollout.settings.environment.verify_for_ms).unwrap_or(0));
        let outcome = match self.spec(repository, &rollout) {
            Ok(spec) => self.deployer.watch(&spec, length).await.map_err(|drift| drift.to_string()),
            Err(problems) => Err(problems),
        };
        let command = match outcome {
            Ok(()) => Command::VerificationSucceeded { promotion },
            Err(reason) => {
                app.deliveries.say(repository, promotion, reason.clone());
                Command::VerificationFailed { promotion, reason }
            }
        };
        tell(app, repository, command).await
    }

    /// The deployer has drained and kept the old instances by itself; what is left is to look for drift.
    pub(crate) async fn keep_watch(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
        environment: &EnvironmentName,
    ) -> anyhow::Result<()> {
        self.watch(app, repository, promotion, environment);
        Ok(())
    }

    /// The deployer has removed what a failed rollout started; its repeat of that, should it have been killed before,
    /// is at the next rollout of the environment. So the failure is only told.
    pub(crate) async fn clean_up(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
        environment: &EnvironmentName,
    ) -> anyhow::Result<()> {
        let state = app.deliveries.state(repository).await?;
        if let Some(promotion) = state.promotion(promotion)
            && let PromotionState::Failed { reason, .. } = &promotion.state
        {
            tracing::warn!(%repository, %environment, promotion = %promotion.id, reason, "a rollout failed");
        }
        Ok(())
    }

    /// Where each service of an environment answers.
    pub(crate) async fn addresses(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
    ) -> BTreeMap<ServiceName, String> {
        let state = self.deployer.environments().unwrap_or_default();
        let has_live = state.iter().any(|found| {
            found.repository == *repository && found.environment == *environment && found.live.is_some()
        });
        // Where nothing was ever deployed there may be no proxy, and asking would start one.
        if !has_live {
            return BTreeMap::new();
        }
        let Ok(proxy) = self.deployer.proxy().await else { return BTreeMap::new() };
        let routes = proxy.list().await.unwrap_or_default();
        let prefix = format!("{repository}/{environment}/");
        let address = |route: &sluice_proxy::RouteStatus| {
            let service = route.key.as_str().strip_prefix(&prefix)?;
            Some((ServiceName::new(service), format!("http://127.0.0.1:{}", route.port)))
        };
        routes.iter().filter_map(address).collect()
    }

    /// Whether instances of a version were kept for a rollback.
    pub(crate) fn keeps(
        &self,
        repository: &RepositoryName,
        environment: &EnvironmentName,
        version: &str,
    ) -> bool {
        let state = self.deployer.environments().unwrap_or_default();
        state
            .iter()
            .filter(|found| found.repository == *repository && found.environment == *environment)
            .any(|found| found.kept.iter().any(|kept| kept.version == version))
    }

    fn watch(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
        environment: &EnvironmentName,
    ) {
        let (app, place) = (app.clone(), (repository.clone(), environment.clone()));
        let task = tokio::spawn(look_for_drift(app, repository.clone(), promotion)).abort_handle();
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = watches.insert(place, task) {
            before.abort();
        }
    }

    /// One look: what differs from what was delivered. None: the promotion is not what is live any more.
    async fn drift(
        &self,
        app: &Arc<App>,
        repository: &RepositoryName,
        promotion: PromotionId,
    ) -> Option<Result<(), String>> {
        let state = app.deliveries.state(repository).await.ok()?;
        let rollout = is_at(&state, promotion, |state| matches!(state, PromotionState::Live { .. }))?;
        let spec = self.spec(repository, &rollout).ok()?;
        Some(self.deployer.check(&spec).await.map_err(|drift| drift.to_string()))
    }

    fn spec(&self, repository: &RepositoryName, rollout: &Rollout) -> Result<RolloutSpec, String> {
        let Rollout { promotion, environment, version, commit, images, settings, .. } = rollout;
        // No secrets are kept yet: a variable that needs one refuses the rollout here, before anything starts.
        let secrets = BTreeMap::new();
        let (mut services, mut problems) = (Vec::new(), Vec::new());
        for service in &settings.services {
            let Some(digest) = images.get(&service.name) else {
                problems.push(format!("the release has no image for the service `{}`", service.name));
                continue;
            };
            let env = match resolve_variables(service, &settings.environment, &secrets) {
                Ok(env) => env,
                Err(found) => {
                    problems.extend(found.iter().map(ToString::to_string));
                    continue;
                }
            };
            services.push(ServiceSpec {
                name: service.name.clone(),
                image: ImageRef { repository: service.image.clone(), digest: digest.clone() },
                port: service.port,
                health_path: service.health.clone().unwrap_or_else(|| "/".to_owned()),
                version_path: service.version.clone(),
                env: env.into_iter().map(|(name, value)| (name, EnvValue::new(value))).collect(),
                replicas: settings.environment.replicas,
                depends_on: service.depends_on.clone(),
                route_port: None,
            });
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        Ok(RolloutSpec {
            key: RolloutKey::new(format!("{repository}/{environment}/{promotion}")),
            repository: repository.clone(),
            environment: environment.clone(),
            version: version.clone(),
            commit: commit.clone(),
            target: match settings.target {
                release::Target::Auto => self.auto,
                release::Target::Docker => Target::Docker,
                release::Target::Host => Target::Host,
            },
            services,
            keep: usize::try_from(settings.environment.keep).unwrap_or(0),
            // The environment's own time is watched by the verification, which follows.
            limits: RolloutLimits { verify_for_ms: 0, ..RolloutLimits::default() },
        })
    }
}

/// The variables that nothing is set for because no secrets are kept: services start without these.
fn without_secrets(rollout: &Rollout) -> Vec<String> {
    let environment = &rollout.settings.environment.name;
    let note = |service: &release::Service, variable: &release::Variable| {
        let (service, name) = (&service.name, &variable.name);
        format!(
            "{service} in {environment} starts without {name}: it is a secret, and this server keeps none yet"
        )
    };
    let of = |service: &release::Service| -> Vec<String> {
        let missing = service.env.iter().filter(|variable| variable.secret && !variable.required);
        missing.map(|variable| note(service, variable)).collect()
    };
    rollout.settings.services.iter().flat_map(of).collect()
}

/// How a rollout did not come through.
enum Ended {
    /// The new instances have the traffic, and are not what they should be.
    Switched(String),
    Failed(String),
}

async fn look_for_drift(app: Arc<App>, repository: RepositoryName, promotion: PromotionId) {
    let mut found = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            () = app.stopping.cancelled() => return,
        }
        match app.rollouts.drift(&app, &repository, promotion).await {
            None => return,
            Some(Ok(())) => found = 0,
            Some(Err(_)) if found + 1 < WATCH_CHANCES => found += 1,
            Some(Err(reason)) => {
                let command = Command::DriftDetected { promotion, reason };
                if let Err(error) = tell(&app, &repository, command).await {
                    tracing::error!(%repository, error = format!("{error:#}"), "drift could not be written down");
                }
                found = 0;
            }
        }
    }
}

/// The promotion's rollout, where the promotion is in the state that the effect is for. An effect that is repeated
/// after its outcome was stored finds another one.
fn is_at(
    state: &release::State,
    promotion: PromotionId,
    is: impl Fn(&PromotionState) -> bool,
) -> Option<Rollout> {
    state.promotion(promotion).filter(|found| is(&found.state))?;
    rollout(state, promotion)
}

async fn tell(app: &App, repository: &RepositoryName, command: Command) -> anyhow::Result<()> {
    match app.deliveries.command(repository, command).await {
        Ok(_) => Ok(()),
        Err(DeliveryError::Refused(refused)) => {
            tracing::info!(%repository, %refused, "an outcome came too late");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
