//! Between the registry and the rest: who may push, what a push means, and where rollouts take images from.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use sluice_deploy::{ImageProcess, ImageRef, Images, PullSource};
use sluice_model::{InstanceId, RunId};
use sluice_registry::{
    Access, AccessRequest, Action, Credentials, EventError, Events, Platform, Pushed, Pusher, Reference,
    Registry, RepositoryPattern, Scope, Verdict, image::Limits as UnpackLimits,
};
use sluice_store::{Access as Right, PushedImage, Store, StoreError, Write};
use subtle::ConstantTimeEq as _;

use crate::accounts::{Accounts, Shown};
use crate::image_claims::ImageClaims;
use crate::log::LogKey;
use crate::packages::Packages;
use crate::runs::Runs;

/// The account that rollouts pull with: it exists in memory only, and may only pull.
pub(crate) struct Puller {
    password: String,
}

const PULLER: &str = "sluice-rollout";

impl Puller {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { password: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()) })
    }

    fn is(&self, username: &str, password: &str) -> bool {
        username == PULLER && bool::from(self.password.as_bytes().ct_eq(password.as_bytes()))
    }
}

/// Asks the accounts on behalf of the registry.
pub(crate) struct RegistryAccess {
    pub(crate) accounts: Accounts,
    pub(crate) claims: ImageClaims,
    pub(crate) runs: Arc<Runs>,
    pub(crate) puller: Arc<Puller>,
    /// What anybody may pull without an account.
    pub(crate) anonymous_pull: Vec<RepositoryPattern>,
}

/// Who a client of the registry is, and what it may do at most.
struct Client {
    by: Pusher,
    right: Right,
    /// The run whose job it is.
    run: Option<RunId>,
    /// Of a token that is for some repositories only.
    scopes: Option<Vec<Scope>>,
}

impl Access for RegistryAccess {
    fn authorize<'a>(
        &'a self,
        credentials: Option<&'a Credentials>,
        request: &'a AccessRequest,
    ) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let Some(credentials) = credentials else { return self.anonymous(request) };
            match self.verdict(credentials, request).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    tracing::error!(%error, "the registry could not look an account up");
                    Verdict::Denied { reason: "the server could not look this account up".to_owned() }
                }
            }
        })
    }
}

impl RegistryAccess {
    /// Docker sends its credentials only where it is asked for them, so that a login is never anonymous.
    fn anonymous(&self, request: &AccessRequest) -> Verdict {
        match request {
            AccessRequest::Repository { repository, action: Action::Pull }
                if self.anonymous_pull.iter().any(|pattern| pattern.matches(repository)) =>
            {
                Verdict::Allowed { by: Pusher::new("anonymous") }
            }
            _ => Verdict::Unauthorized,
        }
    }

    async fn verdict(
        &self,
        credentials: &Credentials,
        request: &AccessRequest,
    ) -> Result<Verdict, StoreError> {
        let Some(client) = self.client(credentials).await? else { return Ok(Verdict::Unauthorized) };
        if let (Some(run), AccessRequest::Repository { repository: image, action: Action::Push }) =
            (client.run, request)
        {
            let refusal = match self.runs.state(run).await?.run() {
                Some(run) => self.claims.refusal_of_job(run.trigger(), image).await?,
                None => Some("the job's run is not there any more".to_owned()),
            };
            if let Some(reason) = refusal {
                return Ok(Verdict::Denied { reason });
            }
        }
        Ok(verdict(client, request))
    }

    async fn client(&self, credentials: &Credentials) -> Result<Option<Client>, StoreError> {
        let (secret, shown) = match credentials {
            Credentials::Basic { username, password } if self.puller.is(username, password) => {
                return Ok(Some(Client {
                    by: Pusher::new(PULLER),
                    right: Right::Read,
                    run: None,
                    scopes: None,
                }));
            }
            Credentials::Basic { username, password } => {
                let (username, password) = (username.clone(), password.clone());
                (password.clone(), Shown::Basic { username, password })
            }
            Credentials::Bearer { token } => (token.clone(), Shown::Bearer(token.clone())),
        };
        if let Some((key, _)) = self.accounts.registry_job(&secret).await? {
            return Ok(Some(Client {
                by: pusher(&key),
                right: Right::Write,
                run: Some(key.run),
                scopes: None,
            }));
        }
        if let Some((user, scopes)) = self.accounts.scoped(&secret).await? {
            let is_own = match credentials {
                Credentials::Basic { username, .. } => username == user.name.as_str() || username == "token",
                Credentials::Bearer { .. } => true,
            };
            let by = Pusher::new(format!("user {}", user.name));
            return Ok(is_own.then_some(Client { by, right: user.access, run: None, scopes: Some(scopes) }));
        }
        let actor = self.accounts.authenticate(&shown).await?;
        // A job pushes with its registry credential only, so that what it pushes is tied to it.
        Ok(actor.map(|actor| Client {
            by: Pusher::new(format!("user {}", actor.name)),
            right: if actor.job.is_some() { Right::Read } else { actor.access },
            run: None,
            scopes: None,
        }))
    }
}

