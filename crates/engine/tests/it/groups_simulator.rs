//! Many runs of one repository over a few groups, under random cancels, reruns, restarts, and effects that come late,
//! twice and in any order.

use std::collections::BTreeMap;

use sluice_engine::group::{self, Group, GroupKey, MAX_SERIAL_WAIT_MS, MAX_WAITING, Policy, Ticket};
use sluice_engine::{
    Command, Effect, Event, GateOpener, GroupPlace, InstanceState, Refused, RerunScope, State, decide,
    effects, fold,
};
use sluice_model::{AgentId, Conclusion, InstanceId, JobId, RunId, Timestamp, UserName};
use sluice_plan::{Called, Concurrency, Dialect, Gate, GateKind, JobCondition, Late, Plan, Template};
use sluice_testkit::{Random, simulate};

use crate::live::{create, expression, job, plan, template};

const WORLDS: u64 = 300;
const STEPS: usize = 400;
const RUNS: usize = 12;

#[test]
fn groups_hold_under_a_hundred_thousand_random_steps() {
    assert!(WORLDS as usize * STEPS >= 100_000);
    simulate(WORLDS, |random| {
        let mut world = World::default();
        for _ in 0..STEPS {
            world.step(random);
        }
        world.finish(random);
        world.check_replay(random);
    });
}

/// An effect that nobody has performed for good, as an outbox keeps it.
#[derive(Debug, Clone)]
enum Errand {
    OfRun(usize, Effect),
    OfGroup(GroupKey, group::Effect),
}

#[derive(Default)]
struct World {
    now: Timestamp,
    runs: Vec<(State, Vec<Event>)>,
    groups: BTreeMap<GroupKey, (Group, Vec<group::Event>)>,
    outbox: Vec<Errand>,
}

