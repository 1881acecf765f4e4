//! One door to the runner: give a job, get what its author sees.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sluice_docker::Engine;
use sluice_model::{Conclusion, Event, InstanceId, RunId, Trigger, UserName};
use sluice_plan::{
    Action, ActionReference, Background, Defaults, Dialect, EnvEntry, Executor, Expression, Job,
    JobCondition, Late, Named, RunScript, Step, StepCondition, StepsJob, Template, UsesAction, Value, Work,
};
use sluice_runner::{
    ActionSource, CancelGrace, ExecutorChoice, ExecutorKind, ImageMap, Runner, RunnerConfig,
};
use sluice_source::Location;
use sluice_wire::{JobEvent, JobOrder, JobReport, Secret, SourceTree, Stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub const TINY: &str = "sluice-test/tiny:perl";

/// A runner with a data folder of its own, and a small repository to check out.
pub struct World {
    pub runner: Runner,
    pub folder: tempfile::TempDir,
    pub kind: ExecutorKind,
}

/// What came of a job.
pub struct Done {
    pub report: JobReport,
    pub events: Vec<JobEvent>,
}

impl World {
    pub async fn host() -> Self {
        Self::new(ExecutorChoice::Host).await
    }

    /// None (and a printed line) where no engine answers, unless one has to.
    pub async fn docker() -> Option<Self> {
        let engine = match Engine::connect().await {
            Ok(engine) => engine,
            Err(error) if std::env::var("SLUICE_TEST_DOCKER").as_deref() == Ok("1") => panic!("{error}"),
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        make_tiny(&engine).await;
        Some(Self::new(ExecutorChoice::Docker).await)
    }

    /// The host, and Docker where it answers.
    pub async fn both() -> Vec<Self> {
        let mut worlds = vec![Self::host().await];
        worlds.extend(Self::docker().await);
        worlds
    }

    async fn new(executor: ExecutorChoice) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = RunnerConfig::new(folder.path().join("data"));
        config.executor = executor;
        config.images = ImageMap::from_iter([("ubuntu-latest".to_owned(), TINY.to_owned())]);
        config.actions = ActionSource::Mirror(folder.path().join("mirror"));
        config.cancel_grace = CancelGrace {
            after_interrupt: std::time::Duration::from_millis(100),
            after_terminate: std::time::Duration::from_millis(100),
        };
        let runner = Runner::new(config).await.unwrap();
        let kind = runner.chosen_executor().kind;
        Self { runner, folder, kind }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub async fn run(&self, order: JobOrder) -> Done {
        self.run_until(order, CancellationToken::new(), |_| ()).await
    }

    pub async fn run_until(
        &self,
        order: JobOrder,
        cancel: CancellationToken,
        mut seen: impl FnMut(&JobEvent) + Send + 'static,
    ) -> Done {
        let (sender, mut receiver) = mpsc::channel(16);
        let listener = tokio::spawn(async move {
            let mut events = Vec::new();
            while let Some(event) = receiver.recv().await {
                seen(&event);
                events.push(event);
            }
            events
        });
        let run = self.runner.run(order, sender, cancel);
        let report =
            tokio::time::timeout(std::time::Duration::from_secs(60), run).await.expect("the job hangs");
        Done { report, events: listener.await.unwrap() }
    }
}

impl Done {
    /// All that one step's processes wrote.
    pub fn output(&self, step: u32) -> String {
        let text = self.events.iter().filter_map(|event| match event {
            JobEvent::Output { step: at, stream: Stream::Stdout | Stream::Stderr, text, .. }
                if *at == step =>
            {
                Some(text.as_str())
            }
            _ => None,
        });
        text.collect()
    }

    /// All text of the job, the runner's own words included.
    pub fn all(&self) -> String {
        self.events.iter().map(|event| format!("{event:?}\n")).collect::<String>()
            + &format!("{:?}", self.report)
    }

    pub fn outcomes(&self) -> Vec<(u32, Conclusion, Conclusion)> {
        let finished = self.events.iter().filter_map(|event| match event {
            JobEvent::StepFinished { step, outcome, conclusion, .. } if *step > 0 => {
                Some((*step, *outcome, *conclusion))
            }
            _ => None,
        });
        finished.collect()
    }

    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.report.conclusion, Conclusion::Success, "{}", self.all());
        self
    }
}

