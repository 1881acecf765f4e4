use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_model::CommitSha;
use sluice_plan::{Action, ActionReference, RemoteSource, Step};
use sluice_wire::Level;

use super::actions::{DEPTH_LIMIT, Loaded, MANIFESTS, is_built_in, of_image, parse_manifest};
use crate::action_store::ActionStore;
use crate::job::{JobRun, SET_UP};
use crate::place::Place;

/// The actions of other repositories that a job has, by how `uses` names them.
pub(super) struct Remote<'a> {
    job: &'a JobRun<'a>,
    place: &'a Place,
    store: ActionStore,
    had: Mutex<Had>,
}

#[derive(Default)]
struct Had {
    actions: HashMap<String, Arc<Loaded>>,
    /// Where each repository at a ref was put, and at which commit.
    sources: HashMap<String, CommitSha>,
    warned: HashSet<String>,
}

impl<'a> Remote<'a> {
    pub fn new(job: &'a JobRun<'a>, place: &'a Place) -> Self {
        let config = job.making.config;
        let store = ActionStore::new(&config.data_dir, config.actions.clone());
        Self { job, place, store, had: Mutex::default() }
    }

    /// Downloads what the steps name, and what the composite actions among them name, and so on. The log of `index` tells
    /// of it. `depth` actions are around the steps.
    pub async fn download_all(&self, index: u32, steps: &[Step], depth: usize) -> Result<(), String> {
        for step in flat(steps) {
            let Action::Uses(uses) = &step.action else { continue };
            if is_built_in(&uses.action) || !matches!(uses.action, ActionReference::Repository { .. }) {
                continue;
            }
            let loaded = self.download(index, &uses.action).await?;
            let nested = loaded.manifest.steps();
            if !nested.is_empty() {
                if depth >= DEPTH_LIMIT {
                    return Err(format!("Composite action depth exceeded max depth {DEPTH_LIMIT}"));
                }
                Box::pin(self.download_all(index, nested, depth + 1)).await?;
            }
        }
        Ok(())
    }

    /// What was downloaded already.
    pub fn get(&self, action: &ActionReference) -> Option<Arc<Loaded>> {
        self.had().actions.get(&action.to_string()).cloned()
    }

    async fn download(&self, index: u32, action: &ActionReference) -> Result<Arc<Loaded>, String> {
        if let Some(loaded) = self.get(action) {
            return Ok(loaded);
        }
        let ActionReference::Repository { path, .. } = action else {
            return Err(format!("`{action}` is of no other repository"));
        };
        let source = RemoteSource::of_action(action).transpose().map_err(|error| error.to_string())?;
        let source = source.ok_or_else(|| format!("`{action}` is of no other repository"))?;
        let commit = self.place_source(index, &source).await?;
        let folder = format!("{source}/{path}");
        let manifest = self.manifest(&source, &commit, path).await?.ok_or_else(|| {
            format!("Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action '{action}'.")
        })?;
        let below = folder.replacen('@', "/", 1);
        let folder = self.place.layout.actions.inside(below.trim_end_matches('/'));
        let loaded = Arc::new(Loaded { manifest, folder });
        self.had().actions.insert(action.to_string(), loaded.clone());
        Ok(loaded)
    }

    /// Puts a repository's files where steps find them, as GitHub does: `_actions/owner/name/ref`.
    async fn place_source(&self, index: u32, source: &RemoteSource) -> Result<CommitSha, String> {
        let key = source.to_string();
        let known = self.had().sources.get(&key).cloned();
        if let Some(commit) = known {
            return Ok(commit);
        }
        let commit = self.commit_of(index, source).await?;
        let error = |error: crate::action_store::ActionStoreError| error.to_string();
        self.store.fetch(source, &commit).await.map_err(error)?;
        let below = format!("{}/{}/{}", source.owner(), source.name(), source.git_ref());
        let actions = &self.place.layout.actions;
        self.store.check_out(source, &commit, &actions.outside.join(&below)).await.map_err(error)?;
        if self.place.is_container {
            let owned = self.place.session.own(&[actions.inside(&below)]).await;
            owned.map_err(|error| error.to_string())?;
        }
        let line = format!("Download action repository '{source}' (SHA:{commit})");
        self.job.log.say(index, line).await;
        self.had().sources.insert(key, commit.clone());
        Ok(commit)
    }

    /// The lock's commit where there is a lock, which then has to know the action; else what the ref stands for now.
    async fn commit_of(&self, index: u32, source: &RemoteSource) -> Result<CommitSha, String> {
        if let Some(commit) = source.commit() {
            return Ok(commit);
        }
        match &self.job.order.lock {
            Some(lock) => lock.get(source).cloned().ok_or_else(|| {
                format!(
                    "`{source}` is not in sluice.lock: `sluice lock` adds the commit that it stands for now"
                )
            }),
            None => {
                self.warn_of_secrets(index, source).await;
                self.store.resolve(source).await.map_err(|error| error.to_string())
            }
        }
    }

    async fn warn_of_secrets(&self, index: u32, source: &RemoteSource) {
        if self.job.order.secrets.is_empty() || !self.had().warned.insert(source.to_string()) {
            return;
        }
        let warning = format!(
            "`{source}` is not pinned, and this job has secrets: whoever can move `{}` there sees them. `sluice lock` keeps \
             the commit",
            source.git_ref()
        );
        self.job.log.say(index, format!("##[warning]{warning}")).await;
        self.job.log.annotation(SET_UP, Level::Warning, &warning, None, None).await;
    }

    /// None where the folder holds no action.
    async fn manifest(
        &self,
        source: &RemoteSource,
        commit: &CommitSha,
        path: &str,
    ) -> Result<Option<sluice_dialect_github::ActionManifest>, String> {
        let file = |name: &str| format!("{path}/{name}");
        for name in MANIFESTS {
            if let Some(bytes) = self.store.read(source, commit, &file(name)).await {
                let shown = format!("{}/{}/{}", source.owner(), source.name(), file(name).trim_matches('/'));
                return parse_manifest(&shown, &bytes).map(Some);
            }
        }
        for name in super::actions::DOCKERFILES {
            if self.store.read(source, commit, &file(name)).await.is_some() {
                return Ok(Some(of_image(sluice_dialect_github::DockerImage::Dockerfile(name.to_owned()))));
            }
        }
        Ok(None)
    }

    /// Nothing that holds the lock can panic, so a poisoned one is as good as any.
    fn had(&self) -> MutexGuard<'_, Had> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The steps, and those that run side by side within one of them.
fn flat<'s>(steps: &'s [Step]) -> Vec<&'s Step> {
    let nested = |step: &'s Step| match &step.action {
        Action::Parallel { steps } => flat(steps),
        _ => vec![step],
    };
    steps.iter().flat_map(nested).collect()
}
