//! Concurrency groups as the runs of one repository see them, with every effect performed at once.

use std::collections::BTreeMap;

use sluice_engine::group::{self, Group, GroupKey, MAX_SERIAL_WAIT_MS, MAX_WAITING};
use sluice_engine::{Command, Effect, GateOpener, RerunScope, RunStatus};
use sluice_model::Conclusion::{Cancelled, Failure, Skipped, Success};
use sluice_model::{JobId, RunId, Timestamp, UserName};
use sluice_plan::{Called, Concurrency, Dialect, Expression, Gate, GateKind, Late, Plan};

use crate::live::{JobNote, Live, create, expression, id, job, plan, template};

fn group_named(name: &str) -> Concurrency {
    Concurrency { group: template(name), cancel_in_progress: Late::Known(false), keep_all_pending: false }
}

fn cancelling(name: &str) -> Concurrency {
    Concurrency { cancel_in_progress: Late::Known(true), ..group_named(name) }
}

fn keeping(name: &str) -> Concurrency {
    Concurrency { keep_all_pending: true, ..group_named(name) }
}

/// A workflow of one job that is in a group as a whole.
fn whole(concurrency: Concurrency) -> Plan {
    let mut plan = plan(vec![job("a")]);
    plan.concurrency = Some(concurrency);
    plan
}

fn one_job(concurrency: Concurrency) -> Plan {
    plan(vec![in_group("a", concurrency)])
}

fn in_group(name: &str, concurrency: Concurrency) -> JobNote {
    job(name).with(|job| job.concurrency = Some(concurrency))
}

fn serial(name: &str) -> Plan {
    Plan { dialect: Dialect::Circleci, ..plan(vec![in_group("a", group_named(name))]) }
}

/// Runs, counted from 1, and the groups between them.
#[derive(Default)]
struct World {
    runs: Vec<Live>,
    groups: BTreeMap<GroupKey, Group>,
    now: Timestamp,
}

impl World {
    fn start(&mut self, plan: Plan) -> usize {
        let pipeline = self.runs.len() as u64 + 1;
        self.start_of(pipeline, plan)
    }

    fn start_of(&mut self, pipeline: u64, plan: Plan) -> usize {
        let mut command = create(plan);
        command.number = self.runs.len() as u64 + 1;
        (command.run, command.pipeline) = (RunId(command.number), pipeline);
        let mut live = Live::empty();
        live.tell(Command::Create(Box::new(command)));
        self.runs.push(live);
        self.settle();
        self.runs.len()
    }

    #[track_caller]
    fn with<T>(&mut self, run: usize, act: impl FnOnce(&mut Live) -> T) {
        act(&mut self.runs[run - 1]);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some((run, effect)) = self.next_effect() {
            match effect {
                Effect::JoinGroup { group, ticket, policy } => {
                    assert_eq!(ticket.run_number, run as u64);
                    self.tell(&group, group::Command::Join { ticket, policy });
                }
                Effect::LeaveGroup { group, ticket } => self.tell(&group, group::Command::Leave { ticket }),
                _ => {}
            }
        }
    }

    fn next_effect(&mut self) -> Option<(usize, Effect)> {
        let (index, live) = self.runs.iter_mut().enumerate().find(|(_, live)| !live.effects.is_empty())?;
        Some((index + 1, live.effects.remove(0)))
    }

    fn tell(&mut self, key: &GroupKey, command: group::Command) {
        let group = self.groups.entry(key.clone()).or_default();
        let Ok(events) = group::decide(group, self.now, command);
        let mut effects = Vec::new();
        for event in &events {
            group::fold(group, event);
            effects.extend(group::effects(group, event));
        }
        for effect in effects {
            let (run, instance) = (effect.ticket().run.0 as usize - 1, effect.ticket().instance.clone());
            let whose = effect.ticket().clone();
            let ticket = whose.number;
            let command = match effect {
                group::Effect::Admit { .. } => Command::Admit { instance, ticket },
                group::Effect::TurnAway { why, .. } => Command::TurnAway { instance, ticket, why },
                group::Effect::Stop { by, .. } => Command::Supersede { instance, ticket, by },
                group::Effect::ExpireAt { .. } => continue,
            };
            if self.runs[run].try_tell(command).is_err() {
                self.tell(key, group::Command::Leave { ticket: whose });
            }
        }
    }