/// A repository with one commit: `hello.txt` and `dir/run.sh`.
pub fn repository() -> (&'static Path, &'static str) {
    static MADE: OnceLock<(PathBuf, String)> = OnceLock::new();
    let (path, sha) = MADE.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("repository-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("dir")).unwrap();
        std::fs::write(path.join("hello.txt"), "hello\n").unwrap();
        std::fs::write(path.join("dir/run.sh"), "#!/bin/sh\necho ran\n").unwrap();
        git(&path, &["init", "-q", "-b", "master"]);
        git(&path, &["add", "-A"]);
        git(&path, &["commit", "-q", "-m", "first"]);
        let sha = git(&path, &["rev-parse", "HEAD"]);
        (path, sha)
    });
    (path, sha)
}

/// A new repository with these files in one commit: its folder and the commit.
pub fn repository_of(folder: &Path, files: &[(&str, &str)]) -> String {
    std::fs::create_dir_all(folder).unwrap();
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(folder, &["init", "-q", "-b", "master"]);
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "first"]);
    git(folder, &["rev-parse", "HEAD"])
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn at(line: u32) -> Location {
    Location { path: "ci.yml".to_owned(), line, column: 7 }
}

pub fn step(action: Action) -> Step {
    Step {
        id: String::new(),
        name: None,
        at: at(3),
        condition: StepCondition::OnSuccess,
        env: Vec::new(),
        continue_on_error: None,
        timeout_minutes: None,
        background: Background::No,
        action,
    }
}

pub fn run(script: &str) -> Step {
    step(Action::Run(RunScript {
        script: template(script),
        shell: None,
        working_directory: None,
        no_output_timeout_s: None,
        reruns: None,
    }))
}

pub fn run_with(script: &str, change: impl FnOnce(&mut RunScript)) -> Step {
    let mut made = run(script);
    if let Action::Run(script) = &mut made.action {
        change(script);
    }
    made
}

/// CircleCI's scripts: `${{` means nothing in them.
pub fn circle(script: &str) -> Step {
    run_with(script, |run| run.script = Template::literal(script))
}

pub fn uses(action: &str, with: &[(&str, &str)]) -> Step {
    let action = if let Some(image) = action.strip_prefix("docker://") {
        ActionReference::Docker { image: image.to_owned() }
    } else if action.starts_with("./") {
        ActionReference::Local { path: action.to_owned() }
    } else {
        let (name, git_ref) = action.split_once('@').unwrap();
        let mut parts = name.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        ActionReference::Repository { owner: part(), name: part(), path: part(), git_ref: git_ref.to_owned() }
    };
    let with = with.iter().map(|(name, value)| Named::new(*name, template(value))).collect();
    step(Action::Uses(UsesAction { action, with }))
}

pub trait StepExt: Sized {
    fn id(self, id: &str) -> Self;
    fn when(self, expression: &str) -> Self;
    fn env(self, name: &str, value: &str) -> Self;
    fn goes_on(self) -> Self;
}

impl StepExt for Step {
    fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }
    fn when(mut self, expression: &str) -> Self {
        self.condition = StepCondition::Expression(Expression::parse(expression).unwrap());
        self
    }
    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(EnvEntry::Set { name: name.to_owned(), value: template(value) });
        self
    }
    fn goes_on(mut self) -> Self {
        self.continue_on_error = Some(Late::Known(true));
        self
    }
}

pub fn job(executor: Executor, steps: Vec<Step>) -> Job {
    Job {
        id: sluice_model::JobId::new("build"),
        name: None,
        at: at(1),
        needs: Vec::new(),
        condition: JobCondition::NeedsAccepted,
        gate: None,
        strategy: None,
        concurrency: None,
        permissions: None,
        continue_on_error: None,
        timeout_minutes: None,
        outputs: Vec::new(),
        work: Work::Steps(Box::new(StepsJob {
            executor,
            contexts: Vec::new(),
            services: Vec::new(),
            env: Vec::new(),
            defaults: Defaults::default(),
            parallelism: 1,
            steps,
        })),
    }
}

