use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_docker::RegistryCredentials;
use sluice_expression::Value;
use sluice_model::Conclusion;
use sluice_plan::{Action, Container, Executor, RunScript, Step, UsesAction};
use sluice_wire::{JobOrder, Level};

use super::commands::{Commands, Effect};
use super::contexts::{event, event_path, overlay};
use super::file_commands::{may_be_set, parse_file_commands};
use super::shell::Shell;
use super::{Contexts, actions, environment};
use crate::exec::{self, Ended, Limits};
use crate::job::{JobRun, StepsEnded, loopback_ports};
use crate::place::{ContainerWish, Making, Place, Wish};
use crate::session::Launch;

/// What the job asks of its place, and the contexts so far.
pub fn prepare(job: &JobRun<'_>, making: &Making<'_>) -> Result<(Contexts, Wish), String> {
    let order = job.order;
    let mut contexts = Contexts::of_order(order);
    let mut env = contexts.env(&order.workflow_env)?;
    contexts.set_env(&env);
    let of_job = contexts.env(&job.work.env)?;
    overlay(&mut env, of_job);
    contexts.set_env(&env);
    let repository = order.trigger.repository.name();
    let mut wish = Wish {
        checkout_folder: format!("{repository}/{repository}"),
        work_inside: "/__w".to_owned(),
        home_inside: Some("/github/home".to_owned()),
        loopback_ports: loopback_ports(order),
        ..Default::default()
    };
    let Executor::Labels { labels, container, .. } = &job.work.executor else {
        return Err("a GitHub job asks for an executor of another dialect".to_owned());
    };
    wish.container = match container {
        Some(container) if making.engine.is_some() => Some(container_wish(&contexts, container)?),
        Some(container) => {
            let image = contexts.text(&container.image)?;
            return Err(format!(
                "the job's container `{image}` needs a container engine, and none is used here: start Docker or Podman"
            ));
        }
        None => mapped_label(&contexts, labels, making)?,
    };
    for service in &job.work.services {
        wish.services.push((service.name.clone(), container_wish(&contexts, &service.value)?));
    }
    // GitHub's own machines have an engine; a job in a container does not see it, as there.
    wish.host_engine = order.allow_host_docker && container.is_none();
    Ok((contexts, wish))
}

/// A label that the image map names runs in that image; others run on the host.
fn mapped_label(
    contexts: &Contexts,
    labels: &[sluice_expression::Template],
    making: &Making<'_>,
) -> Result<Option<ContainerWish>, String> {
    for label in labels {
        let label = contexts.text(label)?;
        if making.engine.is_some()
            && let Some(image) = making.config.images.get(&label)
        {
            return Ok(Some(ContainerWish { image: image.to_owned(), ..Default::default() }));
        }
    }
    Ok(None)
}

fn container_wish(contexts: &Contexts, container: &Container) -> Result<ContainerWish, String> {
    let texts = |templates: &[sluice_expression::Template]| {
        templates.iter().map(|template| contexts.text(template)).collect::<Result<Vec<_>, _>>()
    };
    let image = contexts.text(&container.image)?;
    let image = image.strip_prefix("docker://").unwrap_or(&image).to_owned();
    let credentials = match &container.credentials {
        None => None,
        Some(given) => Some(RegistryCredentials {
            username: contexts.text(&given.username)?,
            password: contexts.text(&given.password)?,
            server: image.split('/').next().unwrap_or_default().to_owned(),
        }),
    };
    Ok(ContainerWish {
        env: contexts.env(&container.env)?,
        ports: texts(&container.ports)?,
        volumes: texts(&container.volumes)?,
        options: contexts.optional_text(container.options.as_ref())?.unwrap_or_default(),
        entrypoint: container.entrypoint.clone(),
        command: container.command.clone(),
        user: container.user.clone(),
        credentials,
        image,
    })
}

/// The job's steps, one after the other, and its outputs.
pub async fn run(job: &JobRun<'_>, place: &Place, contexts: &mut Contexts) -> StepsEnded {
    contexts.enter(place);
    let mut steps = match Steps::begin(job, place, contexts).await {
        Ok(steps) => steps,
        Err(problem) => {
            return StepsEnded {
                conclusion: Some(Conclusion::Failure),
                problem: Some(problem),
                ..Default::default()
            };
        }
    };
    for (index, step) in job.work.steps.iter().enumerate() {
        steps.run(u32::try_from(index + 1).unwrap_or(u32::MAX), step).await;
    }
    steps.finish().await
}

