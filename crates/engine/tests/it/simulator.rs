//! Random plans under random faults: what no single test would think of.

use std::collections::{BTreeMap, HashMap};

use sluice_engine::group::TurnedAway;
use sluice_engine::{
    Command, Effect, Event, GateOpener, InstanceState, JobState, Refused, RerunScope, Run, RunStatus, State,
    decide, effects, fold,
};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, Timestamp, UserName};
use sluice_plan::{
    Axis, Called, Combination, Concurrency, Dialect, Gate, GateKind, JobCondition, Late, Matrix, Named, Need,
    Plan, Strategy, Value, Work,
};
use sluice_testkit::{Random, simulate};

use crate::live::{create, expression, job, plan, template};

const WORLDS: u64 = 400;
const STEPS: usize = 250;
const LEASE_MS: i64 = 1_000;

#[test]
fn a_hundred_thousand_random_steps() {
    assert!(WORLDS as usize * STEPS >= 100_000);
    simulate(WORLDS, |random| {
        let mut world = World::new(random);
        for _ in 0..STEPS {
            world.step(random);
        }
        world.finish(random);
        world.check_replay(random);
    });
}

/// An agent's belief that it runs an instance. It may be wrong: its lease may be gone.
#[derive(Debug, Clone)]
struct Labour {
    instance: InstanceId,
    token: u64,
    agent: AgentId,
    told_to_stop: bool,
}