impl World {
    fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            0..5 if self.runs.len() < RUNS => self.begin(random),
            0..55 => self.perform(random),
            55..80 => self.work(random),
            80..83 => self.cancel(random),
            83..87 => self.rerun(random),
            87..89 => self.restart(random),
            89..92 => self.lose_agent(random),
            92..94 => self.now = self.now.plus_ms(random.below(MAX_SERIAL_WAIT_MS as usize) as i64),
            _ => self.open_gate(random),
        }
    }

    fn begin(&mut self, random: &mut Random) {
        let index = self.runs.len();
        let mut command = create(random_plan(random));
        command.run = RunId(index as u64 + 1);
        command.number = index as u64 + 1;
        // A pipeline may be slow to come to its group: a later one is there already.
        command.pipeline = 1 + random.below(index + 2) as u64;
        self.runs.push((State::default(), Vec::new()));
        assert_eq!(self.tell(index, Command::Create(Box::new(command))), Ok(()));
    }

    fn tell(&mut self, run: usize, command: Command) -> Result<(), Refused> {
        let may_hold_more = matches!(command, Command::Admit { .. });
        let (state, log) = &mut self.runs[run];
        for event in decide(state, self.now, command)? {
            fold(state, &event);
            self.outbox.extend(effects(state, &event).into_iter().map(|effect| Errand::OfRun(run, effect)));
            log.push(event);
        }
        if may_hold_more {
            self.check_exclusion();
        }
        Ok(())
    }

    fn tell_group(&mut self, key: &GroupKey, command: group::Command) {
        let (group, log) = self.groups.entry(key.clone()).or_default();
        let Ok(events) = group::decide(group, self.now, command.clone());
        let is_repeat = events.is_empty();
        for event in events {
            check_order(group, &event);
            group::fold(group, &event);
            let effects = group::effects(group, &event);
            self.outbox.extend(effects.into_iter().map(|effect| Errand::OfGroup(key.clone(), effect)));
            log.push(event);
        }
        assert!(group.waiting().count() <= MAX_WAITING);
        assert!(
            group.holder().is_some() || group.waiting().count() == 0,
            "a free group keeps others waiting"
        );
        if let group::Command::Join { ticket, policy: Policy::Replace { cancel_in_progress } } = command
            && !is_repeat
        {
            assert!(group.waiting().all(|place| place.ticket == ticket), "an older one still waits");
            let stops = group.holder().is_none_or(|holder| holder.is_stopping || holder.ticket == ticket);
            assert!(stops || !cancel_in_progress, "the holder goes on");
        }
    }

    /// Never two holders: what the runs themselves believe, not what the group does.
    fn check_exclusion(&self) {
        let mut holders: BTreeMap<GroupKey, String> = BTreeMap::new();
        for (state, _) in &self.runs {
            let run = state.run().expect("a run");
            for (who, place) in places(run).filter(|(_, place)| place.admitted.is_some()) {
                let before = holders.insert(place.group.key.clone(), who.clone());
                assert_eq!(before, None, "{who} holds {} too", place.group.key);
            }
        }
    }

    /// As the server performs them.
    fn perform(&mut self, random: &mut Random) {
        let Some(errand) = random.take(&mut self.outbox) else { return };
        if random.chance(10) {
            self.outbox.push(errand.clone());
        }
        match errand {
            Errand::OfRun(run, effect) => self.perform_of_run(random, run, effect),
            Errand::OfGroup(key, effect) => self.perform_of_group(&key, effect),
        }
    }

    fn perform_of_run(&mut self, random: &mut Random, run: usize, effect: Effect) {
        match effect {
            Effect::JoinGroup { group, ticket, policy } => {
                // The run may change between the look and the joining; the look after it makes up for that.
                if self.wants(&ticket) || random.chance(5) {
                    self.tell_group(&group, group::Command::Join { ticket: ticket.clone(), policy });
                }
                if !self.wants(&ticket) {
                    self.tell_group(&group, group::Command::Leave { ticket });
                }
            }
            Effect::LeaveGroup { group, ticket } => {
                self.tell_group(&group, group::Command::Leave { ticket });
            }
            Effect::OfferJob { instance, fencing_token, .. } => {
                let until = Timestamp(i64::MAX);
                let agent = AgentId::new("built-in");
                let _ = self.tell(run, Command::Lease { instance, fencing_token, agent, until });
            }
            Effect::CancelJob { .. }
            | Effect::AskGate { .. }
            | Effect::ConcludeRun { .. }
            | Effect::RerunRun { .. } => {}
        }
    }

    fn perform_of_group(&mut self, key: &GroupKey, effect: group::Effect) {
        let ticket = effect.ticket().clone();
        let (run, instance, number) = (ticket.run.0 as usize - 1, ticket.instance.clone(), ticket.number);
        match effect {
            group::Effect::Admit { .. } => {
                if self.tell(run, Command::Admit { instance, ticket: number }).is_err() {
                    self.tell_group(key, group::Command::Leave { ticket });
                }
            }
            group::Effect::TurnAway { why, .. } => {
                let _ = self.tell(run, Command::TurnAway { instance, ticket: number, why });
            }
            group::Effect::Stop { by, .. } => {
                if self.tell(run, Command::Supersede { instance, ticket: number, by }).is_err() {
                    self.tell_group(key, group::Command::Leave { ticket });
                }
            }
            group::Effect::ExpireAt { at, .. } if at <= self.now => {
                self.tell_group(key, group::Command::Expire { ticket });
            }
            group::Effect::ExpireAt { .. } => {
                // It is slept over; whoever has left meanwhile is not waited for.
                if self.groups[key].0.waiting().any(|place| place.ticket == ticket) {
                    self.outbox.push(Errand::OfGroup(key.clone(), effect));
                }
            }
        }
    }

    fn wants(&self, ticket: &Ticket) -> bool {
        self.runs[ticket.run.0 as usize - 1].0.run().is_some_and(|run| run.wants(ticket))
    }

    /// A leased job comes to its end.
    fn work(&mut self, random: &mut Random) {
        let leased: Vec<_> = self.leased().collect();
        let Some((run, instance, fencing_token)) = random.pick(&leased).cloned() else { return };
        let conclusion = match random.below(10) {
            0..2 => Conclusion::Failure,
            2 => Conclusion::Cancelled,
            _ => Conclusion::Success,
        };
        self.finish_job(run, instance, fencing_token, conclusion);
    }

    fn finish_job(&mut self, run: usize, instance: InstanceId, fencing_token: u64, conclusion: Conclusion) {
        let outputs = BTreeMap::new();
        let command = Command::FinishJob { instance, fencing_token, conclusion, outputs, problem: None };
        assert_eq!(self.tell(run, command), Ok(()));
    }

    fn leased(&self) -> impl Iterator<Item = (usize, InstanceId, u64)> {
        self.runs.iter().enumerate().flat_map(|(index, (state, _))| {
            let run = state.run().expect("a run");
            run.instances().filter_map(move |(id, instance)| match instance.state {
                InstanceState::Leased { fencing_token, .. } => Some((index, id, fencing_token)),
                _ => None,
            })
        })
    }

    fn cancel(&mut self, random: &mut Random) {
        let run = random.below(self.runs.len());
        if !self.runs.is_empty() {
            let _ = self.tell(run, Command::Cancel { by: UserName::new("ada"), force: random.chance(30) });
        }
    }

    fn rerun(&mut self, random: &mut Random) {
        if self.runs.is_empty() {
            return;
        }
        let run = random.below(self.runs.len());
        let ids: Vec<_> =
            self.runs[run].0.run().expect("a run").jobs().map(|(job, _)| job.id.clone()).collect();
        let scope = match random.below(3) {
            0 => RerunScope::All,
            1 => RerunScope::Failed,
            _ => RerunScope::Job(random.pick(&ids).expect("a job").clone()),
        };
        let _ = self.tell(run, Command::Rerun { by: UserName::new("ada"), scope });
    }

    fn lose_agent(&mut self, random: &mut Random) {
        if !self.runs.is_empty() {
            let run = random.below(self.runs.len());
            let _ = self.tell(run, Command::AgentLost { agent: AgentId::new("built-in") });
        }
    }

    fn open_gate(&mut self, random: &mut Random) {
        let gates: Vec<_> = self.gates().collect();
        if let Some((run, instance)) = random.pick(&gates).cloned() {
            let by = GateOpener::Person(UserName::new("grace"));
            assert_eq!(self.tell(run, Command::OpenGate { instance, by }), Ok(()));
        }
    }

    fn gates(&self) -> impl Iterator<Item = (usize, InstanceId)> {
        self.runs.iter().enumerate().flat_map(|(index, (state, _))| {
            state.run().expect("a run").waiting_gates().map(move |gate| (index, gate.instance))
        })
    }

    /// The server's memory is gone: logs and outbox are what there is.
    fn restart(&mut self, random: &mut Random) {
        if let Some((state, log)) = random.pick(&self.runs) {
            assert_eq!(&replay(log), state, "a restart gives another run");
        }
        for (group, log) in self.groups.values() {
            assert_eq!(&replay_group(log), group, "a restart gives another group");
        }
    }

    /// Without further faults nobody waits for ever: every run ends, and every group is empty.
    fn finish(&mut self, random: &mut Random) {
        for _ in 0..20_000 {
            let has_errands = self.outbox.iter().any(|errand| !is_sleep(errand, self.now));
            let leased = self.leased().next();
            if has_errands {
                self.perform(random);
            } else if let Some((run, instance, token)) = leased {
                self.finish_job(run, instance, token, Conclusion::Success);
            } else if self.gates().next().is_some() {
                self.open_gate(random);
            } else {
                break;
            }
        }
        for (state, _) in &self.runs {
            let run = state.run().expect("a run");
            assert!(run.conclusion().is_some(), "run {} waits for ever: {:?}", run.number(), run.status());
        }
        for (key, (group, _)) in &self.groups {
            assert!(group.holder().is_none() && group.waiting().count() == 0, "{key} is not free: {group:?}");
        }
    }

    fn check_replay(&self, random: &mut Random) {
        for (group, log) in self.groups.values() {
            assert_eq!(&replay_group(log), group);
            let length = random.below(log.len() + 1);
            let mut again = replay_group(&log[..length]);
            log[length..].iter().for_each(|event| group::fold(&mut again, event));
            assert_eq!(&again, group);
        }
        self.runs.iter().for_each(|(state, log)| assert_eq!(&replay(log), state));
    }
}