pub fn order(dialect: Dialect, job: Job) -> JobOrder {
    let (path, sha) = repository();
    JobOrder {
        run: RunId(7),
        run_number: 3,
        pipeline: 2,
        instance: InstanceId::new(job.id.clone(), 0),
        attempt: 1,
        fencing_token: 1,
        trigger: Trigger {
            event: Event::Push,
            action: None,
            repository: "acme/store".parse().unwrap(),
            git_ref: "refs/heads/master".to_owned(),
            sha: sha.parse().unwrap(),
            before: None,
            actor: UserName::new("ada"),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            image_chain: Vec::new(),
            inputs: Default::default(),
            payload: String::new(),
            subject: "first".to_owned(),
        },
        dialect,
        workflow: "CI".to_owned(),
        workflow_file: ".github/workflows/ci.yml".to_owned(),
        workflow_env: Vec::new(),
        workflow_defaults: Defaults::default(),
        job_name: job.id.to_string(),
        job,
        matrix: Value::Object(Vec::new()),
        strategy: Value::Object(Vec::new()),
        needs: Default::default(),
        upstream: Default::default(),
        inputs: Value::Object(Vec::new()),
        vars: Default::default(),
        secrets: Default::default(),
        ssh_keys: Vec::new(),
        source: SourceTree::Bare { path: path.to_owned() },
        registry: None,
        server: None,
        allow_host_docker: false,
        lock: None,
    }
}

/// A GitHub job; its label is mapped to the tiny image where there is Docker. Steps get `success()` as condition.
pub fn github(mut steps: Vec<Step>) -> JobOrder {
    for step in &mut steps {
        if step.condition == StepCondition::OnSuccess {
            step.condition = StepCondition::Expression(Expression::parse("success()").unwrap());
        }
    }
    let labels = vec![template("ubuntu-latest")];
    order(Dialect::Github, job(Executor::Labels { labels, group: None, container: None }, steps))
}

/// A CircleCI job in the tiny image.
pub fn circleci(steps: Vec<Step>) -> JobOrder {
    let container = sluice_plan::Container::of_image(Template::literal(TINY));
    order(Dialect::Circleci, job(Executor::Docker { container }, steps))
}

pub fn secret(order: &mut JobOrder, name: &str, value: &str) {
    order.secrets.insert(name.to_owned(), Secret::new(value));
}

pub fn steps_of(order: &mut JobOrder) -> &mut StepsJob {
    match &mut order.job.work {
        Work::Steps(work) => work,
        _ => unreachable!("jobs of these tests have steps"),
    }
}

static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A small image out of this machine's own bash and tools, with the libraries that they need: nothing is pulled.
async fn make_tiny(engine: &Engine) {
    let _one_at_a_time = MAKING.lock().await;
    if engine.inspect_image(TINY).await.unwrap().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::create_dir_all(root.join("home/dev")).unwrap();
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\ndev:x:1234:1234::/home/dev:/bin/bash\n",
    )
    .unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\ndev:x:1234:\n").unwrap();
    let tools = [
        "/bin/bash",
        "/bin/sh",
        "/bin/cat",
        "/bin/sleep",
        "/bin/ls",
        "/bin/mkdir",
        "/usr/bin/id",
        "/usr/bin/env",
        "/bin/pwd",
        "/usr/bin/stat",
        "/bin/chmod",
        "/bin/ln",
        "/usr/bin/git",
        "/usr/bin/perl",
        "/usr/bin/seq",
        "/bin/rm",
    ];
    let libraries = Command::new("ldd").args(tools).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let mut paths: Vec<&str> =
        libraries.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')).collect();
    paths.extend(tools);
    paths.sort_unstable();
    paths.dedup();
    let archive = folder.path().join("tiny.tar");
    // `-h`: a link's target under the link's name, so that no other path has to exist.
    let status = Command::new("tar").arg("-chPf").arg(&archive).args(paths).status().unwrap();
    assert!(status.success());
    let status = Command::new("tar")
        .arg("-rf")
        .arg(&archive)
        .arg("-C")
        .arg(&root)
        .args(["etc", "home"])
        .status()
        .unwrap();
    assert!(status.success());
    engine.import_filesystem(&archive, TINY, &["ENV FROM_IMAGE=yes".to_owned()], |_| ()).await.unwrap();
}
