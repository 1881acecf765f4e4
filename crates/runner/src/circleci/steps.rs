use sluice_model::Conclusion;
use sluice_plan::{Action, Step, StepCondition};
use sluice_wire::{Level, TestCase};
use tokio::task::JoinSet;

use super::environment;
use super::ssh_keys::AgentFolder;
use crate::checkout::{Checkout, checkout};
use crate::github::Contexts;
use crate::job::{JobRun, StepsEnded};
use crate::place::Place;

/// A job's steps on their way.
pub struct Steps<'a> {
    pub(super) job: &'a JobRun<'a>,
    pub(super) place: &'a Place,
    pub(super) contexts: Contexts,
    /// What every step finds, before its own `environment`.
    pub(super) env: Vec<(String, String)>,
    pub(super) status: Conclusion,
    /// A step has called `circleci step halt`: none after it runs.
    pub(super) is_halted: bool,
    pub(super) failed_tests: Vec<TestCase>,
    pub(super) background: JoinSet<()>,
    /// Once a step has added keys.
    pub(super) ssh_agent: Option<AgentFolder>,
}

/// How one step ended.
pub struct StepEnd {
    pub outcome: Conclusion,
    pub exit_code: Option<i32>,
}

impl StepEnd {
    pub fn succeeded() -> Self {
        Self { outcome: Conclusion::Success, exit_code: None }
    }
}

impl<'a> Steps<'a> {
    pub async fn begin(job: &'a JobRun<'a>, place: &'a Place) -> Result<Self, String> {
        let mut contexts = Contexts::of_order(job.order);
        contexts.enter(place, job.order);
        let env = environment::of_job(job, place, &contexts)?;
        let bash_env = place.layout.temp.inside(environment::BASH_ENV_FILE);
        place.write(&bash_env, 0o644, Vec::new()).await.map_err(|error| error.to_string())?;
        super::timings::provide(job, place).await?;
        Ok(Self {
            job,
            place,
            contexts,
            env,
            status: Conclusion::Success,
            is_halted: false,
            failed_tests: Vec::new(),
            background: JoinSet::new(),
            ssh_agent: None,
        })
    }

    /// One step, whatever comes of it.
    pub async fn run(&mut self, index: u32, step: &Step) {
        if self.job.cancel.is_cancelled() && self.status == Conclusion::Success {
            self.status = Conclusion::Cancelled;
        }
        let log = self.job.log.clone();
        log.step_started(index, &self.name_of(step)).await;
        if !self.holds(&step.condition) {
            log.step_finished(index, Conclusion::Skipped, Conclusion::Skipped, None).await;
            return;
        }
        self.place.session.take_launched();
        let end = match self.act(index, step).await {
            Ok(end) => end,
            Err(problem) => {
                log.say(index, format!("##[error]{problem}")).await;
                log.annotation(index, Level::Error, &problem, None, None).await;
                StepEnd { outcome: Conclusion::Failure, exit_code: None }
            }
        };
        if end.outcome == Conclusion::Failure && self.status == Conclusion::Success {
            self.job.step_failed(self.place, &self.name_of(step), &self.env).await;
        }
        if matches!(end.outcome, Conclusion::Failure | Conclusion::Cancelled)
            && self.status == Conclusion::Success
        {
            self.status = end.outcome;
        }
        log.step_finished(index, end.outcome, end.outcome, end.exit_code).await;
    }

    /// Nothing runs in a job that was killed or halted, not even what is to run always (CircleCI, "The when attribute").
    fn holds(&self, condition: &StepCondition) -> bool {
        if self.is_halted || self.job.cancel.is_cancelled() || self.status == Conclusion::Cancelled {
            return false;
        }
        match condition {
            StepCondition::OnSuccess | StepCondition::Expression(_) => self.status == Conclusion::Success,
            StepCondition::OnFail => self.status == Conclusion::Failure,
            StepCondition::Always => true,
        }
    }