/// A job's steps on their way.
pub(super) struct Steps<'a> {
    pub job: &'a JobRun<'a>,
    pub place: &'a Place,
    pub contexts: &'a mut Contexts,
    /// GitHub's own variables, the same for every step.
    defaults: Vec<(String, String)>,
    /// `env` of workflow and job, and what steps put into GITHUB_ENV.
    env: Vec<(String, String)>,
    /// What steps put into GITHUB_PATH, the newest first.
    added_paths: Vec<String>,
    /// What runs scripts that name no shell.
    default_shell: Shell,
    /// What was done, to be undone or completed after the last step.
    pub(super) post: Vec<actions::Post>,
}

/// How one step ended, before `continue-on-error`.
pub(super) struct StepEnd {
    pub outcome: Conclusion,
    pub exit_code: Option<i32>,
}

impl StepEnd {
    pub fn of(outcome: Conclusion) -> Self {
        Self { outcome, exit_code: None }
    }
}

/// One step, its expressions evaluated.
pub(super) struct Prepared<'a> {
    pub index: u32,
    pub step: &'a Step,
    /// Everything that its process finds in its environment.
    pub env: Vec<(String, String)>,
    pub limits: Limits,
}

impl<'a> Steps<'a> {
    async fn begin(
        job: &'a JobRun<'a>,
        place: &'a Place,
        contexts: &'a mut Contexts,
    ) -> Result<Self, String> {
        let event = event(job.order).into_bytes();
        let written = place.session.write(&event_path(place), 0o644, event).await;
        written.map_err(|error| error.to_string())?;
        let defaults = environment::defaults(contexts, place, job.order);
        let env = match sluice_expression::Context::lookup(contexts, "env").as_deref() {
            Some(Value::Object(pairs)) => {
                pairs.iter().map(|(name, value)| (name.clone(), value.to_text())).collect()
            }
            _ => Vec::new(),
        };
        let default_shell = Shell::default_of(&place.session).await.map_err(|error| error.to_string())?;
        let (added_paths, post) = (Vec::new(), Vec::new());
        Ok(Self { job, place, contexts, defaults, env, added_paths, default_shell, post })
    }

    /// One step, whatever comes of it.
    async fn run(&mut self, index: u32, step: &Step) {
        if self.job.cancel.is_cancelled() {
            self.contexts.set_status(Conclusion::Cancelled);
        }
        self.contexts.set_env(&self.env);
        let name = self.name_of(step);
        let log = self.job.log.clone();
        let end = match self.prepare(index, step) {
            Ok(None) => {
                log.step_started(index, &name).await;
                log.step_finished(index, Conclusion::Skipped, Conclusion::Skipped, None).await;
                self.remember(step, Conclusion::Skipped, Conclusion::Skipped, &[]);
                return;
            }
            Ok(Some(prepared)) => {
                // Evaluated again with the step's own `env` in place.
                log.step_started(index, &self.name_of(step)).await;
                self.act(&prepared).await
            }
            Err(problem) => {
                log.step_started(index, &name).await;
                Err(problem)
            }
        };
        let (end, outputs) = match end {
            Ok(done) => done,
            Err(problem) => {
                log.say(index, format!("##[error]{problem}")).await;
                log.annotation(index, Level::Error, &problem, None, None).await;
                (StepEnd::of(Conclusion::Failure), Vec::new())
            }
        };
        let goes_on = self.contexts.late_bool(step.continue_on_error.as_ref()).unwrap_or(false);
        let conclusion = match end.outcome {
            Conclusion::Failure if goes_on => Conclusion::Success,
            outcome => outcome,
        };
        if matches!(conclusion, Conclusion::Failure | Conclusion::Cancelled)
            && self.contexts.status == Conclusion::Success
        {
            self.contexts.set_status(conclusion);
        }
        self.remember(step, end.outcome, conclusion, &outputs);
        log.step_finished(index, end.outcome, conclusion, end.exit_code).await;
    }