fn is_sleep(errand: &Errand, now: Timestamp) -> bool {
    matches!(errand, Errand::OfGroup(_, group::Effect::ExpireAt { at, .. }) if *at > now)
}

/// What of a run has a place that it has not given back.
fn places(run: &sluice_engine::Run) -> impl Iterator<Item = (String, &GroupPlace)> {
    let number = run.number();
    let whole = run.group().filter(|_| run.conclusion().is_none());
    let jobs = run.instances().filter(|(_, instance)| !instance.state.is_ended());
    let jobs =
        jobs.filter_map(move |(id, instance)| Some((format!("{id} of {number}"), instance.group.as_ref()?)));
    let calls = run.call_places().map(move |(id, place)| (format!("call {id} of {number}"), place));
    whole.map(move |place| (format!("{number}"), place)).into_iter().chain(calls).chain(jobs)
}

/// First come, first served, and of one repository's pipelines never an earlier one behind a later.
fn check_order(group: &Group, event: &group::Event) {
    match event {
        group::Event::Entered { ticket, .. } => {
            let first = group.waiting().next().map(|place| &place.ticket);
            assert!(first.is_none_or(|first| first == ticket), "{ticket} pushed in before {first:?}");
            assert!(group.holder().is_none(), "{ticket} came in while another holds the group");
        }
        group::Event::Queued { ticket, policy: Policy::Serial { pipeline }, .. } => {
            let is_earlier = |place: &group::Place| match place.policy {
                Policy::Serial { pipeline: other } => other <= *pipeline,
                Policy::Replace { .. } | Policy::Queue => true,
            };
            assert!(
                group.waiting().chain(group.holder()).all(is_earlier),
                "{ticket} waits behind a later one"
            );
        }
        _ => {}
    }
}