    async fn act(&mut self, index: u32, step: &Step) -> Result<StepEnd, String> {
        match &step.action {
            Action::Run(script) => return self.run_script(index, step, script).await,
            Action::Checkout { path } => {
                let path = self.contexts.optional_text(path.as_ref())?.unwrap_or_default();
                self.check_out(index, &path).await?;
            }
            Action::PersistToWorkspace { root, paths } => self.persist(index, root, paths).await?,
            Action::AttachWorkspace { at } => self.attach(index, at).await?,
            Action::StoreArtifacts { path, destination } => {
                self.store_artifacts(index, path, destination.as_ref()).await?;
            }
            Action::StoreTestResults { path } => self.store_test_results(index, path).await?,
            Action::SaveCache { key, paths, .. } => self.save_cache(index, key, paths).await?,
            Action::RestoreCache { keys } => self.restore_cache(index, keys).await?,
            Action::SetupRemoteDocker { .. } => self.set_up_docker(index).await?,
            Action::AddSshKeys { fingerprints } => self.add_ssh_keys(index, fingerprints).await?,
            _ => return Err("this runner cannot do this kind of step in a CircleCI job".to_owned()),
        }
        Ok(StepEnd::succeeded())
    }

    async fn check_out(&self, index: u32, path: &str) -> Result<(), String> {
        let target = resolve(self.place, path);
        self.refuse_other_files(&target)?;
        let wanted = Checkout { target, tags: true, ..Default::default() };
        let done = checkout(self.place, self.job.order, &wanted).await;
        let (_, lines) = done.map_err(|error| error.to_string())?;
        for line in lines {
            self.job.log.say(index, line).await;
        }
        Ok(())
    }

    /// CircleCI checks nothing out into a folder that has files and is no repository. Only folders that the runner sees
    /// too are looked at: those of the job's working directory.
    fn refuse_other_files(&self, target: &str) -> Result<(), String> {
        let workspace = &self.place.layout.workspace;
        let Some(below) = target.strip_prefix(workspace.inside.as_str()) else { return Ok(()) };
        let outside = workspace.outside.join(below.trim_start_matches('/'));
        let has_files = std::fs::read_dir(&outside).is_ok_and(|mut entries| entries.next().is_some());
        if has_files && !outside.join(".git").exists() {
            return Err(format!(
                "checkout: {target} is not empty, and no git repository. Check out before other steps put files there, \
                 or give `checkout` another `path`"
            ));
        }
        Ok(())
    }

    async fn set_up_docker(&self, index: u32) -> Result<(), String> {
        if !self.job.order.allow_host_docker {
            return Err("setup_remote_docker gives steps the container engine of this machine, which has not been allowed; \
                        allow it with `--allow-host-docker`"
                .to_owned());
        }
        if self.place.is_container && !self.place.has_engine {
            return Err("setup_remote_docker: no container engine is used here".to_owned());
        }
        self.job.log.say(index, "Steps use the container engine of this machine").await;
        Ok(())
    }

    /// As CircleCI names a step.
    fn name_of(&self, step: &Step) -> String {
        if let Some(name) = &step.name {
            return self.contexts.text(name).unwrap_or_else(|_| name.source().to_owned());
        }
        let name = match &step.action {
            Action::Run(script) => {
                let text = self.contexts.text(&script.script).unwrap_or_default();
                return text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("run").to_owned();
            }
            Action::Checkout { .. } => "Checkout code",
            Action::AttachWorkspace { .. } => "Attaching workspace",
            Action::PersistToWorkspace { .. } => "Persisting to workspace",
            Action::StoreArtifacts { .. } => "Uploading artifacts",
            Action::StoreTestResults { .. } => "Uploading test results",
            Action::SaveCache { .. } => "Saving cache",
            Action::RestoreCache { .. } => "Restoring cache",
            Action::SetupRemoteDocker { .. } => "Setup a remote Docker engine",
            _ => "Step",
        };
        name.to_owned()
    }

    /// Ends what goes on in the background.
    pub async fn finish(mut self) -> StepsEnded {
        self.background.abort_all();
        while self.background.join_next().await.is_some() {}
        StepsEnded { conclusion: Some(self.status), failed_tests: self.failed_tests, ..Default::default() }
    }
}

/// A path as steps write it: `~` is the user's home, and what is not absolute is below the working directory.
pub fn resolve(place: &Place, path: &str) -> String {
    match path.strip_prefix('~') {
        Some(below) if below.is_empty() || below.starts_with('/') => {
            format!("{}{}", place.user.home, below.trim_end_matches('/'))
        }
        _ => place.layout.workspace.resolve(path),
    }
}