    /// Evaluates what a step needs. None: its condition does not hold.
    fn prepare<'s>(&mut self, index: u32, step: &'s Step) -> Result<Option<Prepared<'s>>, String> {
        let own = self.contexts.env(&step.env).map_err(|error| format!("`env`: {error}"))?;
        let mut with_own = self.env.clone();
        overlay(&mut with_own, own);
        self.contexts.set_env(&with_own);
        let holds = self.contexts.holds(&step.condition).map_err(|error| format!("`if`: {error}"))?;
        if !holds {
            return Ok(None);
        }
        let timeout = self.contexts.late_minutes(step.timeout_minutes.as_ref())?;
        // A step that would run after a cancel is not stopped by one.
        let status = self.contexts.status;
        self.contexts.set_status(Conclusion::Cancelled);
        let outlives_cancel = self.contexts.holds(&step.condition).unwrap_or(false);
        self.contexts.set_status(status);
        let cancel = match outlives_cancel {
            true => tokio_util::sync::CancellationToken::new(),
            false => self.job.cancel.clone(),
        };
        let after_cancel = (status == Conclusion::Cancelled).then_some(AFTER_CANCEL_LIMIT);
        let timeout = timeout.into_iter().chain(after_cancel).min();
        let limits = Limits { timeout, no_output_timeout: None, cancel, grace: self.job.grace };
        let mut env = self.defaults.clone();
        overlay(&mut env, with_own);
        if !self.added_paths.is_empty()
            && let Some((_, path)) = env.iter_mut().find(|(name, _)| name == "PATH")
        {
            *path = format!("{}:{path}", self.added_paths.join(":"));
        }
        Ok(Some(Prepared { index, step, env, limits }))
    }

    async fn act(&mut self, prepared: &Prepared<'_>) -> Result<(StepEnd, Vec<(String, String)>), String> {
        match &prepared.step.action {
            Action::Run(script) => self.run_script(prepared, script).await,
            Action::Uses(uses) => self.use_action(prepared, uses).await,
            _ => Err("this runner cannot do this kind of step in a GitHub job".to_owned()),
        }
    }

    async fn use_action(
        &mut self,
        prepared: &Prepared<'_>,
        uses: &UsesAction,
    ) -> Result<(StepEnd, Vec<(String, String)>), String> {
        let mut with = Vec::new();
        for input in &uses.with {
            with.push((input.name.to_ascii_lowercase(), self.contexts.text(&input.value)?));
        }
        let outputs = actions::act(self, prepared, &uses.action, &with).await?;
        Ok((StepEnd::of(Conclusion::Success), outputs))
    }

    async fn run_script(
        &mut self,
        prepared: &Prepared<'_>,
        script: &RunScript,
    ) -> Result<(StepEnd, Vec<(String, String)>), String> {
        let text = self.contexts.text(&script.script)?;
        let (of_job, of_workflow) = (&self.job.work.defaults, &self.job.order.workflow_defaults);
        let shell = script.shell.as_ref().or(of_job.shell.as_ref()).or(of_workflow.shell.as_ref());
        let shell = self.contexts.optional_text(shell)?;
        let folder = script.working_directory.as_ref();
        let folder = folder.or(of_job.working_directory.as_ref()).or(of_workflow.working_directory.as_ref());
        let folder = self.contexts.optional_text(folder)?.unwrap_or_default();
        let shell = shell.as_deref().map_or_else(|| Ok(self.default_shell.clone()), Shell::of)?;

        let files = CommandFiles::new(self.place, prepared.index);
        let dot = if shell.extension.is_empty() { "" } else { "." };
        let path = self.place.layout.temp.inside(&format!("step-{}{dot}{}", prepared.index, shell.extension));
        self.job.log.say(prepared.index, header(&text, &shell, prepared)).await;

        let mut env = prepared.env.clone();
        overlay(&mut env, files.variables());
        let mut to_write = vec![(path.clone(), shell.content(&text))];
        to_write.extend(files.all().map(|path| (path.to_owned(), String::new())));
        let launch = Launch {
            argv: shell.argv(&path),
            env,
            directory: self.place.layout.workspace.resolve(&folder),
            files: to_write,
            collect: files.collected(),
        };
        let (ended, said, collected) = self.execute(launch, prepared).await?;
        if let Some(explanation) = ended.explain() {
            self.job.log.say(prepared.index, format!("##[error]{explanation}")).await;
            self.job.log.annotation(prepared.index, Level::Error, &explanation, None, None).await;
        }
        let outputs = self.take_files(collected, prepared.index, said).await?;
        let outcome = match &ended {
            ended if ended.is_success() => Conclusion::Success,
            Ended::Cancelled => Conclusion::Cancelled,
            _ => Conclusion::Failure,
        };
        Ok((StepEnd { outcome, exit_code: ended.exit_code() }, outputs))
    }

    /// Runs a process, obeying the commands that it writes. Outputs that it set that way come back, and its files.
    async fn execute(
        &mut self,
        launch: Launch,
        prepared: &Prepared<'_>,
    ) -> Result<(Ended, Vec<(String, String)>, Vec<Result<String, String>>), String> {
        let shows_debug =
            prepared.env.iter().any(|(name, value)| name == "ACTIONS_STEP_DEBUG" && value == "true")
                || self
                    .job
                    .order
                    .secrets
                    .get("ACTIONS_STEP_DEBUG")
                    .is_some_and(|secret| secret.expose() == "true")
                || self.job.order.vars.get("ACTIONS_STEP_DEBUG").is_some_and(|value| value == "true");
        let mut commands = Commands::new(shows_debug);
        let effects = Arc::new(Mutex::new(Vec::new()));
        let (log, seen) = (self.job.log.clone(), effects.clone());
        let mut judge = move |line: &str| {
            let (verdict, effect) = commands.judge(line);
            match effect {
                // At once, for the next line may hold it already.
                Some(Effect::Mask(secret)) => log.add_mask(&secret),
                Some(effect) => seen.lock().unwrap_or_else(PoisonError::into_inner).push(effect),
                None => (),
            }
            verdict
        };
        let mut output = self.job.log.step(prepared.index);
        let ended = exec::run(&self.place.session, launch, &mut output, &prepared.limits, &mut judge).await;
        let (ended, collected) = ended.map_err(|error| error.to_string())?;
        let mut outputs = Vec::new();
        let effects = std::mem::take(&mut *effects.lock().unwrap_or_else(PoisonError::into_inner));
        for effect in effects {
            match effect {
                Effect::Annotate { level, message, file, line } => {
                    self.job.log.annotation(prepared.index, level, &message, file, line).await;
                }
                Effect::Output { name, value } => overlay(&mut outputs, [(name, value)]),
                // State is for the post step of an action; a script has none. A mask was obeyed already.
                Effect::State { .. } | Effect::Mask(_) => (),
            }
        }
        Ok((ended, outputs, collected))
    }

    /// Takes what the step wrote to its command files. What it set on standard output comes before.
    async fn take_files(
        &mut self,
        collected: Vec<Result<String, String>>,
        index: u32,
        mut outputs: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, String> {
        let mut contents = collected.into_iter();
        let mut next = || -> Result<String, String> {
            let content = contents.next().unwrap_or_else(|| Ok(String::new()))?;
            // Windows tools begin a file with a byte-order mark.
            Ok(content.strip_prefix('\u{feff}').unwrap_or(&content).to_owned())
        };
        let (env, output, path) = (next()?, next()?, next()?);
        let parse = |what: &str, text: &str| {
            parse_file_commands(text)
                .map_err(|error| format!("Unable to process file command '{what}' successfully. {error}"))
        };
        for (name, value) in parse("env", &env)? {
            if may_be_set(&name) {
                overlay(&mut self.env, [(name, value)]);
            } else {
                let problem = format!("Can't store {name} output parameter using '$GITHUB_ENV' command.");
                self.job.log.annotation(index, Level::Error, &problem, None, None).await;
                self.job.log.say(index, format!("##[error]{problem}")).await;
            }
        }
        overlay(&mut outputs, parse("output", &output)?);
        for added in path.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.added_paths.retain(|known| known != added);
            self.added_paths.insert(0, added.to_owned());
        }
        Ok(outputs)
    }

    fn remember(
        &mut self,
        step: &Step,
        outcome: Conclusion,
        conclusion: Conclusion,
        outputs: &[(String, String)],
    ) {
        if step.id.is_empty() {
            return;
        }
        let outputs = outputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let value = Value::object([
            ("outputs", Value::object(outputs)),
            ("outcome", outcome.as_str().into()),
            ("conclusion", conclusion.as_str().into()),
        ]);
        self.contexts.put("steps", &step.id, value);
    }

    /// As GitHub names a step: its name, else what it does.
    fn name_of(&self, step: &Step) -> String {
        if let Some(name) = &step.name {
            return self.contexts.text(name).unwrap_or_else(|_| name.source().to_owned());
        }
        match &step.action {
            Action::Run(script) => {
                let text =
                    self.contexts.text(&script.script).unwrap_or_else(|_| script.script.source().to_owned());
                format!(
                    "Run {}",
                    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
                )
            }
            Action::Uses(uses) => format!("Run {}", uses.action),
            _ => "Run".to_owned(),
        }
    }

    /// What is left to do after the last step, then the job's outputs.
    async fn finish(mut self) -> StepsEnded {
        let first = u32::try_from(self.job.work.steps.len() + 1).unwrap_or(u32::MAX);
        let post = std::mem::take(&mut self.post);
        for (index, post) in (first..).zip(post.into_iter().rev()) {
            actions::finish(&mut self, index, post).await;
        }
        let mut ended = StepsEnded { conclusion: Some(self.contexts.status), ..Default::default() };
        self.contexts.set_env(&self.env);
        let masker = self.job.log.masker();
        for output in &self.job.order.job.outputs {
            match self.contexts.text(&output.value) {
                Ok(value) if masker.reveals(&value) => {
                    let message = format!("Skip output '{}' since it may contain secret.", output.name);
                    self.job.log.annotation(first, Level::Warning, &message, None, None).await;
                }
                Ok(value) => {
                    ended.outputs.insert(output.name.clone(), value);
                }
                Err(problem) => {
                    ended.conclusion = Some(Conclusion::Failure);
                    ended.problem = Some(masker.mask_text(&format!("output `{}`: {problem}", output.name)));
                }
            }
        }
        ended
    }
}