fn verdict(client: Client, request: &AccessRequest) -> Verdict {
    if let Some(reason) = out_of_scope(&client, request) {
        return Verdict::Denied { reason };
    }
    let needed = match request {
        AccessRequest::Login | AccessRequest::Catalog => Right::Read,
        AccessRequest::Repository { action: Action::Pull, .. } => Right::Read,
        AccessRequest::Repository { action: Action::Push, .. } => Right::Write,
        AccessRequest::Repository { action: Action::Delete, .. } => Right::Admin,
    };
    if client.right >= needed {
        return Verdict::Allowed { by: client.by };
    }
    let reason =
        format!("this needs {} access, and the account has {}", needed.as_str(), client.right.as_str());
    Verdict::Denied { reason }
}

/// Why a token that is for some repositories does not reach this far; none where it does.
fn out_of_scope(client: &Client, request: &AccessRequest) -> Option<String> {
    let scopes = client.scopes.as_ref()?;
    let allowed = match request {
        AccessRequest::Login => true,
        AccessRequest::Catalog => false,
        AccessRequest::Repository { repository, action } => {
            scopes.iter().any(|scope| scope.allows(repository, *action))
        }
    };
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
    (!allowed).then(|| format!("this token is for {} only", scopes.join(", ")))
}

/// `job RUN ATTEMPT INSTANCE`: what the registry keeps of a job, and hands back with its pushes.
fn pusher(key: &LogKey) -> Pusher {
    Pusher::new(format!("job {} {} {}", key.run, key.attempt, key.instance))
}

pub(crate) fn job_of(pusher: &Pusher) -> Option<(RunId, u32, InstanceId)> {
    let mut words = pusher.as_str().strip_prefix("job ")?.splitn(3, ' ');
    let (run, attempt, instance) = (words.next()?, words.next()?, words.next()?);
    let Ok(instance) = instance.parse();
    Some((run.parse().ok()?, attempt.parse().ok()?, instance))
}

/// Writes down what a job pushed, before the job hears that it has.
pub(crate) struct RegistryEvents {
    pub(crate) store: Store,
    pub(crate) packages: Packages,
}

impl Events for RegistryEvents {
    fn pushed<'a>(&'a self, pushed: &'a Pushed) -> BoxFuture<'a, Result<(), EventError>> {
        Box::pin(async move {
            // A signature or a bill of materials is about an image, and is none.
            if pushed.subject.is_some() || pushed.artifact_type.is_some() {
                return Ok(());
            }
            self.record(pushed).await.map_err(|error| EventError(error.to_string()))?;
            self.packages.published(pushed).await.map_err(|error| EventError(error.to_string()))
        })
    }
}

impl RegistryEvents {
    /// What a job pushed is its run's.
    async fn record(&self, pushed: &Pushed) -> Result<(), StoreError> {
        let Some((run, attempt, instance)) = job_of(&pushed.by) else { return Ok(()) };
        let reference = pushed.tag.as_ref().map_or(pushed.digest.as_str(), |tag| tag.as_str());
        let image = PushedImage {
            run,
            instance,
            attempt,
            image: pushed.repository.as_str().to_owned(),
            reference: reference.to_owned(),
            digest: pushed.digest.clone(),
            at: pushed.at,
        };
        self.store.write(Write::RecordPush(image)).await
    }
}

/// Gives rollouts their images out of the server's own registry.
pub(crate) struct RegistryImages {
    pub(crate) registry: OnceLock<Arc<Registry>>,
    /// `127.0.0.1:7000`
    pub(crate) host: String,
    pub(crate) puller: Arc<Puller>,
}

impl Images for RegistryImages {
    fn unpack<'a>(
        &'a self,
        image: &'a ImageRef,
        folder: &'a Path,
    ) -> BoxFuture<'a, Result<ImageProcess, String>> {
        Box::pin(async move {
            let registry = self.registry.get().ok_or("the registry is not ready")?;
            let repository = image.repository.parse().map_err(|error| format!("{error}"))?;
            let reference = Reference::Digest(image.digest.clone());
            let unpacked = registry
                .unpack(&repository, &reference, &Platform::host(), folder, UnpackLimits::default())
                .await
                .map_err(|error| error.to_string())?;
            let process = unpacked.image.config.config;
            let pair = |text: &String| {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                (name.to_owned(), value.to_owned())
            };
            Ok(ImageProcess {
                argv: process.argv(),
                env: process.env.iter().map(pair).collect(),
                working_dir: process.working_dir,
            })
        })
    }

    fn pull_source(&self, _image: &ImageRef) -> PullSource {
        PullSource {
            registry: self.host.clone(),
            username: PULLER.to_owned(),
            password: self.puller.password.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::JobId;

    use super::*;

    #[test]
    fn a_job_is_read_back_from_what_the_registry_keeps_of_it() {
        let instance = InstanceId::new(JobId::new("build images"), 3);
        let key = LogKey { run: RunId(7), instance: instance.clone(), attempt: 2 };
        assert_eq!(job_of(&pusher(&key)), Some((RunId(7), 2, instance)));
        for other in ["user ann", "job", "job 1", "job x 1 y", PULLER] {
            assert_eq!(job_of(&Pusher::new(other)), None, "{other}");
        }
    }

    #[test]
    fn rollouts_may_pull_and_nothing_else() {
        let client = || Client { by: Pusher::new(PULLER), right: Right::Read, run: None, scopes: None };
        let ask = |action| AccessRequest::Repository { repository: "a/b".parse().unwrap(), action };
        assert!(matches!(verdict(client(), &ask(Action::Pull)), Verdict::Allowed { .. }));
        for action in [Action::Push, Action::Delete] {
            assert!(matches!(verdict(client(), &ask(action)), Verdict::Denied { .. }), "{action:?}");
        }
    }
}