struct World {
    state: State,
    log: Vec<Event>,
    now: Timestamp,
    /// Effects that nobody has performed for good, as an outbox keeps them.
    outbox: Vec<Effect>,
    /// Commands on their way: they may be lost, repeated, and overtake each other.
    mail: Vec<Command>,
    working: Vec<Labour>,
    /// What is leased now, by the log alone.
    ledger: HashMap<InstanceId, u64>,
    last_token: HashMap<InstanceId, u64>,
    open_gates: HashMap<InstanceId, bool>,
    /// Calls that have begun, by the log alone, and whether their jobs may start.
    begun: HashMap<JobId, bool>,
    /// The state as it was after so many events.
    moments: BTreeMap<usize, State>,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let mut world = Self {
            state: State::default(),
            log: Vec::new(),
            now: Timestamp(1),
            outbox: Vec::new(),
            mail: Vec::new(),
            working: Vec::new(),
            ledger: HashMap::new(),
            last_token: HashMap::new(),
            open_gates: HashMap::new(),
            begun: HashMap::new(),
            moments: BTreeMap::new(),
        };
        let command = Command::Create(Box::new(create(random_plan(random))));
        assert_eq!(world.tell(random, command.clone()), Ok(()));
        let before = world.log.len();
        assert_eq!(world.tell(random, command), Ok(()));
        assert_eq!(world.log.len(), before, "the same run was created twice");
        world
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            0..25 => self.perform(random),
            25..45 => self.deliver(random),
            45..50 => self.poll(random),
            50..70 => self.work(random),
            70..74 => self.renew(random),
            74..80 => {
                self.now = self.now.plus_ms(random.below(LEASE_MS as usize) as i64);
                self.mail.push(Command::Tick);
            }
            80..84 => {
                random.take(&mut self.mail);
            }
            84..88 => self.lose_agent(random),
            88..90 => self.restart(random),
            90..92 => {
                let force = random.chance(30);
                self.mail.push(Command::Cancel { by: UserName::new("ada"), force });
            }
            92..96 => self.rerun(random),
            _ => self.nonsense(random),
        }
    }

    /// Folds what a command leads to, and checks every event as it comes.
    fn tell(&mut self, random: &mut Random, command: Command) -> Result<(), Refused> {
        let finishing = match &command {
            Command::FinishJob { instance, fencing_token, .. } => Some((instance.clone(), *fencing_token)),
            _ => None,
        };
        let events = decide(&self.state, self.now, command)?;
        if let Some((instance, token)) = finishing.filter(|_| !events.is_empty()) {
            assert_eq!(self.ledger.get(&instance), Some(&token), "a report without the lease was taken");
        }
        for event in events {
            self.check_before(&event);
            fold(&mut self.state, &event);
            self.outbox.extend(effects(&self.state, &event));
            self.log.push(event);
            if random.chance(5) {
                self.moments.insert(self.log.len(), self.state.clone());
            }
        }
        self.check_state();
        Ok(())
    }

    fn check_before(&mut self, event: &Event) {
        let run = self.state.run();
        if let Some(RunStatus::Ended { .. }) = run.map(|run| run.status()) {
            assert!(matches!(event, Event::RerunStarted { .. }), "after the end: {event:?}");
        }
        match event {
            Event::JobStarted { job, .. } => {
                let run = run.expect("a run");
                let (job, record) = run.job(job).expect("a job");
                assert_eq!(record.state, JobState::Waiting, "{} started twice", job.id);
                for need in &job.needs {
                    let needed = run.job(&need.job).expect("a need").1;
                    assert!(needed.state.is_ended(), "{} started before {}", job.id, need.job);
                }
                for call in run.plan().calls.iter().filter(|call| call.jobs.contains(&job.id)) {
                    let is_open = self.begun.get(&call.id) == Some(&true);
                    assert!(is_open, "{} started before its call {}", job.id, call.id);
                }
            }
            Event::CallStarted { call, group, .. } => {
                let before = self.begun.insert(call.clone(), group.is_none());
                assert_eq!(before, None, "the call {call} began twice");
            }
            Event::CallAdmitted { call, .. } => {
                assert_eq!(self.begun.insert(call.clone(), true), Some(false), "{call} did not wait");
            }
            Event::GateWaiting { instance, .. } => {
                self.open_gates.insert(instance.clone(), false);
            }
            Event::GateOpened { instance, .. } => {
                self.open_gates.insert(instance.clone(), true);
            }
            Event::JobOffered { instance, .. } => {
                assert!(!self.ledger.contains_key(instance), "{instance} was offered while it is leased");
                assert_ne!(
                    self.open_gates.get(instance),
                    Some(&false),
                    "{instance} went through a closed gate"
                );
                let token = self.log.len() as u64 + 1;
                let before = self.last_token.insert(instance.clone(), token);
                assert!(before.is_none_or(|before| before < token));
            }
            Event::JobLeased { instance, .. } => {
                let token = self.last_token[instance];
                assert!(self.ledger.insert(instance.clone(), token).is_none(), "{instance} runs twice");
            }
            Event::LeaseLost { instance, .. } => {
                assert!(self.ledger.remove(instance).is_some());
            }
            Event::InstanceEnded { instance, .. } => {
                let ended = run.and_then(|run| run.instance(instance)).expect("an instance").state.is_ended();
                assert!(!ended, "{instance} ended twice");
                self.ledger.remove(instance);
            }
            Event::RerunStarted { jobs, .. } => {
                for reset in jobs {
                    self.open_gates.retain(|instance, _| instance.job != reset.job);
                }
                let run = run.expect("a run");
                let is_again = |call: &&Called| {
                    has_ended(run, call) && jobs.iter().any(|reset| call.jobs.contains(&reset.job))
                };
                for call in run.plan().calls.iter().filter(is_again) {
                    self.begun.remove(&call.id);
                }
            }
            _ => {}
        }
    }

    fn check_state(&self) {
        let run = self.state.run().expect("a run");
        for (job, record) in run.jobs() {
            match &record.state {
                JobState::Waiting => assert!(record.instances.is_empty()),
                JobState::Active { max_parallel, .. } => {
                    let under_way = record.instances.iter().filter(|i| i.state.is_under_way()).count();
                    assert!(under_way > 0, "{} is stuck: {record:?}", job.id);
                    assert!(
                        max_parallel.is_none_or(|most| under_way <= most as usize),
                        "{} runs too wide",
                        job.id
                    );
                }
                JobState::Ended { .. } => {
                    assert!(record.instances.iter().all(|i| i.state.is_ended()), "{} ended early", job.id);
                }
            }
        }
        for call in &run.plan().calls {
            let Some(Combination { of, max_parallel: Some(Late::Known(most)), .. }) = &call.combination
            else {
                continue;
            };
            let is_sibling =
                |other: &&Called| other.combination.as_ref().is_some_and(|found| found.of == *of);
            let is_under_way = |other: &&Called| self.begun.contains_key(&other.id) && !has_ended(run, other);
            let siblings = run.plan().calls.iter().filter(is_sibling);
            assert!(siblings.filter(is_under_way).count() <= *most as usize, "{of} runs too wide");
        }
        let open = run.jobs().filter(|(_, record)| !record.state.is_ended()).count();
        assert_eq!(open == 0, run.conclusion().is_some(), "the run's end and its jobs' do not agree");
        let leased = run.instances().filter(|(_, i)| matches!(i.state, InstanceState::Leased { .. })).count();
        assert_eq!(leased, self.ledger.len());
    }

    /// Performs an effect, once or (as a crash leaves it) again later.
    fn perform(&mut self, random: &mut Random) {
        let Some(effect) = random.take(&mut self.outbox) else { return };
        if random.chance(10) {
            self.outbox.push(effect.clone());
        }
        match effect {
            Effect::OfferJob { instance, attempt: _, fencing_token } => {
                self.ask_for_lease(random, instance, fencing_token);
            }
            Effect::CancelJob { instance, agent: _, fencing_token } => {
                for work in &mut self.working {
                    work.told_to_stop |= work.instance == instance && work.token == fencing_token;
                }
            }
            Effect::AskGate { instance, .. } => {
                let by = UserName::new("grace");
                self.mail.push(match random.below(4) {
                    0 => Command::RejectGate { instance, by, reason: None },
                    1 => Command::OpenGate { instance, by: GateOpener::Policy("asks nobody".into()) },
                    _ => Command::OpenGate { instance, by: GateOpener::Person(by) },
                });
            }
            // A group that answers as it likes: what the run makes of it is what counts here.
            Effect::JoinGroup { ticket, .. } => {
                let (instance, by) = (ticket.instance.clone(), ticket.clone());
                let ticket = ticket.number;
                self.mail.push(match random.below(5) {
                    0 => Command::TurnAway { instance, ticket, why: TurnedAway::Full },
                    1 => Command::Supersede { instance, ticket, by },
                    _ => Command::Admit { instance, ticket },
                });
            }
            Effect::RerunRun { attempt } => self.mail.push(Command::RerunByItself { attempt }),
            Effect::LeaveGroup { .. } | Effect::ConcludeRun { .. } => {}
        }
    }

    fn ask_for_lease(&mut self, random: &mut Random, instance: InstanceId, fencing_token: u64) {
        let agent = AgentId::new(format!("agent-{}", random.below(3)));
        let until = self.now.plus_ms(LEASE_MS);
        self.mail.push(Command::Lease { instance, fencing_token, agent, until });
    }

    /// An agent asks what there is to do.
    fn poll(&mut self, random: &mut Random) {
        let run = self.state.run().expect("a run");
        let offers: Vec<_> = run.offers().map(|offer| (offer.instance, offer.fencing_token)).collect();
        if let Some((instance, token)) = random.pick(&offers).cloned() {
            self.ask_for_lease(random, instance, token);
        }
        if let Some((instance, ticket)) = random.pick(&run_groups(&self.state)).cloned() {
            self.mail.push(Command::Admit { instance, ticket });
        }
        let gates: Vec<_> = run_gates(&self.state);
        if let Some(instance) = random.pick(&gates).cloned() {
            self.mail.push(Command::OpenGate { instance, by: GateOpener::Person(UserName::new("grace")) });
        }
    }

    fn deliver(&mut self, random: &mut Random) {
        let Some(command) = random.take(&mut self.mail) else { return };
        if random.chance(20) {
            self.mail.push(command.clone());
        }
        let lease = match &command {
            Command::Lease { instance, fencing_token, agent, .. } => {
                Some((instance.clone(), *fencing_token, agent.clone()))
            }
            _ => None,
        };
        let taken = self.tell(random, command).is_ok();
        // The answer may be lost on its way: then nobody works on it, and the lease runs out.
        if let Some((instance, token, agent)) = lease.filter(|_| taken && random.chance(95)) {
            let is_known = |work: &Labour| work.instance == instance && work.token == token;
            if !self.working.iter().any(is_known) {
                self.working.push(Labour { instance, token, agent, told_to_stop: false });
            }
        }
    }

    /// An agent comes to an end with a job; it reports until it is heard.
    fn work(&mut self, random: &mut Random) {
        let Some(work) = random.take(&mut self.working) else { return };
        self.mail.push(report(random, &work));
        if random.chance(30) {
            self.working.push(work);
        }
    }

    fn renew(&mut self, random: &mut Random) {
        if let Some(work) = random.pick(&self.working) {
            let until = self.now.plus_ms(LEASE_MS);
            let (instance, fencing_token) = (work.instance.clone(), work.token);
            self.mail.push(Command::RenewLease { instance, fencing_token, until });
        }
    }

    fn lose_agent(&mut self, random: &mut Random) {
        let agent = AgentId::new(format!("agent-{}", random.below(3)));
        self.working.retain(|work| work.agent != agent);
        if random.chance(50) {
            self.mail.push(Command::AgentLost { agent });
        }
    }

    /// The server's memory is gone: log and outbox are what there is.
    fn restart(&mut self, random: &mut Random) {
        self.mail.clear();
        let rebuilt = replay(&self.log);
        assert_eq!(rebuilt, self.state, "a restart gives another state");
        self.state = rebuilt;
        if random.chance(50) {
            self.working.clear();
        }
    }

    fn rerun(&mut self, random: &mut Random) {
        let run = self.state.run().expect("a run");
        let ids: Vec<JobId> = run.jobs().map(|(job, _)| job.id.clone()).collect();
        let scope = match random.below(3) {
            0 => RerunScope::All,
            1 => RerunScope::Failed,
            _ => RerunScope::Job(random.pick(&ids).expect("a job").clone()),
        };
        self.mail.push(Command::Rerun { by: UserName::new("ada"), scope });
    }

    /// What no honest sender would say.
    fn nonsense(&mut self, random: &mut Random) {
        let instance: InstanceId =
            format!("j{}.{}", random.below(14), 1 + random.below(3)).parse().expect("an id");
        let fencing_token = random.number() % (self.log.len() as u64 + 3);
        let agent = AgentId::new("stranger");
        let until = self.now.plus_ms(LEASE_MS);
        self.mail.push(match random.below(5) {
            0 => Command::Lease { instance, fencing_token, agent, until },
            1 => Command::RenewLease { instance, fencing_token, until },
            2 => Command::AgentLost { agent },
            3 => Command::OpenGate { instance, by: GateOpener::Policy(String::new()) },
            _ => report(random, &Labour { instance, token: fencing_token, agent, told_to_stop: false }),
        });
    }

    /// Without further faults every run comes to its end.
    fn finish(&mut self, random: &mut Random) {
        self.mail.clear();
        self.working.clear();
        for _ in 0..2_000 {
            let run = self.state.run().expect("a run");
            if run.conclusion().is_some() {
                return;
            }
            let leased: Vec<Labour> = run
                .instances()
                .filter_map(|(instance, found)| match &found.state {
                    InstanceState::Leased { fencing_token, agent, .. } => {
                        let (token, agent) = (*fencing_token, agent.clone());
                        Some(Labour { instance, token, agent, told_to_stop: false })
                    }
                    _ => None,
                })
                .collect();
            let offered: Vec<_> = run.offers().map(|offer| (offer.instance, offer.fencing_token)).collect();
            if let Some(work) = leased.first() {
                let command = report(random, work);
                assert_eq!(self.tell(random, command), Ok(()));
            } else if let Some((instance, fencing_token)) = offered.first().cloned() {
                let until = self.now.plus_ms(LEASE_MS);
                let agent = AgentId::new("last");
                assert_eq!(
                    self.tell(random, Command::Lease { instance, fencing_token, agent, until }),
                    Ok(())
                );
            } else if let Some((instance, ticket)) = run_groups(&self.state).first().cloned() {
                assert_eq!(self.tell(random, Command::Admit { instance, ticket }), Ok(()));
            } else if let Some(instance) = run_gates(&self.state).first().cloned() {
                let by = GateOpener::Person(UserName::new("grace"));
                assert_eq!(self.tell(random, Command::OpenGate { instance, by }), Ok(()));
            } else {
                panic!("nothing is left to do, and the run has not ended");
            }
        }
        panic!("the run does not end");
    }

    fn check_replay(&self, random: &mut Random) {
        assert_eq!(replay(&self.log), self.state);
        let lengths: Vec<usize> = self.moments.keys().copied().collect();
        for _ in 0..3 {
            if let Some(length) = random.pick(&lengths) {
                assert_eq!(replay(&self.log[..*length]), self.moments[length], "after {length} events");
            }
        }
    }
}

