//! Places of failed jobs that a person may look into: while a job stands at a failed step, and kept after its end.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use sluice_docker::{Engine, ExecSpec};
use sluice_model::{InstanceId, RepositoryName, RunId, Timestamp};
use sluice_wire::{JobOrder, Secret};
use tokio::sync::{mpsc, oneshot};

use crate::job::JobRun;
use crate::log::now;
use crate::place::{Place, inherited};

/// What becomes of the place of a job that fails.
#[derive(Debug, Clone, Default)]
pub struct OnFailure {
    /// It stays after the job's end.
    pub keep: bool,
    /// The job stops at the step that failed, tells it here, and goes on when it is told to, or cancelled.
    pub stops: Option<mpsc::Sender<JobStop>>,
}

/// A job that stands at a failed step.
#[derive(Debug)]
pub struct JobStop {
    pub run: RunId,
    pub instance: InstanceId,
    pub step: String,
    /// Said, or dropped: the job goes on.
    pub go_on: oneshot::Sender<()>,
}

/// A place that is there to be looked into, as the step that failed had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub run: RunId,
    pub instance: InstanceId,
    pub attempt: u32,
    pub repository: RepositoryName,
    pub workflow: String,
    pub workflow_file: String,
    /// The name of the step that failed, masked.
    pub step: String,
    pub at: Timestamp,
    /// The job has ended; else it stands at the step.
    pub is_closed: bool,
    /// Where the step began, by its own name for it.
    pub directory: String,
    pub env: Vec<KeptVariable>,
    /// Variables that are not kept, for a secret without a name is in them.
    pub left_out: Vec<String>,
    /// None: on the host.
    pub container: Option<KeptContainer>,
    /// The job's folder on this machine.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A variable of the step's environment. Values of secrets are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVariable {
    pub name: String,
    /// With `${{ secrets.NAME }}` where a secret stood.
    pub value: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptContainer {
    pub id: String,
    /// `uid:gid` of the steps.
    pub user: String,
    /// Containers beside it, and their network.
    pub services: Vec<String>,
    pub network: Option<String>,
    /// What of this machine it was lent, by its own names.
    pub lent: Vec<String>,
}

const RECORD: &str = "kept.json";
/// A kept place is removed after this time.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

impl JobRun<'_> {
    /// A step failed, the first of its job: where it was is remembered, and the job stops there where that is wished.
    pub async fn step_failed(&self, place: &Place, step: &str, env: &[(String, String)]) {
        let launched = place.session.take_launched();
        let on_failure = &self.making.config.on_failure;
        if !on_failure.keep && on_failure.stops.is_none() {
            return;
        }
        let (env, directory) = match launched {
            Some(launched) => (launched.env, launched.directory),
            None => (env.to_vec(), place.layout.workspace.inside.clone()),
        };
        let kept = self.record(place, step, &env, directory);
        if let Err(error) = kept.write() {
            let text =
                format!("##[warning]its place cannot be looked into: {}: {error}", kept.folder.display());
            self.log.say(0, text).await;
            return;
        }
        let step = kept.step.clone();
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        if let Some(stops) = &on_failure.stops {
            let (go_on, told) = oneshot::channel();
            let (run, instance) = (self.order.run, self.order.instance.clone());
            if stops.send(JobStop { run, instance, step, go_on }).await.is_ok() {
                tokio::select! {
                    _ = told => {}
                    () = self.cancel.cancelled() => {}
                }
            }
        }
    }

    /// Removes the place, or leaves it where the job failed and that is wished.
    pub async fn close(&self, place: Place) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed.filter(|_| self.making.config.on_failure.keep) {
            Some(kept) => {
                let folder = kept.folder.clone();
                let closed = Kept { is_closed: true, ..kept };
                match closed.write() {
                    Ok(()) => place.stay().await,
                    Err(error) => {
                        tracing::warn!(%error, folder = %folder.display(), "a place was not kept");
                        place.close().await;
                    }
                }
            }
            None => place.close().await,
        }
    }

    fn record(&self, place: &Place, step: &str, env: &[(String, String)], directory: String) -> Kept {
        let order = self.order;
        let masker = self.log.masker();
        let (mut variables, mut left_out) = (Vec::new(), Vec::new());
        for (name, value) in env {
            let variable = without_secrets(name, value, &order.secrets);
            match masker.reveals(&variable.value) {
                true => left_out.push(name.clone()),
                false => variables.push(variable),
            }
        }
        Kept {
            run: order.run,
            instance: order.instance.clone(),
            attempt: order.attempt,
            repository: order.trigger.repository.clone(),
            workflow: order.workflow.clone(),
            workflow_file: order.workflow_file.clone(),
            step: masker.mask_text(step),
            at: now(),
            is_closed: false,
            directory: masker.mask_text(&directory),
            env: variables,
            left_out,
            container: place.kept_container(),
            folder: place.layout.folder.clone(),
        }
    }
}

