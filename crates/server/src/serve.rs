use std::fs::{DirBuilder, File};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use futures_util::future::BoxFuture;
use rustix::fs::{FlockOperation, flock};
use sluice_deploy::{Deployer, DeployerOptions, Target};
use sluice_docker::Engine;
use sluice_engine as engine;
use sluice_forge::{Forge, Limits};
use sluice_model::{RepositoryName, RunId};
use sluice_registry::Registry;
use sluice_runner::{ExecutorChoice, Runner, RunnerConfig};
use sluice_store::{RunFilter, Store, StoreError, StoredEffect, Write};
use sluice_wire::{JobEvent, RegistryAccess as JobRegistry, Secret, ServerAccess, SourceTree};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::agent::{Agent, Host, Surroundings};
use crate::app::{App, Counters};
use crate::change::{Change, Changes};
use crate::clock::now;
use crate::courier::Courier;
use crate::deliveries::Deliveries;
use crate::groups::Groups;
use crate::image_claims::ImageClaims;
use crate::images::{Puller, RegistryAccess, RegistryEvents, RegistryImages};
use crate::log::{LogKey, Logs};
use crate::options::Options;
use crate::packages::Packages;
use crate::performer::Performer;
use crate::repository::Repositories;
use crate::rollouts::Rollouts;
use crate::runs::Runs;
use crate::signing::Signing;
use crate::{action_images, garbage, http, scrub};

/// How long requests under way may take when the server ends.
const END_WITHIN: Duration = Duration::from_secs(5);
/// How long a server that ends may still hold the data folder.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// A server that has begun: it listens, and what an earlier process left undone goes on.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    courier: Arc<Courier>,
    executor: String,
    sign_in_link: Option<Secret>,
    /// Held as long as the server lives: one process uses a data folder.
    _lock: File,
}

/// Serves until `shutdown` comes, then ends in an orderly way: see [`Server::run_until`].
pub async fn serve(options: Options, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    Server::start(options).await?.run_until(shutdown).await
}

impl Server {
    /// Opens the data folder, listens, and takes up what was left undone.
    ///
    /// # Errors
    /// The folder is another process' or cannot be used, the address is taken, or the executor that was asked for is
    /// not there.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let lock = lock(&options).await?;
        let parts = Parts::open(&options).await?;
        let executor = parts.runner.chosen_executor().to_string();
        let first = parts.accounts.first_start(&options.data).await?;
        let (app, listener, courier) = parts.compose(options).await?;
        let sign_in_link = first.map(|token| http::sign_in_link(&app, &token));
        Ok(Self { app, listener, courier, executor, sign_in_link, _lock: lock })
    }

    /// `http://127.0.0.1:7000`
    pub fn url(&self) -> &str {
        &self.app.url
    }

    /// Where jobs run, and why.
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// At the first start: the link that signs the administrator in. The token in it is also in the data folder, in
    /// `admin-token`.
    pub fn sign_in_link(&self) -> Option<&Secret> {
        self.sign_in_link.as_ref()
    }

    /// Serves until `shutdown` comes. Then streams end, requests under way get a moment, jobs are stopped (the next
    /// start runs them again), and what is deployed goes on.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { app, listener, courier, .. } = self;
        let stopping = app.stopping.clone();
        let router = http::router(app.clone());
        // Small answers leave at once. Where this cannot be set, they are only slower.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let graceful = axum::serve(listener, router)
            .with_graceful_shutdown({
                let stopping = stopping.clone();
                async move { stopping.cancelled().await }
            })
            .into_future();
        tokio::pin!(graceful, shutdown);
        tokio::select! {
            ended = &mut graceful => ended.context("the listener failed")?,
            () = &mut shutdown => {
                stopping.cancel();
                courier.stop().await;
                app.agent.stop().await;
                // Whoever still holds a connection open loses it.
                if let Ok(ended) = tokio::time::timeout(END_WITHIN, &mut graceful).await {
                    ended.context("the listener failed")?;
                }
            }
        }
        Ok(())
    }
}