fn has_ended(run: &Run, call: &Called) -> bool {
    call.jobs.iter().all(|job| run.job(job).expect("a job").1.state.is_ended())
}

fn run_gates(state: &State) -> Vec<InstanceId> {
    state.run().map(|run| run.waiting_gates().map(|gate| gate.instance).collect()).unwrap_or_default()
}

fn run_groups(state: &State) -> Vec<(Option<InstanceId>, u64)> {
    let waiting = state.run().into_iter().flat_map(|run| run.waiting_for_groups());
    waiting.map(|waiting| (waiting.ticket.instance.clone(), waiting.ticket.number)).collect()
}

/// The state by the log as it is stored.
fn replay(log: &[Event]) -> State {
    let mut state = State::default();
    for event in log {
        let text = serde_json::to_string(event).expect("an event is JSON");
        fold(&mut state, &serde_json::from_str(&text).expect("it reads back"));
    }
    state
}

fn report(random: &mut Random, work: &Labour) -> Command {
    let conclusion = match random.below(10) {
        _ if work.told_to_stop => Conclusion::Cancelled,
        0..3 => Conclusion::Failure,
        3 => Conclusion::Cancelled,
        _ => Conclusion::Success,
    };
    let matrix = ["[]", r#"["1"]"#, r#"["1","2","3"]"#, "no JSON"][random.below(4)];
    Command::FinishJob {
        instance: work.instance.clone(),
        fencing_token: work.token,
        conclusion,
        outputs: BTreeMap::from([("list".to_owned(), matrix.to_owned())]),
        problem: random.chance(10).then(|| "the disk is full".to_owned()),
    }
}

fn random_plan(random: &mut Random) -> Plan {
    let circleci = random.chance(30);
    let count = 1 + random.below(12);
    let jobs = (0..count).map(|index| {
        job(&format!("j{index}")).with(|job| {
            for earlier in 0..index {
                if random.chance(30) {
                    let accepts = circleci.then(|| random_conclusions(random));
                    job.needs.push(Need { job: JobId::new(format!("j{earlier}")), accepts });
                }
            }
            job.condition = match circleci {
                true => JobCondition::NeedsAccepted,
                false => JobCondition::Expression(expression(random_condition(random))),
            };
            match random.below(10) {
                0 => job.work = Work::Approval,
                1 => job.work = Work::Nothing,
                2 => {
                    let name = template("env-${{ github.ref_name }}");
                    job.gate = Some(Gate { name, kind: GateKind::Environment, url: None });
                }
                _ => {}
            }
            if let (true, Work::Steps(steps)) = (circleci, &mut job.work) {
                steps.parallelism = 1 + random.below(3) as u32;
            }
            if !circleci && random.chance(40) {
                job.strategy = Some(random_strategy(random, index));
            }
            if random.chance(20) {
                job.concurrency = Some(group());
            }
            if random.chance(15) {
                job.continue_on_error = Some(Late::Known(random.chance(70)));
            }
        })
    });
    let mut plan = plan(jobs.collect());
    if random.chance(25) {
        plan.max_auto_reruns = 2;
        plan.dialect = *random.pick(&[Dialect::Circleci, Dialect::Github]).expect("one");
    }
    plan.concurrency = random.chance(20).then(group);
    plan.dialect = if circleci { Dialect::Circleci } else { Dialect::Github };
    if !circleci && random.chance(40) {
        add_calls(random, &mut plan);
    }
    plan
}

/// A job that calls a workflow for some combinations, perhaps all in one call around them. What is called needs nobody
/// who could need it.
fn add_calls(random: &mut Random, plan: &mut Plan) {
    let (combinations, size) = (1 + random.below(3), 1 + random.below(3));
    let start = random.below(plan.jobs.len());
    let ids: Vec<JobId> =
        plan.jobs[start..].iter().map(|job| job.id.clone()).take(combinations * size).collect();
    for jobs in ids.chunks(size) {
        let is_sibling = |need: &Need| ids.contains(&need.job) && !jobs.contains(&need.job);
        for job in plan.jobs.iter_mut().filter(|job| jobs.contains(&job.id)) {
            job.needs.retain(|need| !is_sibling(need));
        }
    }
    if random.chance(40) {
        let (id, jobs, concurrency) = (JobId::new("outer"), ids.clone(), Some(group()));
        plan.calls.push(Called { id, jobs, concurrency, combination: None });
    }
    let fail_fast = Late::Known(random.chance(60));
    let max_parallel = random.chance(50).then(|| Late::Known(1 + random.below(2) as u32));
    for (index, jobs) in ids.chunks(size).enumerate() {
        let values = index.to_string();
        let combination = Combination {
            of: JobId::new("call"),
            values,
            fail_fast: fail_fast.clone(),
            max_parallel: max_parallel.clone(),
        };
        plan.calls.push(Called {
            id: JobId::new(format!("call.{index}")),
            jobs: jobs.to_vec(),
            concurrency: random.chance(30).then(|| Concurrency { group: template("y"), ..group() }),
            combination: Some(combination),
        });
    }
}

fn group() -> Concurrency {
    let (group, cancel_in_progress) = (template("x-${{ github.ref_name }}"), Late::Known(false));
    Concurrency { group, cancel_in_progress, keep_all_pending: true }
}

fn random_conclusions(random: &mut Random) -> Vec<Conclusion> {
    let all = [Conclusion::Success, Conclusion::Failure, Conclusion::Cancelled, Conclusion::Skipped];
    all.into_iter()
        .filter(|conclusion| random.chance(if *conclusion == Conclusion::Success { 90 } else { 25 }))
        .collect()
}

fn random_condition(random: &mut Random) -> &'static str {
    let conditions = [
        "success()",
        "success()",
        "success()",
        "always()",
        "failure()",
        "cancelled()",
        "!cancelled()",
        "github.ref_name == 'master'",
        "github.event.nothing",
        "always() && needs.j0.result != 'failure'",
        "fromJSON('not json')",
    ];
    conditions[random.below(conditions.len())]
}

fn random_strategy(random: &mut Random, index: usize) -> Strategy {
    let list = match random.chance(30) && index > 0 {
        true => Axis::Expression(expression("fromJSON(needs.j0.outputs.list)")),
        false => Axis::Values((0..=random.below(3)).map(|n| Value::from(n.to_string())).collect()),
    };
    let include = match random.chance(30) {
        true => Axis::Values(vec![Value::object([("v", Value::from("9")), ("extra", Value::from("x"))])]),
        false => Axis::none(),
    };
    Strategy {
        matrix: Some(Matrix::Axes { axes: vec![Named::new("v", list)], include, exclude: Axis::none() }),
        fail_fast: Late::Known(random.chance(60)),
        max_parallel: random.chance(40).then(|| Late::Known(1 + random.below(2) as u32)),
    }
}
