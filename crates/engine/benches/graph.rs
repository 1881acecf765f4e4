//! How many events a second the run machine decides and folds, for a graph of 1,000 jobs.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; a measurement reads a clock"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use sluice_engine::{Command, Create, Event, State, apply, decide};
use sluice_model::{AgentId, Conclusion, RunId, Timestamp, Trigger, UserName};
use sluice_plan::{
    Container, Defaults, Dialect, Executor, Expression, Job, JobCondition, Need, Plan, StepsJob, Template,
    Value, Work,
};

const JOBS: usize = 1_000;
const ROUNDS: usize = 20;

fn main() {
    for (name, condition) in
        [("success()", "success()"), ("an expression", "github.ref_name == 'master' && success()")]
    {
        let create = create(condition);
        let mut events = 0;
        let began = Instant::now();
        for _ in 0..ROUNDS {
            events += run(create.clone());
        }
        let per_second = events as f64 / began.elapsed().as_secs_f64();
        println!("{JOBS} jobs, if: {name}: {events} events, {per_second:.0} events/s");
    }
}

/// One run from its creation to its end; gives the number of events.
fn run(create: Create) -> usize {
    let mut state = State::default();
    let mut log: Vec<Event> = Vec::new();
    let mut tell = |state: &mut State, command: Command| {
        let events = decide(state, Timestamp(1), command).expect("it is taken");
        for event in events {
            std::hint::black_box(apply(state, &event));
            log.push(event);
        }
    };
    tell(&mut state, Command::Create(Box::new(create)));
    let mut offers = Vec::new();
    loop {
        // An agent asks seldom, and takes all that there is.
        if offers.is_empty() {
            let run = state.run().expect("a run");
            offers.extend(run.offers().map(|offer| (offer.instance, offer.fencing_token)));
        }
        let Some((instance, fencing_token)) = offers.pop() else { break };
        let agent = AgentId::new("built-in");
        tell(
            &mut state,
            Command::Lease { instance: instance.clone(), fencing_token, agent, until: Timestamp(9) },
        );
        let outputs = BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]);
        let conclusion = Conclusion::Success;
        tell(&mut state, Command::FinishJob { instance, fencing_token, conclusion, outputs, problem: None });
    }
    assert_eq!(state.run().and_then(|run| run.conclusion()), Some(Conclusion::Success));
    log.len()
}

/// Each job needs up to three of those before it.
fn create(condition: &str) -> Create {
    let jobs = (0..JOBS).map(|index| {
        let needs = [index / 2, index / 3, index.saturating_sub(7)];
        let mut needs: Vec<usize> = needs.into_iter().filter(|need| *need < index).collect();
        needs.dedup();
        job(index, &needs, condition)
    });
    let plan = Plan {
        dialect: Dialect::Github,
        file: ".github/workflows/large.yml".to_owned(),
        workflow: "large".to_owned(),
        run_name: None,
        env: Vec::new(),
        defaults: Defaults::default(),
        concurrency: None,
        permissions: None,
        lock: None,
        jobs: jobs.collect(),
        calls: Vec::new(),
        max_auto_reruns: 0,
    };
    let trigger = Trigger {
        event: sluice_model::Event::Push,
        action: None,
        repository: "acme/large".parse().expect("a name"),
        git_ref: "refs/heads/master".to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
        before: None,
        actor: UserName::new("ada"),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        image_chain: Vec::new(),
        inputs: BTreeMap::new(),
        payload: "{}".to_owned(),
        subject: "Grow".to_owned(),
    };
    let (inputs, vars, server_url) = (Value::Null, BTreeMap::new(), String::new());
    Create { run: RunId(1), number: 1, plan, trigger, inputs, vars, server_url, pipeline: 1 }
}

fn job(index: usize, needs: &[usize], condition: &str) -> Job {
    let id = |index: usize| sluice_model::JobId::new(format!("job-{index}"));
    let image = Template::parse("debian").expect("a template");
    let steps = StepsJob {
        executor: Executor::Docker { container: Container::of_image(image) },
        services: Vec::new(),
        env: Vec::new(),
        contexts: Vec::new(),
        defaults: Defaults::default(),
        parallelism: 1,
        steps: Vec::new(),
    };
    Job {
        id: id(index),
        name: None,
        at: Default::default(),
        needs: needs.iter().map(|need| Need { job: id(*need), accepts: None }).collect(),
        condition: JobCondition::Expression(Expression::parse(condition).expect("an expression")),
        gate: None,
        strategy: None,
        concurrency: None,
        permissions: None,
        continue_on_error: None,
        timeout_minutes: None,
        outputs: Vec::new(),
        work: Work::Steps(Box::new(steps)),
    }
}