fn without_secrets(
    name: &str,
    value: &str,
    secrets: &std::collections::BTreeMap<String, Secret>,
) -> KeptVariable {
    let mut known: Vec<_> = secrets.iter().filter(|(_, secret)| !secret.expose().trim().is_empty()).collect();
    // The longest first, for one may be a part of another.
    known.sort_by_key(|(_, secret)| std::cmp::Reverse(secret.expose().len()));
    let mut variable = KeptVariable { name: name.to_owned(), value: value.to_owned(), secrets: Vec::new() };
    for (name, secret) in known {
        if variable.value.contains(secret.expose()) {
            variable.value = variable.value.replace(secret.expose(), &placeholder(name));
            variable.secrets.push(name.clone());
        }
    }
    variable
}

fn placeholder(name: &str) -> String {
    format!("${{{{ secrets.{name} }}}}")
}

impl KeptVariable {
    /// The value as it was. None: a secret of it is not given.
    pub fn filled(&self, secrets: &std::collections::BTreeMap<String, Secret>) -> Option<String> {
        let mut value = self.value.clone();
        for name in &self.secrets {
            value = value.replace(&placeholder(name), secrets.get(name)?.expose());
        }
        Some(value)
    }
}

impl Kept {
    /// All places of a data folder that may be looked into, the newest last.
    pub fn all(data_dir: &Path) -> Vec<Self> {
        let homes = std::fs::read_dir(data_dir.join("runner/live")).into_iter().flatten().flatten();
        let mut all: Vec<Self> = homes.flat_map(|home| Self::in_home(&home.path())).collect();
        all.sort_by_key(|kept| kept.at);
        all
    }

    pub(crate) fn in_home(home: &Path) -> Vec<Self> {
        let folders = std::fs::read_dir(home).into_iter().flatten().flatten();
        folders.filter_map(|folder| Self::read(&folder.path())).collect()
    }

    fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(RECORD)).ok()?;
        let kept: Self = serde_json::from_str(&text).ok()?;
        Some(Self { folder: folder.to_owned(), ..kept })
    }

    /// Readable to its owner alone: what a job had in its environment is its own.
    fn write(&self) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let whole = self.folder.join("kept.json.new");
        let mut file =
            std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&whole)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(whole, self.folder.join(RECORD))
    }

    pub(crate) fn is_too_old(&self) -> bool {
        now().0 - self.at.0 > KEPT_MS
    }

    pub(crate) fn is_of_same_job(&self, order: &JobOrder) -> bool {
        self.is_closed
            && self.repository == order.trigger.repository
            && self.workflow_file == order.workflow_file
            && self.workflow == order.workflow
            && self.instance == order.instance
    }

    /// Whether the place is still there: a container may have been removed by hand, or the machine restarted.
    pub async fn is_there(&self, engine: Option<&Engine>) -> bool {
        match (&self.container, engine) {
            (None, _) => self.folder.is_dir(),
            (Some(_), None) => false,
            (Some(container), Some(engine)) => {
                let seen = engine.inspect_container(&container.id).await;
                seen.is_ok_and(|seen| seen.is_some_and(|seen| seen.running))
            }
        }
    }

    /// Removes the place. Without an engine, one in a container stays.
    pub async fn remove(&self, engine: Option<&Engine>) -> std::io::Result<()> {
        if let Some(container) = &self.container {
            let Some(engine) = engine else {
                return Err(std::io::Error::other("its container's engine does not answer"));
            };
            container.remove(engine).await;
        }
        std::fs::remove_dir_all(&self.folder)
    }

    /// The environment on the host that the step had beside its own variables.
    pub fn host_env(&self) -> Vec<(String, String)> {
        inherited()
    }
}

impl KeptContainer {
    /// Whether a container or network is one of its own.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.services.iter().chain([&self.id]).chain(&self.network).any(|own| own == id)
    }

    /// What is gone already is removed.
    async fn remove(&self, engine: &Engine) {
        let (uid, gid) = crate::linux::own_ids();
        let words =
            [crate::place::AGENT_INSIDE, "give-back", &uid.to_string(), &gid.to_string()].map(str::to_owned);
        let command = words.into_iter().chain(self.lent.iter().cloned()).collect();
        let spec = ExecSpec { command, user: Some("0:0".to_owned()), ..ExecSpec::default() };
        if let Ok(mut executed) = engine.exec(&self.id, &spec).await {
            // Read to its end, which is the process's.
            while futures_util::StreamExt::next(&mut executed.streams.output).await.is_some() {}
        }
        for id in self.services.iter().chain([&self.id]) {
            let _ = engine.remove_container(id).await;
        }
        if let Some(network) = &self.network {
            let _ = engine.remove_network(network).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_variable_is_kept_without_the_secrets_in_it() {
        let secrets = BTreeMap::from([
            ("LONG".to_owned(), Secret::new("hunter2-and-more")),
            ("SHORT".to_owned(), Secret::new("hunter2")),
            ("EMPTY".to_owned(), Secret::new("")),
        ]);
        let kept = without_secrets("A", "x hunter2-and-more hunter2", &secrets);
        assert_eq!(kept.value, "x ${{ secrets.LONG }} ${{ secrets.SHORT }}");
        assert_eq!(kept.filled(&secrets).as_deref(), Some("x hunter2-and-more hunter2"));
        assert_eq!(kept.filled(&BTreeMap::new()), None);
        assert_eq!(
            without_secrets("B", "plain", &secrets).filled(&BTreeMap::new()).as_deref(),
            Some("plain")
        );
    }
}