/// How long steps that run after a cancel have; GitHub gives a job five minutes.
const AFTER_CANCEL_LIMIT: Duration = Duration::from_secs(300);

/// The files by which a step speaks to its runner.
struct CommandFiles {
    env: String,
    output: String,
    path: String,
    state: String,
    summary: String,
}

impl CommandFiles {
    fn new(place: &Place, index: u32) -> Self {
        let file = |name: &str| place.layout.temp.inside(&format!("_runner_file_commands/{name}_{index}"));
        Self {
            env: file("set_env"),
            output: file("set_output"),
            path: file("add_path"),
            state: file("save_state"),
            summary: file("step_summary"),
        }
    }

    fn all(&self) -> [&str; 5] {
        [&self.env, &self.output, &self.path, &self.state, &self.summary]
    }

    /// Those that are read when the step has ended, in the order in which they are taken.
    fn collected(&self) -> Vec<String> {
        [&self.env, &self.output, &self.path].map(Clone::clone).to_vec()
    }

    fn variables(&self) -> Vec<(String, String)> {
        let names = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"];
        names.iter().zip(self.all()).map(|(name, path)| ((*name).to_owned(), path.to_owned())).collect()
    }
}

/// What GitHub shows above a step's output.
fn header(script: &str, shell: &Shell, prepared: &Prepared<'_>) -> String {
    let lines: Vec<&str> = script.trim_end().lines().collect();
    let mut header = format!("##[group]Run {}\n", lines.first().copied().unwrap_or_default());
    for line in &lines {
        header.push_str(line);
        header.push('\n');
    }
    header.push_str(&format!("shell: {}\n", shell.shown()));
    if !prepared.step.env.is_empty() {
        let names: Vec<&str> = prepared.step.env.iter().filter_map(entry_name).collect();
        header.push_str(&format!("env: {}\n", names.join(", ")));
    }
    header.push_str("##[endgroup]");
    header
}

fn entry_name(entry: &sluice_plan::EnvEntry) -> Option<&str> {
    match entry {
        sluice_plan::EnvEntry::Set { name, .. } => Some(name),
        sluice_plan::EnvEntry::All(_) => None,
    }
}

/// The order is what built-in actions need of a job.
impl Steps<'_> {
    pub(super) fn order(&self) -> &JobOrder {
        self.job.order
    }
}
