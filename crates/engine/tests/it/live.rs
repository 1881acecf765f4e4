//! A run that a test drives: plans from short notes, commands with the current token, the log so far.

use std::collections::BTreeMap;

use sluice_engine::{
    Command, Create, Effect, Event, InstanceState, JobState, Refused, State, apply, decide, fold,
};
use sluice_model::{
    AgentId, Conclusion, Event as Happening, InstanceId, JobId, RunId, Timestamp, Trigger, UserName,
};
use sluice_plan::{
    Container, Defaults, Dialect, Executor, Expression, Job, JobCondition, Need, Plan, StepsJob, Template,
    Value, Work,
};

pub fn expression(source: &str) -> Expression {
    Expression::parse(source).expect("a test's expression parses")
}

pub fn template(source: &str) -> Template {
    Template::parse(source).expect("a test's template parses")
}

/// `job("test").needs("build")`: a job of one step.
pub struct JobNote(pub Job);

pub fn job(id: &str) -> JobNote {
    let executor = Executor::Docker { container: Container::of_image(template("debian")) };
    let steps = StepsJob {
        executor,
        services: Vec::new(),
        env: Vec::new(),
        contexts: Vec::new(),
        defaults: Defaults::default(),
        parallelism: 1,
        steps: Vec::new(),
    };
    JobNote(Job {
        id: JobId::new(id),
        name: None,
        at: Default::default(),
        needs: Vec::new(),
        condition: JobCondition::Expression(expression("success()")),
        gate: None,
        strategy: None,
        concurrency: None,
        permissions: None,
        continue_on_error: None,
        timeout_minutes: None,
        outputs: Vec::new(),
        work: Work::Steps(Box::new(steps)),
    })
}

impl JobNote {
    pub fn needs(mut self, jobs: &str) -> Self {
        self.0.needs =
            jobs.split_whitespace().map(|job| Need { job: JobId::new(job), accepts: None }).collect();
        self
    }
    pub fn accepts(mut self, conclusions: &[Conclusion]) -> Self {
        for need in &mut self.0.needs {
            need.accepts = Some(conclusions.to_vec());
        }
        self.0.condition = JobCondition::NeedsAccepted;
        self
    }
    pub fn when(mut self, source: &str) -> Self {
        self.0.condition = JobCondition::Expression(expression(source));
        self
    }
    pub fn with(mut self, change: impl FnOnce(&mut Job)) -> Self {
        change(&mut self.0);
        self
    }
}

pub fn plan(jobs: Vec<JobNote>) -> Plan {
    Plan {
        dialect: Dialect::Github,
        file: ".github/workflows/ci.yml".to_owned(),
        workflow: "ci".to_owned(),
        run_name: None,
        env: Vec::new(),
        defaults: Defaults::default(),
        concurrency: None,
        permissions: None,
        lock: None,
        jobs: jobs.into_iter().map(|note| note.0).collect(),
        calls: Vec::new(),
        max_auto_reruns: 0,
    }
}

pub fn trigger() -> Trigger {
    Trigger {
        event: Happening::Push,
        action: None,
        repository: "acme/storefront".parse().expect("a name"),
        git_ref: "refs/heads/master".to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
        before: None,
        actor: UserName::new("ada"),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        image_chain: Vec::new(),
        inputs: BTreeMap::new(),
        payload: r#"{"head_commit":{"message":"Sell more"}}"#.to_owned(),
        subject: "Sell more".to_owned(),
    }
}

pub fn create(plan: Plan) -> Create {
    Create {
        run: RunId(7),
        number: 3,
        plan,
        trigger: trigger(),
        inputs: Value::Null,
        vars: BTreeMap::new(),
        server_url: "http://127.0.0.1:7000".to_owned(),
        pipeline: 1,
    }
}

/// A live run: every accepted event, and what the world was asked to do.
pub struct Live {
    pub state: State,
    pub log: Vec<Event>,
    pub effects: Vec<Effect>,
    pub now: Timestamp,
}

impl Live {
    pub fn empty() -> Self {
        Self { state: State::default(), log: Vec::new(), effects: Vec::new(), now: Timestamp(1_000) }
    }

    pub fn start(plan: Plan) -> Self {
        let mut live = Self::empty();
        live.tell(Command::Create(Box::new(create(plan))));
        live
    }

