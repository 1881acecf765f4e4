use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sluice_model::{Conclusion, InstanceId, JobId, RepositoryName, RunId, Trigger};
use sluice_plan::{ActionLock, Defaults, Dialect, EnvEntry, Job, Value};

/// All that a runner needs to execute one job instance, once. The runner asks nobody anything else about the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobOrder {
    pub run: RunId,
    /// The run's number as people see it: counted from 1 in its repository.
    pub run_number: u64,
    /// CircleCI's number of the pipeline: all runs that one trigger began have the same.
    #[serde(default)]
    pub pipeline: u64,
    pub instance: InstanceId,
    /// From 1; greater after a rerun or a lease that ran out.
    pub attempt: u32,
    /// Presented with every report; an older lease's reports are refused.
    pub fencing_token: u64,
    pub trigger: Trigger,
    pub dialect: Dialect,
    pub workflow: String,
    pub workflow_file: String,
    pub workflow_env: Vec<EnvEntry>,
    pub workflow_defaults: Defaults,
    /// Its `work` is always `Work::Steps`.
    pub job: Job,
    /// The display name, with the matrix values.
    pub job_name: String,
    /// This combination of the matrix; an empty object where there is none.
    pub matrix: Value,
    /// `strategy.*`: fail-fast, job-index, job-total, max-parallel.
    pub strategy: Value,
    pub needs: BTreeMap<JobId, NeedResult>,
    /// Every job that has to end before this one, directly or not, with those that it needs itself.
    #[serde(default)]
    pub upstream: BTreeMap<JobId, Vec<JobId>>,
    pub inputs: Value,
    pub vars: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Secret>,
    /// What the job's `add_ssh_keys` may take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshKey>,
    pub source: SourceTree,
    pub registry: Option<RegistryAccess>,
    /// Where `sluice deploy` and the like in a step reach the server, with a token that lives as long as the job.
    pub server: Option<ServerAccess>,
    /// Steps may call the host's container engine (`setup_remote_docker`, `machine`, GitHub's hosted runners have one).
    pub allow_host_docker: bool,
    /// `sluice.lock` of the commit that runs, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ActionLock>,
}

/// How a job that another one needs ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedResult {
    pub result: Conclusion,
    pub outputs: BTreeMap<String, String>,
}

/// Where `checkout` takes the repository from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceTree {
    /// A bare repository on this machine; the commit is the trigger's.
    Bare { path: PathBuf },
    /// A repository on this machine with `snapshot`, a commit that holds the working tree as it was when the run
    /// began, uncommitted changes included. `checkout` leaves HEAD at the trigger's commit and the changes in the tree.
    WorkingTree { path: PathBuf, snapshot: String },
    /// `git fetch` over HTTP, with a token that lives as long as the job.
    Remote { url: String, token: Secret },
}

/// What a job may push to and pull from with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistryAccess {
    /// `127.0.0.1:7000`: as `docker login` takes it.
    pub host: String,
    pub username: String,
    pub password: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerAccess {
    pub url: String,
    pub token: Secret,
    /// The repository on it that is meant, where the token does not say so by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
}

/// A private key without a passphrase, for CircleCI's `add_ssh_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// `ab:cd:…`, sixteen bytes.
    pub md5: String,
    /// `SHA256:…`, as ssh-keygen prints it.
    pub sha256: String,
    /// The host that it is for. None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    pub private: Secret,
}

impl SshKey {
    /// Whether `named` is one of its fingerprints, with or without the name of the algorithm.
    pub fn has_fingerprint(&self, named: &str) -> bool {
        let bare = |text: &str| text.trim().trim_start_matches("MD5:").to_ascii_lowercase();
        let sha256 = self.sha256.trim_start_matches("SHA256:");
        bare(named) == bare(&self.md5) || named.trim().trim_start_matches("SHA256:") == sha256
    }
}

/// A text that must never be shown. `Debug` hides it; serialization does not, for it has to reach the runner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