/// Waits for a server that is just ending: who restarts one often has the old one's last moment and the new one's first
/// at once.
async fn lock(options: &Options) -> anyhow::Result<File> {
    let folder = options.data.display();
    // Histories, images and logs are for whoever has an account here, and for no other user of the machine.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&options.data)
        .with_context(|| format!("the data folder {folder} cannot be made"))?;
    let lock =
        File::create(options.data.join("lock")).with_context(|| format!("the data folder {folder}"))?;
    let begun = Instant::now();
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK || begun.elapsed() > LOCK_WITHIN {
            return Err(error).with_context(|| format!("another server uses the data folder {folder}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(lock)
}

/// What is opened before it is put together.
struct Parts {
    store: Store,
    accounts: Accounts,
    forge: Forge,
    runner: Runner,
    listener: TcpListener,
    address: SocketAddr,
    url: String,
}

impl Parts {
    async fn open(options: &Options) -> anyhow::Result<Self> {
        let store = Store::open(&options.data.join("sluice.db"))?;
        let forge = Forge::open(options.data.join("git"), Limits::default())?;
        let mut config = RunnerConfig::new(options.data.clone());
        config.executor = options.executor;
        config.images = options.images.clone();
        config.sluice_binary = Some(options.sluice_binary.clone());
        config.actions = options.actions.clone();
        let runner = Runner::new(config).await?;
        let swept = runner.sweep().await?;
        tracing::info!(?swept, "took away what an earlier process had left");
        let listener = TcpListener::bind(options.listen).await.with_context(|| {
            format!("cannot listen on {}; give another address with --listen", options.listen)
        })?;
        let address = listener.local_addr()?;
        let url = options.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { accounts: Accounts::new(store.clone()), store, forge, runner, listener, address, url })
    }

    async fn compose(self, options: Options) -> anyhow::Result<(Arc<App>, TcpListener, Arc<Courier>)> {
        let Self { store, accounts, forge, runner, listener, address, url } = self;
        let (sender, receiver) = mpsc::unbounded_channel();
        let changes = Changes::new();
        let runs = Arc::new(Runs::new(store.clone(), sender.clone(), changes.clone()));
        let groups = Arc::new(Groups::new(store.clone(), sender.clone(), runs.clone(), changes.clone()));
        let deliveries = Deliveries::new(store.clone(), sender.clone(), changes.clone());
        let repositories = Arc::new(Repositories::new(store.clone(), forge.clone(), sender));
        let logs = Logs::new(options.data.join("logs"));

        let puller = Puller::new();
        let claims = ImageClaims { store: store.clone(), deliveries: deliveries.clone() };
        let access = RegistryAccess {
            accounts: accounts.clone(),
            claims: claims.clone(),
            runs: runs.clone(),
            puller: puller.clone(),
            anonymous_pull: options.registry.anonymous_pull.clone(),
        };
        let packages = Packages {
            claims: claims.clone(),
            deliveries: deliveries.clone(),
            repositories: repositories.clone(),
            runs: runs.clone(),
            host: address.to_string(),
            url: url.clone(),
        };
        let events = RegistryEvents { store: store.clone(), packages };
        let mut settings = sluice_registry::Options::new(Arc::new(access), Arc::new(events));
        settings.quotas = options.registry.quotas.clone();
        settings.immutable_tags.clone_from(&options.registry.immutable_tags);
        settings.bucket.clone_from(&options.registry.bucket);
        settings.mirrors.clone_from(&options.registry.mirrors);
        let registry = Registry::open(options.data.join("registry"), settings).await?;

        let images = RegistryImages { registry: OnceLock::new(), host: address.to_string(), puller };
        // The cell is new, so that it takes the value.
        let _ = images.registry.set(registry.clone());
        let rollouts = open_rollouts(&options, images).await?;
        let signing = Signing::open(&options.data)?;

        let host = ServerHost {
            accounts: accounts.clone(),
            forge: forge.clone(),
            url: url.clone(),
            registry: address.to_string(),
            allow_host_docker: options.allow_host_docker,
            changes: changes.clone(),
        };
        let slots = options
            .jobs
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get));
        let agent = Agent::new(runner.clone(), runs.clone(), logs.clone(), Arc::new(host), slots);
        let app = Arc::new(App {
            options,
            url,
            started: now(),
            store,
            accounts,
            forge,
            repositories,
            runs,
            groups,
            deliveries,
            claims,
            logs,
            agent,
            registry,
            scrubbing: tokio::sync::Mutex::default(),
            rollouts,
            signing,
            changes,
            counters: Counters::default(),
            stopping: CancellationToken::new(),
        });
        tokio::spawn(action_images::rounds(runner, app.stopping.clone()));
        let courier = resume(&app, receiver).await?;
        Ok((app, listener, courier))
    }
}

