use std::time::Duration;

use sluice_model::Conclusion;
use sluice_plan::{Action, Background, CacheWhen, RunScript, Step, StepCondition, Template};
use sluice_wire::{Level, TestCase, TestOutcome};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::junit::parse_junit;
use super::{cache_key, environment};
use crate::checkout::{Checkout, checkout};
use crate::exec::{self, Ended, Limits};
use crate::github::{Contexts, overlay};
use crate::job::{JobRun, StepsEnded, own_variables};
use crate::log::ShowAll;
use crate::place::Place;
use crate::session::{Launch, Packed};

/// CircleCI's own default.
const NO_OUTPUT_TIMEOUT: Duration = Duration::from_secs(600);
/// The most that one file of test results may hold.
const RESULTS_LIMIT_BYTES: usize = 64 << 20;

/// A job's steps on their way.
pub struct Steps<'a> {
    job: &'a JobRun<'a>,
    place: &'a Place,
    contexts: Contexts,
    env: Vec<(String, String)>,
    status: Conclusion,
    failed_tests: Vec<TestCase>,
    background: JoinSet<()>,
}

struct StepEnd {
    outcome: Conclusion,
    exit_code: Option<i32>,
}

impl<'a> Steps<'a> {
    pub async fn begin(job: &'a JobRun<'a>, place: &'a Place) -> Result<Self, String> {
        let order = job.order;
        let mut contexts = Contexts::of_order(order);
        contexts.enter(place);
        // Later ones win: built-in, then contexts' and the project's secrets, then the job's own.
        let mut env = environment::built_in(order, place);
        overlay(&mut env, own_variables(order));
        overlay(&mut env, order.vars.clone());
        overlay(
            &mut env,
            order.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned())),
        );
        overlay(&mut env, contexts.env(&order.workflow_env)?);
        overlay(&mut env, contexts.env(&job.work.env)?);
        let bash_env = place.layout.temp.inside("bash_env");
        place.session.write(&bash_env, 0o644, Vec::new()).await.map_err(|error| error.to_string())?;
        Ok(Self {
            job,
            place,
            contexts,
            env,
            status: Conclusion::Success,
            failed_tests: Vec::new(),
            background: JoinSet::new(),
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
        let end = match self.act(index, step).await {
            Ok(end) => end,
            Err(problem) => {
                log.say(index, format!("##[error]{problem}")).await;
                log.annotation(index, Level::Error, &problem, None, None).await;
                StepEnd { outcome: Conclusion::Failure, exit_code: None }
            }
        };
        if matches!(end.outcome, Conclusion::Failure | Conclusion::Cancelled)
            && self.status == Conclusion::Success
        {
            self.status = end.outcome;
        }
        log.step_finished(index, end.outcome, end.outcome, end.exit_code).await;
    }

    fn holds(&self, condition: &StepCondition) -> bool {
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
                let wanted =
                    Checkout { target: resolve(self.place, &path), tags: true, ..Default::default() };
                let done = checkout(self.place, self.job.order, &wanted).await;
                for line in done.map_err(|error| error.to_string())? {
                    self.job.log.say(index, line).await;
                }
            }
            Action::PersistToWorkspace { root, paths } => self.persist(index, root, paths).await?,
            Action::AttachWorkspace { at } => {
                let at = resolve(self.place, &self.contexts.text(at)?);
                let layers = self.job.depot.attach(&self.place.session, &at).await;
                let layers = layers.map_err(|error| error.to_string())?;
                self.job.log.say(index, format!("Applied {layers} workspace layers to {at}")).await;
            }
            Action::StoreArtifacts { path, destination } => {
                self.store_artifacts(index, path, destination.as_ref()).await?;
            }
            Action::StoreTestResults { path } => self.store_test_results(index, path).await?,
            Action::SaveCache { key, paths, when, .. } => self.save_cache(index, key, paths, *when).await?,
            Action::RestoreCache { keys } => self.restore_cache(index, keys).await?,
            Action::SetupRemoteDocker { .. } => self.set_up_docker(index).await?,
            _ => return Err("this runner cannot do this kind of step in a CircleCI job".to_owned()),
        }
        Ok(StepEnd { outcome: Conclusion::Success, exit_code: None })
    }

    async fn run_script(&mut self, index: u32, step: &Step, script: &RunScript) -> Result<StepEnd, String> {
        let text = self.contexts.text(&script.script)?;
        let shell = script.shell.as_ref().or(self.job.work.defaults.shell.as_ref());
        let shell = self.contexts.optional_text(shell)?;
        let argv = self.shell(shell.as_deref(), &text).await?;
        let folder = self.contexts.optional_text(script.working_directory.as_ref())?.unwrap_or_default();
        let mut env = self.env.clone();
        overlay(&mut env, self.contexts.env(&step.env)?);
        let directory = resolve(self.place, &folder);
        overlay(&mut env, [("PWD".to_owned(), directory.clone())]);
        let launch = Launch { argv, env, directory, ..Default::default() };
        let silence = script.no_output_timeout_s.map_or(NO_OUTPUT_TIMEOUT, Duration::from_secs);
        self.job.log.say(index, header(&launch.argv)).await;
        if step.background == Background::Detached {
            self.start_background(index, launch);
            return Ok(StepEnd { outcome: Conclusion::Success, exit_code: None });
        }
        // A step that runs after a cancel is not stopped by the same one.
        let is_last_word = self.status == Conclusion::Cancelled;
        let cancel = if is_last_word { CancellationToken::new() } else { self.job.cancel.clone() };
        let limits =
            Limits { timeout: None, no_output_timeout: Some(silence), cancel, grace: self.job.grace };
        let mut output = self.job.log.step(index);
        let ended = exec::run(&self.place.session, launch, &mut output, &limits, &mut ShowAll).await;
        let (ended, _) = ended.map_err(|error| error.to_string())?;
        if let Some(explanation) = ended.explain() {
            self.job.log.say(index, format!("##[error]{explanation}")).await;
        }
        let outcome = match &ended {
            ended if ended.is_success() => Conclusion::Success,
            Ended::Cancelled => Conclusion::Cancelled,
            _ => Conclusion::Failure,
        };
        Ok(StepEnd { outcome, exit_code: ended.exit_code() })
    }

    /// A background step goes on beside the others and is killed when the job ends.
    fn start_background(&mut self, index: u32, launch: Launch) {
        let (session, mut output) = (self.place.session.clone(), self.job.log.step(index));
        let limits = Limits {
            timeout: None,
            no_output_timeout: None,
            // It ends with the place, which kills all that runs in it.
            cancel: CancellationToken::new(),
            grace: self.job.grace,
        };
        self.background.spawn(async move {
            // How it ends changes nothing for the job.
            let _ = exec::run(&session, launch, &mut output, &limits, &mut ShowAll).await;
        });
    }

    /// CircleCI hands the script to the shell as its last argument.
    async fn shell(&self, shell: Option<&str>, script: &str) -> Result<Vec<String>, String> {
        let mut argv: Vec<String> = match shell.map(str::trim).filter(|shell| !shell.is_empty()) {
            Some(shell) => shell.split_whitespace().map(str::to_owned).collect(),
            None => {
                let found =
                    self.place.session.find_program("bash").await.map_err(|error| error.to_string())?;
                match found {
                    Some(bash) => vec![bash, "-eo".to_owned(), "pipefail".to_owned()],
                    // An image without bash gets what CircleCI gives it.
                    None => vec!["/bin/sh".to_owned(), "-e".to_owned()],
                }
            }
        };
        if argv.last().is_none_or(|last| last != "-c") {
            argv.push("-c".to_owned());
        }
        argv.push(script.to_owned());
        Ok(argv)
    }

    async fn persist(&self, index: u32, root: &Template, paths: &[Template]) -> Result<(), String> {
        let root = resolve(self.place, &self.contexts.text(root)?);
        let mut patterns = Vec::new();
        for path in paths {
            let path = self.contexts.text(path)?;
            let absolute = resolve(self.place, &path);
            // A path may be written in full, as long as it is below the root.
            patterns.push(match path.starts_with(['/', '~']) {
                true => absolute.strip_prefix(&root).unwrap_or(&path).trim_start_matches('/').to_owned(),
                false => path,
            });
        }
        let stored = self.job.depot.persist(&self.place.session, &root, &patterns).await;
        let stored = stored.map_err(|error| error.to_string())?;
        if stored.files == 0 {
            return Err(format!(
                "persist_to_workspace: nothing below {root} matches {}",
                patterns.join(", ")
            ));
        }
        let line = format!("Persisted {} files, {} bytes, from {root}", stored.files, stored.size_bytes);
        self.job.log.say(index, line).await;
        Ok(())
    }

    async fn store_artifacts(
        &self,
        index: u32,
        path: &Template,
        destination: Option<&Template>,
    ) -> Result<(), String> {
        let path = self.contexts.text(path)?;
        let root = resolve(self.place, &path);
        let destination = self.contexts.optional_text(destination)?.filter(|text| !text.is_empty());
        let name = destination.unwrap_or_else(|| {
            path.trim_end_matches('/').rsplit('/').next().unwrap_or("artifacts").to_owned()
        });
        let stored =
            self.job.depot.store_artifact(&self.place.session, &name, &root, &[".".to_owned()]).await;
        match stored {
            Ok(stored) if stored.files > 0 => {
                self.job.log.artifact_stored(&name, stored.files, stored.size_bytes).await;
                let line = format!("Stored {} files, {} bytes, as {name}", stored.files, stored.size_bytes);
                self.job.log.say(index, line).await;
            }
            Ok(_) => self.job.log.say(index, format!("No artifacts: {root} is empty")).await,
            // A path that is not there is no failure for CircleCI.
            Err(error) => self.job.log.say(index, format!("No artifacts: {error}")).await,
        }
        Ok(())
    }

    async fn store_test_results(&mut self, index: u32, path: &Template) -> Result<(), String> {
        let root = resolve(self.place, &self.contexts.text(path)?);
        let files = self.read_results(&root).await;
        let files = match files {
            Ok(files) => files,
            Err(problem) => {
                self.job.log.say(index, format!("No test results: {problem}")).await;
                return Ok(());
            }
        };
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (name, content) in &files {
            let report = match parse_junit(content) {
                Ok(report) => report,
                Err(problem) => {
                    self.job.log.say(index, format!("##[warning]{name}: {problem}")).await;
                    continue;
                }
            };
            for case in report.cases {
                match case.outcome {
                    TestOutcome::Passed => passed += 1,
                    TestOutcome::Skipped => skipped += 1,
                    TestOutcome::Failed { .. } => {
                        failed += 1;
                        self.remember_failed(case);
                    }
                }
            }
        }
        self.job.log.tests_stored(passed, failed, skipped).await;
        self.job.log.say(index, format!("Tests: {passed} passed, {failed} failed, {skipped} skipped")).await;
        Ok(())
    }

    fn remember_failed(&mut self, case: TestCase) {
        let masker = self.job.log.masker();
        let message = match case.outcome {
            TestOutcome::Failed { message } => masker.mask_text(&message),
            TestOutcome::Passed | TestOutcome::Skipped => return,
        };
        let (suite, name) = (masker.mask_text(&case.suite), masker.mask_text(&case.name));
        self.failed_tests.push(TestCase { suite, name, outcome: TestOutcome::Failed { message }, ..case });
    }

    /// The `.xml` files of a folder, or the one file.
    async fn read_results(&self, root: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut size = 0;
        let patterns = ["**/*.xml".to_owned()];
        let packed = self.place.session.pack(root, &patterns, |piece| {
            match piece {
                Packed::Entry(entry) => {
                    files.push((String::from_utf8_lossy(&entry.path).into_owned(), Vec::new()));
                }
                Packed::Data(bytes) => {
                    size += bytes.len();
                    if size > RESULTS_LIMIT_BYTES {
                        return Err(format!("more than {} MiB of test results", RESULTS_LIMIT_BYTES >> 20));
                    }
                    if let Some((_, content)) = files.last_mut() {
                        content.extend_from_slice(&bytes);
                    }
                }
            }
            Ok(())
        });
        packed.await.map_err(|error| error.to_string())?;
        files.retain(|(name, _)| name.ends_with(".xml"));
        Ok(files)
    }

    async fn save_cache(
        &self,
        index: u32,
        key: &Template,
        paths: &[Template],
        when: CacheWhen,
    ) -> Result<(), String> {
        let is_wanted = match when {
            CacheWhen::Always => true,
            CacheWhen::OnSuccess => self.status == Conclusion::Success,
            CacheWhen::OnFail => self.status == Conclusion::Failure,
        };
        if !is_wanted {
            return Ok(());
        }
        let key = self.cache_key(key).await?;
        let mut resolved = Vec::new();
        for path in paths {
            resolved.push(resolve(self.place, &self.contexts.text(path)?));
        }
        let saved = self.job.depot.save_cache(self.place, &key, &resolved).await;
        let line = match saved.map_err(|error| error.to_string())? {
            Some(stored) => {
                format!("Stored cache {key}: {} files, {} bytes", stored.files, stored.size_bytes)
            }
            None => format!("Skipping cache generation, cache already exists for key: {key}"),
        };
        self.job.log.say(index, line).await;
        Ok(())
    }

    async fn restore_cache(&self, index: u32, keys: &[Template]) -> Result<(), String> {
        let mut filled = Vec::new();
        for key in keys {
            filled.push(self.cache_key(key).await?);
        }
        let found = self.job.depot.find_cache(&filled).map_err(|error| error.to_string())?;
        let line = match found {
            Some(key) => {
                let restored = self.job.depot.restore_cache(self.place, &key).await;
                restored.map_err(|error| error.to_string())?;
                format!("Found a cache at {key}")
            }
            None => "No cache is found for the keys".to_owned(),
        };
        self.job.log.say(index, line).await;
        Ok(())
    }

    async fn cache_key(&self, template: &Template) -> Result<String, String> {
        let text = self.contexts.text(template)?;
        cache_key::fill(&text, self.job.order, &self.env, self.place).await
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

/// What CircleCI shows above a step's output, the shell line, then the script; as a group, which readers can fold.
fn header(argv: &[String]) -> String {
    let (script, shell) = argv.split_last().map_or(("", &[][..]), |(script, shell)| (script.as_str(), shell));
    format!("##[group]#!{}\n{}\n##[endgroup]", shell.join(" "), script.trim_end())
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