    /// `1: a=leased`, a line a run; a run that waits for its group says `queued`.
    fn board(&self) -> String {
        let line = |(index, live): (usize, &Live)| {
            let status = live.state.run().expect("a run").status();
            let word = if matches!(status, RunStatus::Queued { .. }) { "queued " } else { "" };
            format!("{}: {word}{}", index + 1, live.board())
        };
        self.runs.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn shows(&self, lines: &[&str]) {
        assert_eq!(self.board(), lines.join("\n"));
    }

    fn problem(&self, run: usize) -> String {
        match &self.runs[run - 1].instance("a").state {
            sluice_engine::InstanceState::Ended { problem, .. } => problem.clone().unwrap_or_default(),
            other => panic!("it is {other:?}"),
        }
    }
}

#[test]
fn one_run_runs_and_the_newest_waits() {
    let mut world = World::default();
    for _ in 0..3 {
        world.start(whole(group_named("deploy")));
    }
    world.shows(&["1: a=offered", "2: a=cancelled", "3: queued a=waiting"]);
    let replaced = world.runs[1].state.run().unwrap();
    assert_eq!(replaced.conclusion(), Some(Cancelled));
    assert_eq!(
        replaced.superseded().unwrap(),
        "it waited for the group `deploy`, but run 3 came later, and only the latest waits"
    );
    world.with(1, |run| run.pass("a"));
    world.shows(&["1: a=success", "2: a=cancelled", "3: a=offered"]);
}

#[test]
fn cancel_in_progress_stops_what_runs_and_waits_for_its_end() {
    let mut world = World::default();
    world.start(whole(group_named("x")));
    world.with(1, |run| run.lease("a"));
    world.start(whole(cancelling("X")));
    world.shows(&["1: a=stopping", "2: queued a=waiting"]);
    world.with(1, |run| run.report("a", Cancelled, &[]));
    world.shows(&["1: a=cancelled", "2: a=offered"]);
    let reason = world.runs[0].state.run().unwrap().superseded().unwrap().to_owned();
    assert_eq!(reason, "run 2 came, and the group `x` cancels what is in progress");
}

#[test]
fn cancel_in_progress_may_be_an_expression() {
    let master: Expression = expression("github.ref == 'refs/heads/master'");
    let mut world = World::default();
    for expression in [expression("github.ref != 'refs/heads/master'"), master] {
        world.start(whole(Concurrency {
            cancel_in_progress: Late::Expression(expression),
            ..group_named("${{ github.workflow }}-${{ github.ref }}")
        }));
    }
    world.shows(&["1: a=cancelled", "2: a=offered"]);
    assert!(
        world.groups.contains_key(&GroupKey::of_repository(
            &"acme/storefront".parse().unwrap(),
            "ci-refs/heads/master"
        ))
    );
}

#[test]
fn workflows_and_jobs_share_their_groups() {
    let mut world = World::default();
    world.start(whole(group_named("prod")));
    world.start(one_job(group_named("Prod")));
    world.shows(&["1: a=offered", "2: a=queued"]);
    world.with(1, |run| run.fail("a"));
    world.shows(&["1: a=failure", "2: a=offered"]);
}

#[test]
fn queue_max_keeps_a_hundred_in_order() {
    let mut world = World::default();
    for _ in 0..MAX_WAITING + 2 {
        world.start(one_job(keeping("deploy")));
    }
    let last = MAX_WAITING + 2;
    assert_eq!(world.runs[last - 1].conclusion(), Some(Cancelled));
    assert_eq!(
        world.problem(last),
        "it waited for the group `deploy`, but 100 wait for it already, which is the most"
    );
    for run in 1..last {
        assert_eq!(world.runs[run - 1].board(), "a=offered", "run {run}");
        world.with(run, |run| run.pass("a"));
    }
}

#[test]
fn whoever_is_cancelled_while_it_waits_frees_its_place() {
    let cancel = |live: &mut Live| live.tell(Command::Cancel { by: UserName::new("ada"), force: false });
    let mut world = World::default();
    world.start(whole(keeping("x")));
    let mut always = whole(keeping("x"));
    always.jobs = vec![job("a").when("always()").0];
    world.start(always);
    world.start(one_job(keeping("x")));
    world.start(one_job(keeping("x")));
    world.with(2, cancel);
    world.with(3, cancel);
    // Nothing of a run that never got its turn runs, not even `always()`.
    world.shows(&["1: a=offered", "2: a=cancelled", "3: a=cancelled", "4: a=queued"]);
    world.with(1, |run| run.pass("a"));
    world.shows(&["1: a=success", "2: a=cancelled", "3: a=cancelled", "4: a=offered"]);
}

#[test]
fn a_rerun_takes_its_place_anew() {
    let rerun = |live: &mut Live| {
        let scope = RerunScope::All;
        live.tell(Command::Rerun { by: UserName::new("ada"), scope });
    };
    let mut world = World::default();
    world.start(whole(keeping("x")));
    world.with(1, |run| run.fail("a"));
    world.start(one_job(keeping("x")));
    world.with(1, rerun);
    world.shows(&["1: queued a=waiting", "2: a=offered"]);
    world.with(2, |run| run.pass("a"));
    world.with(2, rerun);
    world.shows(&["1: a=offered", "2: a=queued"]);
}

#[test]
fn each_combination_of_a_matrix_takes_the_group() {
    let strategy = |job: &mut sluice_plan::Job| {
        let values = ["x", "y", "z"].map(sluice_plan::Value::from).to_vec();
        job.strategy = Some(sluice_plan::Strategy {
            matrix: Some(sluice_plan::Matrix::Axes {
                axes: vec![sluice_plan::Named::new("v", sluice_plan::Axis::Values(values))],
                include: sluice_plan::Axis::none(),
                exclude: sluice_plan::Axis::none(),
            }),
            fail_fast: Late::Known(true),
            max_parallel: None,
        });
    };
    let mut world = World::default();
    world.start(plan(vec![in_group("a", keeping("one")).with(strategy)]));
    world.start(plan(vec![in_group("a", group_named("m-${{ matrix.v }}")).with(strategy)]));
    world.shows(&["1: a=offered a.1=queued a.2=queued", "2: a=offered a.1=offered a.2=offered"]);
    world.with(1, |run| run.pass("a"));
    world.with(1, |run| run.fail("a.1"));
    world.shows(&["1: a=failure", "2: a=offered a.1=offered a.2=offered"]);
    assert!(world.groups.values().all(|group| group.waiting().count() == 0));
}

/// GitHub's order, which users run into: a job that waits for its approval holds its group.
#[test]
fn the_group_is_taken_before_the_gate_is_asked() {
    let gated = |job: &mut sluice_plan::Job| {
        job.gate = Some(Gate { name: template("prod"), kind: GateKind::Environment, url: None });
    };
    let mut world = World::default();
    for _ in 0..2 {
        world.start(plan(vec![in_group("a", keeping("prod")).with(gated)]));
    }
    world.shows(&["1: a=gated", "2: a=queued"]);
    let by = GateOpener::Person(UserName::new("grace"));
    world.with(1, |run| run.tell(Command::OpenGate { instance: id("a"), by }));
    world.with(1, |run| run.pass("a"));
    world.shows(&["1: a=success", "2: a=gated"]);
}

#[test]
fn a_job_that_waits_for_its_own_run_is_cancelled() {
    let mut both = one_job(group_named("deploy"));
    both.concurrency = Some(group_named("Deploy"));
    let mut world = World::default();
    world.start(both);
    world.shows(&["1: a=cancelled"]);
    assert!(world.problem(1).starts_with("the whole run holds the group `deploy`"), "{}", world.problem(1));
}

#[test]
fn a_job_that_is_not_run_takes_no_group() {
    let mut world = World::default();
    world.start(one_job(keeping("x")));
    world.start(plan(vec![job("b"), in_group("a", keeping("x")).needs("b")]));
    world.with(2, |run| run.fail("b"));
    world.shows(&["1: a=offered", "2: b=failure a=skipped"]);
    assert!(world.groups.values().all(|group| group.waiting().count() == 0));
}

#[test]
fn a_lost_agent_keeps_the_place() {
    let mut world = World::default();
    world.start(one_job(keeping("x")));
    world.start(one_job(keeping("x")));
    world.with(1, |run| run.lease("a"));
    let agent = sluice_model::AgentId::new("built-in");
    world.with(1, |run| run.tell(Command::AgentLost { agent }));
    world.shows(&["1: a=offered", "2: a=queued"]);
}

#[test]
fn a_serial_group_queues_and_a_later_pipeline_overtakes() {
    let mut world = World::default();
    world.start_of(2, serial("deploy"));
    world.start_of(3, serial("deploy"));
    world.start_of(1, serial("deploy"));
    world.start_of(3, serial("Deploy"));
    world.shows(&["1: a=offered", "2: a=queued", "3: a=skipped", "4: a=offered"]);
    assert_eq!(
        world.problem(3),
        "it waited for the group `deploy`, but a of run 1, of a later pipeline, came first"
    );
    world.with(1, |run| run.fail("a"));
    world.shows(&["1: a=failure", "2: a=offered", "3: a=skipped", "4: a=offered"]);
    assert_eq!(world.runs[2].conclusion(), Some(Skipped));
}

#[test]
fn nobody_waits_for_a_serial_group_for_more_than_five_hours() {
    let mut world = World::default();
    world.start(serial("deploy"));
    world.start(serial("deploy"));
    let (key, group) = world.groups.iter().next().map(|(key, group)| (key.clone(), group.clone())).unwrap();
    let ticket = group.waiting().next().unwrap().ticket.clone();
    world.now = Timestamp(MAX_SERIAL_WAIT_MS - 1);
    world.tell(&key, group::Command::Expire { ticket: ticket.clone() });
    world.shows(&["1: a=offered", "2: a=queued"]);
    world.now = Timestamp(MAX_SERIAL_WAIT_MS);
    world.tell(&key, group::Command::Expire { ticket });
    world.shows(&["1: a=offered", "2: a=cancelled"]);
}

#[test]
fn a_group_without_a_name_fails_what_asks_for_it() {
    let long = "x".repeat(sluice_engine::MAX_GROUP_NAME + 1);
    let both = Concurrency { cancel_in_progress: Late::Expression(expression("true")), ..keeping("x") };
    for (concurrency, problem) in [
        (group_named("${{ github.head_ref }}"), "`concurrency.group` is empty"),
        (group_named("${{ fromJSON('no') }}"), "`concurrency.group` has no value"),
        (group_named(&long), "`concurrency.group` has 513 characters"),
        (both, "`queue: max` and a `cancel-in-progress` that is true"),
    ] {
        for plan in [whole(concurrency.clone()), one_job(concurrency.clone())] {
            let live = Live::start(plan);
            assert_eq!(live.conclusion(), Some(Failure));
            assert!(live.problem("a").contains(problem), "{}", live.problem("a"));
        }
    }
}

#[test]
fn what_comes_for_an_old_ticket_is_refused() {
    let mut world = World::default();
    world.start(one_job(keeping("x")));
    let run = &mut world.runs[0];
    let ticket = run.instance("a").group.as_ref().unwrap().ticket;
    let admit = |instance: &str, ticket| Command::Admit { instance: Some(id(instance)), ticket };
    assert_eq!(run.try_tell(admit("a", ticket)), Ok(0));
    assert!(run.try_tell(admit("a", ticket + 1)).is_err());
    assert!(run.try_tell(admit("b", ticket)).is_err());
    run.finish("a", Success);
    assert!(run.try_tell(admit("a", ticket)).is_err());
}

/// A workflow whose job `call` calls one with the jobs `build` and `ship`, in a group as a whole.
fn calling(concurrency: Concurrency) -> Plan {
    let mut plan = plan(vec![job("call/build"), job("call/ship").needs("call/build"), job("a")]);
    let jobs = ["call/build", "call/ship"].map(JobId::new).to_vec();
    plan.calls =
        vec![Called { id: JobId::new("call"), jobs, concurrency: Some(concurrency), combination: None }];
    plan
}

#[test]
fn a_call_holds_its_group_until_its_last_job_has_ended() {
    let mut world = World::default();
    world.start(calling(group_named("deploy")));
    world.start(calling(group_named("deploy")));
    world.with(1, |live| live.pass("call/build"));
    world.shows(&[
        "1: call/build=success call/ship=offered a=offered",
        "2: call/build=waiting call/ship=waiting a=offered",
    ]);
    world.with(1, |live| live.pass("call/ship"));
    world.shows(&[
        "1: call/build=success call/ship=success a=offered",
        "2: call/build=offered call/ship=waiting a=offered",
    ]);
}

#[test]
fn a_call_that_waits_gives_way_to_a_newer_one() {
    let mut world = World::default();
    for _ in 0..3 {
        world.start(calling(group_named("deploy")));
    }
    world.shows(&[
        "1: call/build=offered call/ship=waiting a=offered",
        "2: call/build=cancelled call/ship=cancelled a=offered",
        "3: call/build=waiting call/ship=waiting a=offered",
    ]);
    let problem = world.runs[1].problem("call/build");
    assert_eq!(
        problem,
        "it waited for the group `deploy`, but call of run 3 came later, and only the latest waits"
    );
    world.with(2, |live| live.tell(Command::Cancel { by: UserName::new("ada"), force: false }));
    world.with(1, |live| live.fail("call/build"));
    world.shows(&[
        "1: call/build=failure call/ship=skipped a=offered",
        "2: call/build=cancelled call/ship=cancelled a=cancelled",
        "3: call/build=offered call/ship=waiting a=offered",
    ]);
}

#[test]
fn a_newer_call_may_stop_the_one_that_holds_the_group() {
    let mut world = World::default();
    world.start(calling(cancelling("deploy")));
    world.with(1, |live| live.pass("call/build"));
    world.with(1, |live| live.lease("call/ship"));
    world.start(calling(cancelling("deploy")));
    world.shows(&[
        "1: call/build=success call/ship=stopping a=offered",
        "2: call/build=waiting call/ship=waiting a=offered",
    ]);
    world.with(1, |live| live.report("call/ship", Cancelled, &[]));
    world.shows(&[
        "1: call/build=success call/ship=cancelled a=offered",
        "2: call/build=offered call/ship=waiting a=offered",
    ]);
}