async fn open_rollouts(options: &Options, images: RegistryImages) -> anyhow::Result<Rollouts> {
    let engine = match options.executor {
        ExecutorChoice::Host => None,
        ExecutorChoice::Auto | ExecutorChoice::Docker => Engine::connect().await.ok(),
    };
    let auto = if engine.is_some() { Target::Docker } else { Target::Host };
    let deployer = Deployer::open(DeployerOptions {
        folder: options.data.join("deploy"),
        owner: owner(&options.data)?,
        binary: options.sluice_binary.clone(),
        images: Arc::new(images),
        engine,
    })?;
    Ok(Rollouts::new(deployer, auto))
}

/// A name for this data folder, made once.
pub(crate) fn owner(data: &std::path::Path) -> anyhow::Result<String> {
    let path: PathBuf = data.join("owner");
    if let Ok(name) = std::fs::read_to_string(&path)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let name = format!("{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff);
    std::fs::write(&path, format!("{name}\n"))?;
    Ok(name)
}

/// Goes on where the last process stopped: pushes without a trigger, effects without an outcome, jobs without an agent.
async fn resume(
    app: &Arc<App>,
    receiver: mpsc::UnboundedReceiver<StoredEffect>,
) -> anyhow::Result<Arc<Courier>> {
    // Read first: what follows adds effects of its own, which come by the channel.
    let mut pending = app.store.pending_effects().await?;
    // Those that had asked for a concurrency group and not been heard ask again in the order in which they began.
    pending.sort_by_key(|effect| Runs::of_stream(&effect.key.stream));
    let open = RunFilter { ended: Some(false), limit: u32::MAX, ..RunFilter::default() };
    let open: Vec<RunId> = app.store.runs(open).await?.into_iter().map(|row| row.id).collect();
    app.agent.return_leases(&open).await?;
    // The jobs of an earlier process are dead; what they could act with goes too.
    app.store.write(Write::RemoveAllJobTokens).await?;
    app.repositories.reconcile_all().await?;
    for repository in app.store.repositories().await? {
        app.deliveries.wake(&repository).await?;
    }
    let performer = Arc::new(Performer::default());
    performer.set(app.clone());
    let courier = Courier::start(app.store.clone(), performer, pending, receiver);
    tokio::spawn(garbage::rounds(app.clone()));
    tokio::spawn(scrub::rounds(app.clone()));
    let resuming = app.clone();
    tokio::spawn(async move {
        if let Err(error) = resuming.rollouts.resume(&resuming).await {
            tracing::error!(error = format!("{error:#}"), "what is deployed could not be taken up again");
        }
    });
    Ok(courier)
}

/// Gives jobs of the server their surroundings.
struct ServerHost {
    accounts: Accounts,
    forge: Forge,
    url: String,
    registry: String,
    allow_host_docker: bool,
    changes: Changes,
}

impl Host for ServerHost {
    fn prepare<'a>(
        &'a self,
        run: &'a engine::Run,
        key: &'a LogKey,
    ) -> BoxFuture<'a, Result<Surroundings, StoreError>> {
        Box::pin(async move {
            let trigger = run.trigger();
            let (server, registry) = self.accounts.job_tokens(key, &trigger.actor).await?;
            Ok(Surroundings {
                source: SourceTree::Bare { path: self.forge.path(&trigger.repository) },
                secrets: Default::default(),
                registry: Some(JobRegistry {
                    host: self.registry.clone(),
                    username: trigger.actor.to_string(),
                    password: registry,
                }),
                server: Some(ServerAccess { url: self.url.clone(), token: server, repository: None }),
                allow_host_docker: self.allow_host_docker,
            })
        })
    }

    fn release<'a>(&'a self, key: &'a LogKey) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.accounts.end_job(key).await {
                tracing::error!(%error, run = %key.run, "a job's tokens were not taken back; they expire within a day");
            }
        })
    }

    fn heard<'a>(
        &'a self,
        repository: &'a RepositoryName,
        key: &'a LogKey,
        event: &'a JobEvent,
    ) -> BoxFuture<'a, ()> {
        // Lines have a stream of their own; all else is on the pages of the run.
        if !matches!(event, JobEvent::Output { .. }) {
            self.changes.tell(Change::Run { run: key.run, repository: repository.clone() });
        }
        Box::pin(std::future::ready(()))
    }
}