    pub fn of(jobs: Vec<JobNote>) -> Self {
        Self::start(plan(jobs))
    }

    pub fn try_tell(&mut self, command: Command) -> Result<usize, Refused> {
        let events = decide(&self.state, self.now, command)?;
        for event in &events {
            self.effects.extend(apply(&mut self.state, event));
        }
        let many = events.len();
        self.log.extend(events);
        Ok(many)
    }

    #[track_caller]
    pub fn tell(&mut self, command: Command) -> usize {
        self.try_tell(command).expect("the command is taken")
    }

    pub fn token(&self, instance: &str) -> u64 {
        match &self.instance(instance).state {
            InstanceState::Offered { fencing_token, .. } | InstanceState::Leased { fencing_token, .. } => {
                *fencing_token
            }
            other => panic!("{instance} is {other:?}"),
        }
    }

    pub fn instance(&self, instance: &str) -> &sluice_engine::Instance {
        let id: InstanceId = instance.parse().expect("an instance");
        self.state.run().and_then(|run| run.instance(&id)).expect("the instance has started")
    }

    #[track_caller]
    pub fn lease(&mut self, instance: &str) -> u64 {
        let fencing_token = self.token(instance);
        let until = self.now.plus_ms(60_000);
        self.tell(Command::Lease {
            instance: id(instance),
            fencing_token,
            agent: AgentId::new("built-in"),
            until,
        });
        fencing_token
    }

    #[track_caller]
    pub fn report(&mut self, instance: &str, conclusion: Conclusion, outputs: &[(&str, &str)]) {
        let fencing_token = self.token(instance);
        let outputs = outputs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.tell(Command::FinishJob {
            instance: id(instance),
            fencing_token,
            conclusion,
            outputs,
            problem: None,
        });
    }

    #[track_caller]
    pub fn finish(&mut self, instance: &str, conclusion: Conclusion) {
        self.lease(instance);
        self.report(instance, conclusion, &[]);
    }

    #[track_caller]
    pub fn pass(&mut self, instance: &str) {
        self.finish(instance, Conclusion::Success);
    }

    #[track_caller]
    pub fn fail(&mut self, instance: &str) {
        self.finish(instance, Conclusion::Failure);
    }

    /// `build=success test=offered lint=waiting`, instances beyond the first by their id.
    pub fn board(&self) -> String {
        let Some(run) = self.state.run() else { return String::new() };
        let mut words = Vec::new();
        for (job, record) in run.jobs() {
            match &record.state {
                JobState::Waiting => words.push(format!("{}=waiting", job.id)),
                JobState::Ended { conclusion, .. } => words.push(format!("{}={conclusion}", job.id)),
                JobState::Active { .. } => {
                    for (index, instance) in (0u32..).zip(&record.instances) {
                        let word = match &instance.state {
                            InstanceState::Held => "held".to_owned(),
                            InstanceState::Queued { .. } => "queued".to_owned(),
                            InstanceState::Gated { .. } => "gated".to_owned(),
                            InstanceState::Offered { .. } => "offered".to_owned(),
                            InstanceState::Leased { cancel_requested: false, .. } => "leased".to_owned(),
                            InstanceState::Leased { cancel_requested: true, .. } => "stopping".to_owned(),
                            InstanceState::Ended { conclusion, .. } => format!("({conclusion})"),
                        };
                        words.push(format!("{}={word}", InstanceId::new(job.id.clone(), index)));
                    }
                }
            }
        }
        words.join(" ")
    }

    #[track_caller]
    pub fn shows(&self, board: &str) {
        assert_eq!(self.board(), board);
        let mut replayed = State::default();
        for event in &self.log {
            let text = serde_json::to_string(event).expect("an event is JSON");
            fold(
                &mut replayed,
                &serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")),
            );
        }
        assert_eq!(replayed, self.state, "the log, read back, gives another state");
    }

    pub fn conclusion(&self) -> Option<Conclusion> {
        self.state.run().and_then(|run| run.conclusion())
    }

    pub fn problem(&self, job: &str) -> String {
        let run = self.state.run().expect("a run");
        match &run.job(&JobId::new(job)).expect("a job").1.state {
            JobState::Ended { problem, .. } => problem.clone().unwrap_or_default(),
            other => panic!("{job} is {other:?}"),
        }
    }
}

pub fn id(instance: &str) -> InstanceId {
    instance.parse().expect("an instance")
}