fn replay(log: &[Event]) -> State {
    let mut state = State::default();
    for event in log {
        let text = serde_json::to_string(event).expect("an event is JSON");
        fold(&mut state, &serde_json::from_str(&text).expect("it reads back"));
    }
    state
}

fn replay_group(log: &[group::Event]) -> Group {
    let mut group = Group::default();
    for event in log {
        let text = serde_json::to_string(event).expect("an event is JSON");
        group::fold(&mut group, &serde_json::from_str(&text).expect("it reads back"));
    }
    group
}

/// A run holds `a` or `d` as a whole, a call in it `a` or `e`, with jobs that hold `b` or `c`, and its other jobs `a`, `b`
/// or `c`: no two runs can wait for each other in a circle.
fn random_plan(random: &mut Random) -> Plan {
    let circleci = random.chance(25);
    let count = 1 + random.below(4);
    let called = if !circleci && random.chance(40) { 1 + random.below(count) } else { 0 };
    let jobs = (0..count).map(|index| {
        job(&format!("j{index}")).with(|job| {
            if index > 0 && random.chance(50) {
                job.needs.push(sluice_plan::Need {
                    job: JobId::new(format!("j{}", index - 1)),
                    accepts: circleci.then(|| vec![Conclusion::Success]),
                });
            }
            job.condition = match circleci {
                true => JobCondition::NeedsAccepted,
                false => JobCondition::Expression(expression(["success()", "always()"][random.below(2)])),
            };
            if random.chance(60) {
                let name = ["b", "B", "c", "a"][random.below(if index < called { 3 } else { 4 })];
                job.concurrency = Some(random_concurrency(random, template(name)));
            }
            if random.chance(15) {
                let name = template("uat");
                job.gate = Some(Gate { name, kind: GateKind::Environment, url: None });
            }
            if let sluice_plan::Work::Steps(steps) = &mut job.work
                && circleci
            {
                steps.parallelism = 1 + random.below(2) as u32;
            }
        })
    });
    let mut plan = plan(jobs.collect());
    plan.dialect = if circleci { Dialect::Circleci } else { Dialect::Github };
    if called > 0 {
        let (id, name) = (JobId::new("call"), ["a", "e"][random.below(2)]);
        let jobs = (0..called).map(|index| JobId::new(format!("j{index}"))).collect();
        let concurrency = Some(random_concurrency(random, template(name)));
        plan.calls.push(Called { id, jobs, concurrency, combination: None });
    }
    if !circleci && random.chance(50) {
        let name = ["a", "d"][random.below(2)];
        plan.concurrency = Some(random_concurrency(random, template(name)));
    }
    plan
}

fn random_concurrency(random: &mut Random, group: Template) -> Concurrency {
    let keep_all_pending = random.chance(50);
    let cancel_in_progress = Late::Known(!keep_all_pending && random.chance(40));
    Concurrency { group, cancel_in_progress, keep_all_pending }
}
